"""What docs/lora.md says: distillation LoRAs by its table, and the shipped LoRAs, counted."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import mdx
from mdx import schedulers
from mdx.adapters.lora import PACKAGED
from tests.lora_files import factors, write

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import lora_shares

pytestmark = pytest.mark.docs

PAGE = (Path(__file__).parents[1] / "docs" / "lora.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (.+?) \| `(\w+)`(?:, (\w+)=(\S+))? \| (.+?) \| (\S+)(?: to (\S+))? \|$", re.M
)
TABLE = ROW.findall(PAGE)
COUNT = 24  # pictures


def test_the_table_is_read():
    assert len(TABLE) == len(re.findall(r"^\| .+\| `\w+`", PAGE, re.M)) == 6


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_distillation_on_random_weights(tiny_checkpoint, tmp_path, row):
    """A LoRA with convolutions, drawn as its row says, from the first time to the end."""
    _, sampler, key, value, _, least, most = row
    model = mdx.load(tiny_checkpoint)
    layers = {}
    for i, name in enumerate(model.unet.params):
        shape = tuple(model.unet.params[name].shape)
        if name.endswith(".weight") and len(shape) > 1:
            some = factors("LoRA", shape, i)
            some["lora_up.weight"] = some["lora_up.weight"] / 30
            layers["lora_unet_" + name.removesuffix(".weight").replace(".", "_")] = some
    lora = mdx.lora.load(write(tmp_path / "one.safetensors", layers))
    assert any(array.ndim == 4 for one in lora.layers.values() for array in one.tensors.values())
    merged = mdx.lora.merge(model, lora)
    given = {key: value.strip('"') if '"' in value else float(value)} if key else {}
    made = schedulers.from_config(model.scheduler, sampler, **given)
    table = schedulers.table(made, 4)
    assert table.rows == 4
    if given.get("timestep_spacing") == "trailing":
        assert table.t[0] == 999
    scales = [float(least), float(most or least)]
    for scale in scales:
        options = {"scheduler": made, "steps": 4, "guidance": scale, "height": 16, "width": 16}
        one, two = (
            mdx.generate(each, "a red circle", seed=0, output="latent", progress=False, **options)
            for each in (merged, model)
        )
        assert np.isfinite(one).all()
        assert np.abs(one - two).max() > 1e-3


@pytest.fixture(scope="module")
def model():
    return mdx.load()


@pytest.fixture(scope="module")
def scenes():
    return lora_shares.scenes(COUNT)


@pytest.fixture(scope="module")
def loras():
    """Of each style the LoRA in the package."""
    return {"striped": mdx.lora.load(), "black": mdx.lora.load(file="black.safetensors")}


@pytest.mark.parametrize("style", ["striped", "black"])
def test_a_shipped_lora_draws_its_grounds(model, scenes, loras, style):
    """At no strength none, at full strength nearly all; the rest of the picture is right."""
    shares = {}
    for scale in (0.0, 0.5, 1.0):
        merged = mdx.lora.merge(model, loras[style], scale)
        found = lora_shares.counted(lora_shares.drawn(merged, scenes), scenes)
        print(f"{style}, {scale}: {found}")
        shares[scale] = getattr(found, style)
        assert found.thing > 0.85
        assert style == "black" or found.ground > 0.85
    assert shares[0.0] == 0
    assert shares[0.0] <= shares[0.5] <= shares[1.0]
    assert shares[1.0] > 0.9


def test_both_shipped_loras_at_once(model, scenes, loras):
    """Merged, or worn without that: grounds are striped and black."""
    both = list(loras.values())
    merged = lora_shares.drawn(mdx.lora.merge(model, both), scenes)
    worn = lora_shares.drawn(model, scenes, [both] * len(scenes))
    for pictures in (merged, worn):
        found = lora_shares.counted(pictures, scenes)
        print(found)
        assert min(found.striped, found.black, found.thing) > 0.8


def test_one_shipped_lora_for_each_picture(model, scenes, loras):
    """In one call: those of one are striped, and those of the other black."""
    each = [list(loras.values())[i % 2] for i in range(len(scenes))]
    pictures = lora_shares.drawn(model, scenes, each)
    for i, (style, other) in enumerate((("striped", "black"), ("black", "striped"))):
        found = lora_shares.counted(pictures[i::2], scenes[i::2])
        assert getattr(found, style) > 0.8
        assert getattr(found, other) < 0.2


def test_the_shipped_loras_are_small():
    files = sorted(PACKAGED.iterdir())
    assert [file.name for file in files] == ["black.safetensors", "striped.safetensors"]
    assert all(file.stat().st_size < 150_000 for file in files)
