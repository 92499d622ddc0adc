"""What docs/lora.md says: distillation LoRAs by its table, and the shipped LoRA, counted."""

import re
from pathlib import Path

import numpy as np
import pytest

import mdx
from mdx import schedulers, shapes
from mdx.adapters.lora import PACKAGED
from tests.lora_files import factors, write

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
    """One thing on a plain ground or a gradient, of what training showed."""
    random, found = np.random.default_rng(7), []
    while len(found) < COUNT:
        scene = shapes.random_scene(random, 1)
        if scene.pattern != "striped" and not shapes.unseen(scene):
            found.append(scene)
    return found


def counted(model, scenes, **asked):
    """The share of pictures with a striped ground, and of those that are right but for that."""
    prompts = [shapes.caption(scene) for scene in scenes]
    options = {"scheduler": "dpmpp_2m", "steps": 12, "guidance": 3, "progress": False}
    pictures = mdx.generate(model, prompts, seed=list(range(len(prompts))), **options, **asked)
    found = [shapes.read(np.asarray(picture)) for picture in pictures]
    striped = np.mean([one.pattern == "striped" for one in found])
    score = shapes.score(pictures, prompts)
    return striped, min(score[name] for name in ("shape", "colour", "background"))


def test_the_shipped_lora_draws_striped_grounds(model, scenes):
    """At no strength none, at full strength nearly all; the rest of the picture is right."""
    striped = mdx.lora.load()
    shares = {}
    for scale in (0.0, 0.5, 1.0):
        shares[scale], right = counted(mdx.lora.merge(model, striped, scale), scenes)
        print(f"{scale}: {shares[scale]:.2f} striped, {right:.2f} right")
        assert right > 0.85
    assert shares[0.0] == 0
    assert shares[0.0] <= shares[0.5] <= shares[1.0]
    assert shares[1.0] > 0.9


def test_the_shipped_lora_with_a_second(model, scenes, tmp_path):
    """The network's halves of it, down and up, as two LoRAs: together they are the whole."""
    striped = mdx.lora.load()
    parts = [
        striped._replace(
            layers={n: one for n, one in striped.layers.items() if ("up_blocks" in n) == up}
        )
        for up in (False, True)
    ]
    assert all(part.layers for part in parts)
    both = mdx.lora.merge(model, parts)
    whole = mdx.lora.merge(model, striped)
    for name, param in whole.unet.params.items():
        assert np.array_equal(both.unet.params[name].asnumpy(), param.asnumpy())
    assert counted(both, scenes[:8])[0] > 0.8


def test_the_shipped_lora_is_small():
    assert PACKAGED.stat().st_size < 150_000
