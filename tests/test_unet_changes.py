"""What may be altered inside a UNet: what each stage gets of it, and what it does, in numpy.

tests/parity has whole nets against the reference's own ControlNet, IP-Adapter and the like.
"""

from math import erf

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

import mdx
from mdx import schedulers
from mdx.nets import transformer, unet, unet_changes, unet_stages
from mdx.nets.unet_changes import NONE, NOTHING, Changes, Own, Scaled
from mdx.sampling import network
from mdx.sampling.denoiser import rows
from tests import tiny
from tests.test_nets import tensors

CONFIG = unet.from_json({**tiny.UNET, "transformer_layers_per_block": 2})
NAMES = [stage.name for stage in unet_stages.stages(CONFIG)]
MIDDLE = "mid_block.attentions.0"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return mdx.load(tiny.write(tmp_path_factory.mktemp("tiny")))


# What is changed, and what the stages have of it that have any.
CASES = {
    "nothing": (NOTHING, {}),
    "a transformer is left out": (
        Changes(skipped=(MIDDLE,)),
        {MIDDLE: Own(True, (0, 1))},
    ),
    "a layer is left out": (
        Changes(skipped=(MIDDLE + ".transformer_blocks.1",)),
        {MIDDLE: Own(skipped_layers=(1,))},
    ),
    "a residual block is left out": (
        Changes(skipped=("mid_block.resnets.1",)),
        {"mid_block.resnets.1": Own(True)},
    ),
    "all of the middle reads itself alone": (
        Changes(alone=("mid_block",)),
        {MIDDLE: Own(alone=(0, 1))},
    ),
    "FreeU": (
        Changes(scaled=(Scaled("up_blocks.0", 1.5, 0.9),)),
        {f"up_blocks.0.resnets.{i}": Own(backbone=1.5, skip=0.9) for i in range(2)},
    ),
    "the first that fits counts": (
        Changes(scaled=(Scaled("up_blocks.1.resnets.0", 1.5, 1), Scaled("up_blocks.1", 2, 1))),
        {"up_blocks.1.resnets.0": Own(backbone=1.5), "up_blocks.1.resnets.1": Own(backbone=2)},
    ),
    "image prompts": (
        Changes(images=2),
        {name: Own(images=2) for name in NAMES if "attentions" in name},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_each_stage_has(name):
    changes, expected = CASES[name]
    owns = unet_stages.owns(CONFIG, changes)
    assert dict(zip(NAMES, owns, strict=True)) == {**dict.fromkeys(NAMES, NONE), **expected}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (Changes(skipped=("mid_block.attention",)), r"changes.skipped has 'mid_block.attention'"),
        # It changes the number of channels.
        (Changes(skipped=("up_blocks.0.resnets.0",)), "changes.skipped has 'up_blocks.0.resn"),
        (Changes(skipped=(MIDDLE + ".transformer_blocks.2",)), "blocks.2', and nothing in this"),
        (Changes(alone=("mid_block.resnets",)), "changes.alone .* a name as down_blocks.0.att"),
        (Changes(scaled=(Scaled("down_blocks.0", 1, 1),)), "changes.scaled has 'down_blocks.0'"),
    ],
)
def test_names_that_change_nothing_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        unet_stages.owns(CONFIG, changes)
    text = unet.from_json({**tiny.UNET, "only_cross_attention": True})
    with pytest.raises(ValueError, match=r"changes.alone has 'mid_block'"):
        unet_stages.owns(text, Changes(alone=("mid_block",)))


def test_maps_are_joined_in_the_reverse_of_the_order_in_which_they_were_kept():
    added = dict(zip(NAMES, unet_stages.skips(CONFIG), strict=True))
    assert {name: skip for name, skip in added.items() if skip} == {
        "up_blocks.0.resnets.0": "skip.3",
        "up_blocks.0.resnets.1": "skip.2",
        "up_blocks.1.resnets.0": "skip.1",
        "up_blocks.1.resnets.1": "skip.0",
    }


def test_what_a_stage_reads_of_all_inputs():
    """Under the names it has where stages share a graph."""
    names = ["embedding", "context", "skip.1", "skip.2", "after.a", "after.a.b", "image.0"]
    names += ["image_scale.0", "image_scale.0.a", "image_scale.0.c", "pooled", "ids", "guidance"]
    inputs = dict(zip(names, names, strict=True))
    found = unet_changes.inputs_of(inputs, "a", "skip.2", "stage")
    assert found == {
        "embedding": "embedding",
        "context": "context",
        "skip": "skip.2",
        "after.stage": "after.a",
        "image.0": "image.0",
        "image_scale.0": "image_scale.0",
        "image_scale.0.stage": "image_scale.0.a",
    }


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (6, 4), (7, 9)])
def test_the_lowest_frequencies(size):
    """As the Fourier transform has them: a box of two by two of it, and the real part."""
    x = np.random.default_rng(0).standard_normal(size)
    spectrum = np.fft.fftshift(np.fft.fft2(x))
    box = np.zeros(size)
    down, right = (side // 2 for side in size)
    box[max(down - 1, 0) : down + 1, max(right - 1, 0) : right + 1] = 1
    expected = np.fft.ifft2(np.fft.ifftshift(spectrum * box)).real
    waves = unet_changes.lowest_waves(*size)
    np.testing.assert_allclose((x.reshape(-1) @ waves.T @ waves).reshape(size), expected, atol=1e-9)


SETTINGS = transformer.Transformer(8, 2, 1, 6, 4, True)


def test_what_a_transformer_does_otherwise():
    """Where there is one pixel and one word, each reads itself alone, and that one word."""
    shapes = transformer.shapes("a", SETTINGS)
    for part in "kv":
        shapes[f"a.transformer_blocks.0.attn2.processor.to_{part}_ip.0.weight"] = (8, 6)
    params = tiny.random_params(shapes)
    random = np.random.default_rng(0)
    pixel, picture = random.standard_normal((2, 8, 1, 1)), random.standard_normal((2, 8, 2, 3))
    inputs = {
        "context": random.standard_normal((2, 1, 6)),
        "image.0": random.standard_normal((2, 1, 6)),
        "image_scale.0": [0.5, 2.0],
        "image_scale.0.b": [7.0, 7.0],
    }

    @mindspore.jit
    def run(params, pixel, picture, inputs):
        def apply(x, own):
            return transformer.apply(SETTINGS, params, "a", x, inputs, own)

        return (
            apply(pixel, NONE), apply(pixel, Own(alone=(0,))), apply(picture, NONE),
            apply(picture, Own(alone=(0,))), apply(pixel, Own(skipped_layers=(0,))),
            apply(pixel, Own(images=1)),
        )  # fmt: skip

    args = tensors(params), Tensor(np.float32(pixel)), Tensor(np.float32(picture)), tensors(inputs)
    plain, alone, whole, self_read, empty, seen = (out.asnumpy() for out in run(*args))
    np.testing.assert_allclose(alone, plain, rtol=1e-5, atol=1e-5)
    assert np.abs(self_read - whole).max() > 1e-2

    def linear(name, x):
        return x @ params[name + ".weight"].T + params.get(name + ".bias", 0)

    def norm(name, x, groups):
        parts = x.reshape(2, groups, -1)
        moved = parts - parts.mean(-1, keepdims=True)
        moved = moved / np.sqrt((moved**2).mean(-1, keepdims=True) + (1e-6 if groups > 1 else 1e-5))
        return moved.reshape(2, 8) * params[name + ".weight"] + params[name + ".bias"]

    x = pixel.reshape(2, 8)
    inner = linear("a.proj_in", norm("a.norm", x, 4))
    expected = x + linear("a.proj_out", inner)
    np.testing.assert_allclose(empty.reshape(2, 8), expected, rtol=1e-4, atol=1e-4)

    block = "a.transformer_blocks.0."

    def after_layer(images):
        h = norm(block + "norm1", inner, 1)
        y = inner + linear(block + "attn1.to_out.0", linear(block + "attn1.to_v", h))
        read = linear(block + "attn2.to_v", inputs["context"][:, 0])
        if images:
            value = linear(block + "attn2.processor.to_v_ip.0", inputs["image.0"][:, 0])
            read = read + np.array([[0.5], [2.0]]) * value
        y = y + linear(block + "attn2.to_out.0", read)
        value, gate = np.split(linear(block + "ff.net.0.proj", norm(block + "norm3", y, 1)), 2, 1)
        gelu = gate * (np.vectorize(erf)(gate / np.sqrt(2)) + 1) / 2
        return x + linear("a.proj_out", y + linear(block + "ff.net.2", value * gelu))

    np.testing.assert_allclose(plain.reshape(2, 8), after_layer(False), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(seen.reshape(2, 8), after_layer(True), rtol=1e-4, atol=1e-4)


def test_the_changes_of_a_denoiser_are_the_same_however_it_is_called(model):
    """In one call, stage by stage and in one graph to the same bits; and they do something.

    At the size of test_memory.py's pictures: the stages that are not changed have graphs there.
    """
    positive, negative = (mdx.encode_prompt(model, text) for text in ("a cat", ""))
    noise = np.random.default_rng(0).standard_normal((1, 4, 9, 6))
    table = schedulers.table(schedulers.from_config(model.scheduler, "ddim"), 2)
    changes = Changes(alone=("mid_block",), scaled=(Scaled("up_blocks", 1.5, 0.9),))

    def drawn(weights=None, one_graph=False, **replaced):
        memory = mdx.Memory(weights=weights) if weights else None
        both = [
            mdx.denoiser(model, one, memory=memory)._replace(**replaced)
            for one in (positive, negative)
        ]
        denoiser = mdx.guidance.classifier_free(*both, 3.0)
        state = mdx.sample(denoiser, table, noise=noise, one_graph=one_graph)
        return state.slots.asnumpy()[0]

    changed = drawn(changes=changes)
    assert np.array_equal(drawn("stage", changes=changes), changed)
    assert np.array_equal(drawn(one_graph=True, changes=changes), changed)
    assert np.abs(changed - drawn()).max() > 0.01


def test_changes_of_what_is_not_there_are_refused(model):
    denoiser = mdx.denoiser(model, mdx.encode_prompt(model, "a cat"))
    denoiser = denoiser._replace(changes=Changes(skipped=("nowhere",)))
    table = schedulers.table(model.scheduler, 2)
    with pytest.raises(ValueError, match=r"changes.skipped has 'nowhere', and nothing"):
        mdx.sample(denoiser, table, noise=np.zeros((1, 4, 8, 8)))


def test_networks_of_other_changes_are_not_halves_of_one_call(model):
    """Each half is then called by itself: guidance by a worse model of the same weights."""
    one = mdx.denoiser(model, mdx.encode_prompt(model, "a cat"))
    worse = one._replace(changes=Changes(alone=("mid_block",)))
    assert network.alike(one, one)
    assert not network.alike(one, worse)
    row = rows(schedulers.table(schedulers.from_config(model.scheduler, "ddim"), 1))[0]
    x = Tensor(np.random.default_rng(0).standard_normal((1, 4, 8, 8)).astype(np.float32))

    def output(denoiser):
        return denoiser.apply(denoiser.init(x.shape), x, row)[0].asnumpy()

    towards, away = output(one), output(worse)
    guided = output(mdx.guidance.classifier_free(one, worse, 3.0))
    np.testing.assert_allclose(guided, away + 3 * (towards - away), atol=1e-5)
    assert np.abs(guided - towards).max() > 0.01
