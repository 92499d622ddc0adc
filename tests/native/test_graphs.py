"""The operators in MindSpore's graphs: compiled, exported to MindIR and loaded again."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mdx.kernels import native
from mdx.kernels.native import calls, options
from tests.native import references
from tests.native.libraries import CLASSES, load
from tests.native.operators import Norm

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 12, 6, 10)).astype(np.float32)
TOKENS = RNG.standard_normal((2, 9, 12)).astype(np.float32)
KERNEL = RNG.standard_normal((7, 12, 3, 3)).astype(np.float16)
MATRIX = RNG.standard_normal((10, 12)).astype(np.float32)
BIAS = RNG.standard_normal(12).astype(np.float32)
ANGLES = RNG.standard_normal((9, 3)).astype(np.float32)


@ops.constexpr
def _options(kind):
    """The options of an operator, made while a graph is compiled."""
    norm = options.Norm(calls.GROUP_NORM, 4, calls.SILU, weight=True, bias=True)
    found = {
        "Linear": options.linear(
            calls.ROWS, calls.MAPS, gate=calls.GATE_LAST, activation=calls.GELU, bias=True
        ),
        "Convolution": options.convolution(2, (1, 1, 1, 1), norm=norm),
        "Attention": options.attention(3, 3, 0.5, (calls.ROWS,) * 4, mask=True),
        "Norm": options.normalise(calls.MAPS, norm),
        "Activation": options.activate(calls.ROWS, calls.SILU, calls.GATE_FIRST),
        "Rotary": options.rotate(calls.ROWS, 2, interleaved=False),
    }
    return Tensor(found[kind])


@ops.constexpr
def _operator(kind, shape):
    return native.custom(kind, shape)


def linear(x, weight, bias):
    return _operator("Linear", (2, 5, 9))(_options("Linear"), x, weight, bias)


def convolution(x, weight, scale, shift):
    return _operator("Convolution", (2, 7, 3, 5))(_options("Convolution"), x, weight, scale, shift)


def attention(q, k, v, mask):
    return _operator("Attention", (2, 9, 12))(_options("Attention"), q, k, v, mask)


def norm(x, scale, shift):
    return _operator("Norm", (2, 12, 6, 10))(_options("Norm"), x, scale, shift)


def activation(x):
    return _operator("Activation", (2, 9, 6))(_options("Activation"), x)


def rotary(x, cos, sin):
    return _operator("Rotary", (2, 9, 12))(_options("Rotary"), x, cos, sin)


MASK = np.ones((2, 9), np.float32)
MASK[1, 4:] = 0
GRAPHS = {
    "Linear": (linear, (TOKENS, MATRIX, BIAS[:10])),
    "Convolution": (convolution, (X, KERNEL, BIAS, BIAS[::-1])),
    "Attention": (attention, (TOKENS, TOKENS, TOKENS, MASK)),
    "Norm": (norm, (X, BIAS, BIAS[::-1])),
    "Activation": (activation, (TOKENS,)),
    "Rotary": (rotary, (TOKENS, np.cos(ANGLES), np.sin(ANGLES))),
}


def _expected(name):
    """What the graphs compute, in numpy."""
    tokens = TOKENS.astype(np.float64)
    groups = Norm(calls.GROUP_NORM, 1e-5, 4, None, None)
    rows = np.swapaxes(X.reshape(2, 12, -1), 1, 2)
    normal = references.normalised(rows, groups) * BIAS + BIAS[::-1]
    normal = references.ACTIVATIONS[calls.SILU](normal)
    maps = np.swapaxes(normal, 1, 2).reshape(X.shape)
    heads = tokens.reshape(2, 9, 3, 4).transpose(0, 2, 1, 3)
    if name == "Linear":
        wide = tokens @ MATRIX.T + BIAS[:10]
        return np.swapaxes(references.gated(wide, calls.GELU, calls.GATE_LAST), 1, 2)
    if name == "Convolution":
        return references.convolved(maps, KERNEL.astype(np.float64), 2, (1, 1, 1, 1))
    if name == "Attention":
        read = references.attention(heads, heads, heads, 0.5, False, MASK)
        return read.transpose(0, 2, 1, 3).reshape(2, 9, 12)
    if name == "Norm":
        return maps
    if name == "Activation":
        return references.gated(tokens, calls.SILU, calls.GATE_FIRST)
    turned = references.rotated(tokens.reshape(2, 9, 2, 6), np.cos(ANGLES), np.sin(ANGLES), False)
    return turned.reshape(2, 9, 12)


@pytest.fixture(scope="module", params=CLASSES[:1])
def native_library(request):
    """The library is there before the package looks for it."""
    load(request.param)
    native.library.cache_clear()


@pytest.mark.usefixtures("native_library")
@pytest.mark.parametrize("name", native.OPERATORS)
def test_graphs_compute_as_numpy_does_before_and_after_a_file(name, tmp_path):
    graph, arrays = GRAPHS[name]
    tensors = [Tensor(np.ascontiguousarray(array)) for array in arrays]
    expected = _expected(name)
    assert references.apart(mindspore.jit(graph)(*tensors).asnumpy(), expected) < 2e-6
    file = tmp_path / "graph.mindir"
    mindspore.export(graph, *tensors, file_name=str(file), file_format="MINDIR")
    loaded = nn.GraphCell(mindspore.load(str(file)))
    assert references.apart(loaded(*tensors).asnumpy(), expected) < 2e-6


@pytest.mark.usefixtures("native_library")
def test_a_bfloat16_weight_is_read_as_it_lies():
    tensors = [Tensor(TOKENS), Tensor(MATRIX).astype(mindspore.bfloat16), Tensor(BIAS[:10])]
    rounded = references.as_bfloat16(MATRIX)
    wide = TOKENS.astype(np.float64) @ rounded.T + BIAS[:10]
    expected = np.swapaxes(references.gated(wide, calls.GELU, calls.GATE_LAST), 1, 2)
    assert references.apart(mindspore.jit(linear)(*tensors).asnumpy(), expected) < 2e-6


@pytest.mark.usefixtures("native_library")
def test_arrays_that_do_not_agree_end_the_graph_with_words(capfd):
    tensors = [Tensor(TOKENS[..., :5].copy()), Tensor(MATRIX), Tensor(BIAS[:10])]
    with pytest.raises(RuntimeError, match="Linear"):
        mindspore.jit(linear)(*tensors).asnumpy()
    assert "native operator Linear failed: weight and x" in capfd.readouterr().err
