"""Each layer with factors beside its weight: as with weights to which the product was added."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from mdx.nets import layers, transformer
from mdx.nets.low_rank import DOWN, OF, SCALE, UP

pytestmark = pytest.mark.parity

BATCH, RANKS = 2, (2, 1, 3)
INPUTS, OUTPUTS = 6, 8
RANDOM = np.random.default_rng(0)


def some(*shape):
    return (RANDOM.standard_normal(shape) / 3).astype(np.float32)


STRENGTHS = some(BATCH, len(RANKS))


def layer(name, outputs=OUTPUTS, inputs=INPUTS, size=None):
    """A layer's weight and bias, with factors of three LoRAs."""
    kernel, ones = ([size, size], [1, 1]) if size else ([], [])
    return {
        f"{name}.weight": some(outputs, inputs, *kernel),
        f"{name}.bias": some(outputs),
        name + DOWN: some(sum(RANKS), inputs, *kernel),
        name + UP: some(outputs, sum(RANKS), *ones),
        name + OF: np.repeat(np.eye(len(RANKS), dtype=np.float32), RANKS, 1),
    }


def merged(params, picture):
    """The weights of one picture, with its product added."""
    found = {name: array for name, array in params.items() if ".lora_" not in name}
    for name in (one.removesuffix(UP) for one in params if one.endswith(UP)):
        down, up, of = (np.float64(params[name + end]) for end in (DOWN, UP, OF))
        factors = np.float64(STRENGTHS[picture]) @ of
        product = (up.reshape(len(up), -1) * factors) @ down.reshape(len(down), -1)
        weight = params[f"{name}.weight"]
        found[f"{name}.weight"] = (weight + product.reshape(weight.shape)).astype(np.float32)
    return found


def run(function, params, arrays):
    graph = mindspore.jit(function)
    held = mindspore.mutable({name: Tensor(array) for name, array in params.items()})
    return graph(held, *map(Tensor, arrays)).asnumpy()


def check(function, params, *arrays):
    """For each picture, what a graph of its own weights gives."""
    got = run(function, {**params, SCALE: STRENGTHS}, arrays)
    for picture in range(BATCH):
        own = [array[picture : picture + 1] for array in arrays]
        wanted = run(function, merged(params, picture), own)[0]
        assert np.abs(got[picture] - wanted).max() < 1e-6 * np.abs(wanted).max()


def test_linear():
    def graph(params, x):
        return layers.linear(params, "a", x)

    check(graph, layer("a"), some(BATCH, 5, INPUTS))
    check(graph, layer("a"), some(BATCH, INPUTS))


# From 512 pixels on they are products of maps.
@pytest.mark.parametrize("side", [4, 32])
def test_linear_between_maps_and_tokens(side):
    def to_tokens(params, x):
        return layers.linear_to_tokens(params, "a", x)

    def from_tokens(params, x):
        return layers.linear_from_tokens(params, "a", x, side, side)

    check(to_tokens, layer("a"), some(BATCH, INPUTS, side, side))
    check(to_tokens, layer("a", size=1), some(BATCH, INPUTS, side, side))
    check(from_tokens, layer("a"), some(BATCH, side * side, INPUTS))


def test_convolutions():
    def plain(params, x):
        return layers.convolution(params, "a", x)

    def halving(params, x):
        return layers.convolution(params, "a", x, 2, (1, 1, 1, 1))

    def doubling(params, x):
        return layers.upsample_conv(params, "a", x, 8, 8)

    def activated(params, x):
        return layers.norm_act_conv(params, layers.groups_of(params, "n", 1, 1e-5), "a", x, "silu")

    params = layer("a", size=3)
    for graph in (plain, halving, doubling):
        check(graph, params, some(BATCH, INPUTS, 4, 4))
    norm = {"n.weight": some(INPUTS), "n.bias": some(INPUTS)}
    check(activated, {**params, **norm}, some(BATCH, INPUTS, 4, 4))
    check(plain, layer("a", size=1), some(BATCH, INPUTS, 4, 4))


@pytest.mark.parametrize("tokens", [64, 1024])
def test_attention(tokens):
    def graph(params, x, context):
        return layers.attention(params, ("q", "k", "v", "o"), x, context, 2)

    params = {key: one for name in "qkvo" for key, one in layer(name, 8, 8).items()}
    check(graph, params, some(BATCH, tokens, 8), some(BATCH, 5, 8))


@pytest.mark.parametrize("part_bytes", [2**26, 2048])
def test_feed_forward(part_bytes):
    """A part of the rows may be of several pictures."""
    settings = transformer.Transformer(8, 2, 1, 8, 4, True, part_bytes=part_bytes)

    def graph(params, x):
        return transformer.feed_forward(settings, params, "f", x, layers.normed_by(params, "n"))

    params = {**layer("f.net.0.proj", 64, 8), **layer("f.net.2", 8, 32)}
    params |= {"n.weight": some(8), "n.bias": some(8)}
    check(graph, params, some(BATCH, 7, 8))
