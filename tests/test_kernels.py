"""Every lowering against the plain formula, in float64 numpy, over drawn shapes, odd ones too."""

import mindspore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor

from mdx import kernels

# Shapes are graph constants: each example compiles, so there are few of them.
few = settings(max_examples=8, deadline=None)
TOLERANCE = 2e-5  # of the largest value; float32 against float64


def randoms(*shapes, seed=0):
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


def run(function, *arguments):
    """function(*arguments) in a graph: arrays are its inputs, all that follows its constants."""
    arrays = [Tensor(one) for one in arguments if isinstance(one, np.ndarray)]
    constants = arguments[len(arrays) :]

    @mindspore.jit
    def compiled(*tensors):
        return function(*tensors, *constants)

    return compiled(*arrays).asnumpy()


def close(got, expected, tolerance=TOLERANCE):
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= tolerance * np.abs(expected).max()


def convolved(x, weight, stride, padding):
    top, bottom, left, right = padding
    x = np.pad(np.float64(x), ((0, 0), (0, 0), (top, bottom), (left, right)))
    size = weight.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    return np.einsum("bihwyx,oiyx->bohw", windows[:, :, ::stride, ::stride], weight)


sides = st.integers(3, 9)
paddings = st.sampled_from([(1, 1, 1, 1), (0, 1, 0, 1), (0, 0, 0, 0), (2, 2, 2, 2)])


@pytest.mark.parametrize("lowering", [kernels.native_convolution, kernels.unfold_convolution])
@few
@given(
    height=sides,
    width=sides,
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 5),
    size=st.sampled_from([1, 3]),
    stride=st.sampled_from([1, 2]),
    padding=paddings,
)
def test_convolution(lowering, height, width, inputs, outputs, size, stride, padding):
    if size == 1:
        padding = (0, 0, 0, 0)
    x, weight = randoms((2, inputs, height, width), (outputs, inputs, size, size))
    got = run(lowering, x, weight, stride, padding)
    close(got, convolved(x, weight, stride, padding))


def attended(query, key, value, heads, causal):
    def split(x):
        return np.float64(x).reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    query, key, value = map(split, (query, key, value))
    scores = query @ key.swapaxes(2, 3) / np.sqrt(query.shape[3])
    if causal:
        scores = np.where(np.tri(*scores.shape[2:]) == 1, scores, -np.inf)
    weights = np.exp(scores - scores.max(3, keepdims=True))
    read = weights / weights.sum(3, keepdims=True) @ value
    return read.transpose(0, 2, 1, 3).reshape(read.shape[0], read.shape[2], -1)


@few
@given(
    tokens=st.integers(1, 12),
    others=st.integers(1, 12),
    heads=st.integers(1, 4),
    size=st.integers(1, 6),
    causal=st.booleans(),
)
def test_attention(tokens, others, heads, size, causal):
    others = tokens if causal else others
    query, key, value = randoms(*[(2, n, heads * size) for n in (tokens, others, others)])
    got = run(kernels.attention, query, key, value, heads, causal)
    close(got, attended(query, key, value, heads, causal))


@pytest.mark.parametrize(("heads", "budget"), [(4, 1), (4, 3 * 7 * 9 * 4), (3, 7 * 9 * 4 * 2)])
def test_attention_in_parts_is_attention(monkeypatch, heads, budget):
    """Scores beyond the budget are made a few heads at a time, down to one."""
    monkeypatch.setattr(kernels, "SCORE_BYTES", budget)
    query, key, value = randoms((2, 7, heads * 5), (2, 9, heads * 5), (2, 9, heads * 5))
    got = run(kernels.attention, query, key, value, heads)
    close(got, attended(query, key, value, heads, False))


@pytest.mark.parametrize("lowering", [kernels.ASCEND, kernels.CPU])
@few
@given(
    height=sides,
    width=sides,
    groups=st.sampled_from([1, 2, 3]),
    per_group=st.integers(1, 4),
    offset=st.floats(-100, 100),
)
def test_group_norm(lowering, height, width, groups, per_group, offset):
    """A large mean must not drown the variance: E[x^2] - m^2 would."""
    channels = groups * per_group
    x, weight, bias = randoms((2, channels, height, width), (channels,), (channels,))
    x = x + np.float32(offset)
    rows = np.float64(x).reshape(2, groups, -1)
    normed = (rows - rows.mean(2, keepdims=True)) / np.sqrt(rows.var(2, keepdims=True) + 1e-5)
    expected = normed.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "lowering", lambda: lowering)
        got = run(kernels.group_norm, x, weight, bias, groups, 1e-5)
    close(got, expected, 1e-4)


def test_group_norm_keeps_no_statistics():
    """After other inputs, not numbers among them, the same input gives the same bits."""
    x, weight, bias = randoms((2, 6, 5, 7), (6,), (6,))

    @mindspore.jit
    def normed(x, weight, bias):
        return kernels.group_norm(x, weight, bias, 3, 1e-5)

    weight, bias = Tensor(weight), Tensor(bias)
    before = normed(Tensor(x), weight, bias).asnumpy()
    for other in (x + 100.0, np.full_like(x, np.inf), np.full_like(x, np.nan)):
        normed(Tensor(other), weight, bias)
        normed(Tensor(x), weight, Tensor(np.full(6, np.nan, np.float32)))
        assert np.array_equal(before, normed(Tensor(x), weight, bias).asnumpy())


@few
@given(tokens=st.integers(1, 5), channels=st.integers(2, 9))
def test_layer_norm(tokens, channels):
    x, weight, bias = randoms((2, tokens, channels), (channels,), (channels,))
    wide = np.float64(x)
    normed = (wide - wide.mean(2, keepdims=True)) / np.sqrt(wide.var(2, keepdims=True) + 1e-3)
    got = run(kernels.layer_norm, x, weight, bias, 1e-3)
    close(got, normed * weight + bias, 1e-4)


@pytest.mark.parametrize("lowering", [kernels.ASCEND, kernels.CPU])
@few
@given(height=sides, width=sides, odd=st.tuples(st.booleans(), st.booleans()))
def test_upsample(lowering, height, width, odd):
    [x] = randoms((2, 3, height, width))
    tall, wide = 2 * height - odd[0], 2 * width - odd[1]
    expected = x.repeat(2, 2).repeat(2, 3)[:, :, :tall, :wide]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "lowering", lambda: lowering)
        assert np.array_equal(run(kernels.upsample, x, tall, wide), expected)


@few
@given(tokens=st.integers(1, 4), inputs=st.integers(1, 6), outputs=st.integers(1, 6))
def test_linear(tokens, inputs, outputs):
    x, weight, bias = randoms((2, tokens, inputs), (outputs, inputs), (outputs,))
    close(run(kernels.linear, x, weight, bias), np.float64(x) @ weight.T + bias)
    close(run(kernels.linear, x, weight), np.float64(x) @ weight.T)


def test_channel_arithmetic_and_tokens():
    x, by_channel = randoms((2, 3, 4, 5), (2, 3))
    wide = by_channel[:, :, None, None]
    assert np.array_equal(run(kernels.add_to_channels, x, by_channel), x + wide)
    assert np.array_equal(run(kernels.scale_channels, x, by_channel), x * wide)
    tokens = run(kernels.to_tokens, x)
    assert np.array_equal(tokens, x.reshape(2, 3, 20).transpose(0, 2, 1))
    assert np.array_equal(run(kernels.from_tokens, tokens, 4, 5), x)


@pytest.mark.parametrize(
    ("target", "cpu", "most", "expected"),
    [
        ("Ascend", "", None, kernels.ASCEND),
        ("CPU", "flags : avx2 avx512f avx512bw", None, kernels.CPU_AVX512),
        ("CPU", "flags : avx2 avx512f avx512bw", "AVX2", kernels.CPU),
        ("CPU", "flags : avx2 fma", None, kernels.CPU),
        ("CPU", None, None, kernels.CPU),
    ],
)
def test_lowering_follows_the_device(monkeypatch, tmp_path, target, cpu, most, expected):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if most is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    if cpu is not None:
        (tmp_path / "cpuinfo").write_text(cpu)
    monkeypatch.setattr(kernels, "CPU_FEATURES", tmp_path / "cpuinfo")
    monkeypatch.setattr(mindspore, "get_context", lambda key: target)
    assert kernels.lowering() == expected
