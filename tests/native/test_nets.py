"""Whole nets by native operators, against the same by MindSpore's."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from mdx import kernels
from mdx.kernels import native
from mdx.kernels.device import CPU_NATIVE, USUAL, lowering
from mdx.nets import clip, low_rank, unet, vae
from mdx.nets.unet_changes import NOTHING, Changes, Scaled
from tests import tiny
from tests.native.libraries import CLASSES, load

RANDOM = np.random.default_rng(0)
CLOSE = 1e-5  # of the largest value
ROUNDED = 3e-2  # the same, where products are of bfloat16


@pytest.fixture(scope="module", params=CLASSES[:1], autouse=True)
def native_library(request):
    """The library is there before the package looks for it."""
    load(request.param)
    native.library.cache_clear()


def some(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def tensors(arrays, dtype=mindspore.float32):
    return mindspore.mutable({name: Tensor(one, dtype) for name, one in arrays.items()})


def check(function, *arguments):
    """function(*arguments), a tuple of tensors, is the same by both kinds of operators."""
    found = {}
    for operators in ("plain", "native"):

        def graph(*arguments):
            return function(*arguments)

        with kernels.lowered(operators):
            assert (lowering() == CPU_NATIVE) == (operators == "native")
            found[operators] = [one.asnumpy() for one in mindspore.jit(graph)(*arguments)]
    for one, expected in zip(found["native"], found["plain"], strict=True):
        assert one.shape == expected.shape
        assert np.abs(one - expected).max() <= CLOSE * np.abs(expected).max()


XL = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 12 + 6 * 8,
    "transformer_layers_per_block": [2, 1],
    "use_linear_projection": True,
}
UPSCALER = {
    "num_class_embeds": 10,
    "only_cross_attention": [True, False],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}
OTHER = {
    "act_fn": "gelu",
    "resnet_time_scale_shift": "scale_shift",
    "mid_block_scale_factor": 1.5,
    "downsample_padding": 0,
    "conv_out_kernel": 1,
    "block_out_channels": [24, 32],
    "attention_head_dim": [3, 4],
}
CHANGED = Changes(
    alone=("down_blocks.0.attentions",),
    scaled=(Scaled("up_blocks.1", 1.2, 0.9),),
    images=1,
)


@pytest.mark.parametrize(
    ("fields", "size", "part_bytes", "changes"),
    [
        ({}, (8, 8), 2**26, NOTHING),
        (XL, (5, 7), 2**14, NOTHING),
        (UPSCALER, (6, 4), 2**26, NOTHING),
        (OTHER, (4, 4), 2**26, NOTHING),
        ({}, (6, 6), 2**26, CHANGED),
    ],
    ids=["SD", "SDXL", "upscaler", "other settings", "changed inside"],
)
def test_unets(fields, size, part_bytes, changes):
    config = unet.from_json({**tiny.UNET, **fields})
    params = tiny.random_params(unet.shapes(config))
    told = {
        "context": some(2, 7, 16),
        "pooled": some(2, 12),
        "ids": some(2, 6),
        "image.0": some(2, 4, 16),
        "image_scale.0": some(2),
        "labels": np.array([3, 8], np.int32),
    }
    names = unet.conditioning_names(config)
    if changes.images:
        names = (*names, "image.0", "image_scale.0")
        for name in [name for name in params if name.endswith("attn2.to_k.weight")]:
            stem = name.removesuffix("to_k.weight") + "processor."
            width = params[name].shape[0]
            params |= {f"{stem}to_{which}_ip.0.weight": some(width, 16) / 4 for which in "kv"}
    told = {name: told[name] for name in names}

    def graph(params, x, t, labels, told):
        read = {}
        read.update(told)
        if "labels" in names:
            read["labels"] = labels
        return (unet.apply(config, params, x, t, read, part_bytes, changes),)

    labels = Tensor(told.pop("labels", np.zeros(2, np.int32)))
    x, t = Tensor(some(2, config.in_channels, *size)), Tensor(np.float32([981, 3.5]))
    check(graph, tensors(params), x, t, labels, tensors(told))


@pytest.mark.parametrize("dtype", [mindspore.float16, mindspore.bfloat16])
def test_a_unet_of_half_precision_that_wears_loras(dtype):
    """On linear layers and convolutions; each picture has strengths of its own."""
    config = unet.from_json(tiny.UNET)
    params = tiny.random_params(unet.shapes(config))
    for name, weight in list(params.items()):
        layer = name.removesuffix(".weight")
        chosen = ("attn1.", "attn2.", "ff.net", "proj_in", "conv1", "downsamplers", "upsamplers")
        if name.endswith(".weight") and any(part in layer for part in chosen):
            outputs, inputs, *kernel = weight.shape
            params[layer + low_rank.DOWN] = some(3, inputs, *kernel) / 8
            params[layer + low_rank.UP] = some(outputs, 3, *(1 for _ in kernel)) / 8
            params[layer + low_rank.OF] = np.float32([[1, 1, 0], [0, 0, 1]])
    held = tensors(params, dtype)
    for name in params:
        if name.endswith(low_rank.OF):
            held[name] = Tensor(params[name])

    def graph(params, x, t, context, scale):
        return (unet.apply(config, low_rank.with_scale(params, scale), x, t, {"context": context}),)

    x, t = Tensor(some(2, 4, 6, 6)), Tensor(np.float32([981, 3.5]))
    check(graph, held, x, t, Tensor(some(2, 7, 16)), Tensor(some(2, 2)))


@pytest.mark.parametrize("activation", ["silu", "mish"])
def test_the_autoencoder(activation):
    config = vae.from_json({**tiny.VAE, "act_fn": activation})

    def graph(params, images, latents):
        return (*vae.encode(config, params, images), vae.decode(config, params, latents))

    params = tensors(tiny.random_params(vae.shapes(config)))
    check(graph, params, Tensor(some(2, 3, 16, 24)), Tensor(some(1, 4, 6, 5)))


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("masked", [False, True])
def test_text_encoders(activation, masked):
    config = clip.from_json({**tiny.TEXT, "hidden_act": activation})

    def graph(params, tokens, unread):
        hidden = unread if masked else None
        return clip.apply(config, params, tokens, -2, True, True, hidden)

    tokens = RANDOM.integers(0, 559, (2, 16)).astype(np.int32)
    unread = np.where(np.arange(16) < [[9], [16]], 0.0, -1e9).astype(np.float32)
    params = tensors(tiny.random_params(clip.shapes(config)))
    check(graph, params, Tensor(tokens), Tensor(unread))


def test_derivatives_are_refused_with_words():
    config = clip.from_json(tiny.TEXT)
    params = tensors(tiny.random_params(clip.shapes(config)))
    tokens = Tensor(np.zeros((1, 16), np.int32))

    def loss(params):
        return clip.apply(config, params, tokens)[0].sum()

    @mindspore.jit
    def slope(params):
        return mindspore.grad(loss)(params)

    with kernels.lowered("native"), pytest.raises(RuntimeError, match="take the plain"):
        slope(params)


@pytest.mark.parametrize(
    ("said", "asked", "expected"),
    [
        ("", None, USUAL == "native"),
        ("bfloat16", None, True),
        ("1", None, True),
        ("0", None, False),
        ("1", "plain", False),
        ("0", "native", True),
    ],
)
def test_which_operators_are_asked_for(monkeypatch, said, asked, expected):
    monkeypatch.setenv("MDX_NATIVE", said)
    if asked is None:
        assert lowering().fused == expected
        return
    with kernels.lowered(asked):
        assert lowering().fused == expected
    assert lowering().fused == (said == "1")
    assert lowering().products == "float32"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("quick",), "'plain' or 'native', not 'quick'"),
        (("native", "float16"), "'float32' or 'bfloat16' with native operators, not 'float16'"),
        (("plain", "bfloat16"), "must be 'float32' with plain operators, not 'bfloat16'"),
    ],
)
def test_other_words_are_refused(words, message):
    with pytest.raises(ValueError, match=message), kernels.lowered(*words):
        pass


def test_another_word_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("MDX_NATIVE", "yes")
    with pytest.raises(ValueError, match="MDX_NATIVE must be 0, 1 or bfloat16, not 'yes'"):
        lowering()


def test_products_of_bfloat16():
    """A text encoder's differ from those of float32 by what rounding to 8 bits makes of them."""
    config = clip.from_json(tiny.TEXT)
    params = tensors(tiny.random_params(clip.shapes(config)))
    tokens = Tensor(RANDOM.integers(0, 559, (2, 16)).astype(np.int32))
    found = {}
    for compute in ("float32", "bfloat16"):

        def graph(params, tokens):
            return clip.apply(config, params, tokens, -1, False, False)[0]

        with kernels.lowered("native", compute):
            assert lowering().products == compute
            found[compute] = mindspore.jit(graph)(params, tokens).asnumpy()
    apart = np.abs(found["bfloat16"] - found["float32"]).max()
    rounds = native.processor_class() == "avx512-bf16"
    assert rounds == (apart > 0)
    assert apart < ROUNDED * np.abs(found["float32"]).max()


def test_without_a_library_operators_are_plain(monkeypatch):
    monkeypatch.setattr(native, "library", lambda: None)
    with kernels.lowered("native"):
        assert not lowering().fused
