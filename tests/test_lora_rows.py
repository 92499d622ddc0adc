"""LoRAs that are not merged: to each image its own, in one call for all of them."""

import numpy as np
import pytest

import mdx
from mdx.sampling import network
from tests.lora_files import factors, write
from tests.worn import LAYERS, drawn, made, near


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


@pytest.fixture(scope="module")
def loras(model, tmp_path_factory):
    return made(model, tmp_path_factory.mktemp("loras"))


def test_each_image_is_as_with_its_own_merged(model, loras, monkeypatch):
    """Four images of three LoRAs, in one kind of call, and none of them as without."""
    one, two, three = loras
    each = [one, None, (two, -0.5), [(one, 0.5), three]]
    shapes = set()
    plain = network.told

    def told(inputs, strengths, guided):
        shapes.add((strengths.shape, guided))
        return plain(inputs, strengths, guided)

    monkeypatch.setattr(network, "told", told)
    got = drawn(model, lora=each)
    assert shapes == {((4, 3), True)}
    alone = drawn(model)
    assert np.abs(got[0] - alone[0]).max() > 1e-2 * np.abs(alone).max()
    for i, some in enumerate(each):
        merged = model if some is None else mdx.lora.merge(model, some)
        expected = drawn(merged, 1, [i])
        near(got[i], expected[0])


def test_the_plan_counts_what_is_worn(model, loras):
    from mdx import lora_runs
    from mdx.families import family_of

    asked = lora_runs.asked(model, lora_runs.Asked(loras[1], None, 1, 3, True))
    both = lora_runs.weighed(model, family_of(model), asked)
    size = sum(param.nbytes for param in asked.factors.params.values())
    more = mdx.plan(both, 16, 16, 1).peak - mdx.plan(model, 16, 16, 1).peak
    assert size <= more <= 1.1 * size + 1000


@pytest.mark.parametrize("kind", ["LoHa", "LoKr", "DoRA", "difference"])
def test_what_is_no_product_of_two_is_sent_to_merge(model, tmp_path, kind):
    layer = LAYERS[-1]
    shape = tuple(model.unet.params[layer + ".weight"].shape)
    path = write(tmp_path / "one.safetensors", {f"unet.{layer}": factors(kind, shape)})
    with pytest.raises(ValueError, match=r"cannot go to one picture by itself: mdx\.lora\.merge"):
        drawn(model, lora=mdx.lora.load(path))


def test_a_kernel_between_the_factors_is_one_of_them(model, tmp_path):
    layer = "down_blocks.0.resnets.0.conv1"
    shape = tuple(model.unet.params[layer + ".weight"].shape)
    found = factors("LoCon with mid", shape)
    lora = mdx.lora.load(write(tmp_path / "one.safetensors", {f"unet.{layer}": found}))
    from mdx.adapters.lora_kinds import delta
    from mdx.adapters.lora_rows import _factors

    [own] = lora.layers.values()
    down, up = _factors(own, shape)
    expected = delta(own, model.unet.params[layer + ".weight"].asnumpy())
    got = np.tensordot(up[:, :, 0, 0], down, 1)
    assert np.allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"lora": "style"}, "lora must be of LoRAs"),
        ({"lora": [None]}, "1 entries of lora for 4 images"),
        ({"lora_scale": 1.0}, "lora_scale is of LoRAs"),
        ({"lora": 1, "lora_scale": np.ones(3)}, r"lora_scale must be a number, \(4,\) or \(3, 4\)"),
        ({"lora": 2, "lora_scale": np.ones((3, 4))}, "changes a text encoder"),
        ({"lora": 1, "lora_scale": "x"}, "lora_scale"),
    ],
)  # fmt: skip
def test_what_does_not_fit(model, loras, asked, match):
    if isinstance(asked.get("lora"), int):
        asked = {**asked, "lora": loras[asked["lora"]]}
    with pytest.raises((ValueError, TypeError), match=match):
        drawn(model, **asked)
