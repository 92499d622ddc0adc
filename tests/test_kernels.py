"""Every lowering against the plain formula, in float64 numpy, over drawn shapes, odd ones too."""

import mindspore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor

from mdx import kernels
from mdx.kernels import convolutions, device, own_threads, parts, upsampling, winograd_matrices
from mdx.kernels.attention_maps import maps
from mdx.kernels.attention_rows import rows
from mdx.kernels.convolution_columns import columns
from mdx.kernels.convolution_native import native
from mdx.kernels.convolution_pointwise import pointwise
from mdx.kernels.convolution_winograd import bands, in_bands, winograd

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


@pytest.mark.parametrize("lowering", [native, columns])
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


@few
@given(height=sides, width=sides, inputs=st.integers(1, 5), outputs=st.integers(1, 5))
def test_pointwise_convolution(height, width, inputs, outputs):
    x, weight = randoms((2, inputs, height, width), (outputs, inputs, 1, 1))
    close(run(pointwise, x, weight), convolved(x, weight, 1, (0, 0, 0, 0)))


@few
@given(
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    pictures=st.integers(1, 3),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 5),
    doubled=st.booleans(),
    part_bytes=st.sampled_from([1, 3000, 10**8]),
    kernel_bytes=st.sampled_from([1, 300, 10**8]),
)
def test_winograd(rows, columns, pictures, inputs, outputs, doubled, part_bytes, kernel_bytes):
    """Whole, or down to one row of tiles or one output channel at a time; doubled pictures too."""
    step = 2 if doubled else 4
    shape = pictures, inputs, step * rows, step * columns
    x, weight, bias = randoms(shape, (outputs, inputs, 3, 3), (outputs,))
    twice = x.repeat(2, 2).repeat(2, 3) if doubled else x
    got = run(winograd, x, weight, bias, doubled, part_bytes, kernel_bytes)
    close(got, convolved(twice, weight, 1, (1, 1, 1, 1)) + bias[:, None, None])


@few
@given(
    rows=st.integers(1, 3),
    pictures=st.integers(1, 2),
    part_bytes=st.sampled_from([1, 800, 1700]),
)
def test_winograd_of_what_is_made_of_each_band(rows, pictures, part_bytes):
    """Before a band is convolved something is made of its pixels; beyond the picture is still 0."""
    x, weight, bias = randoms((pictures, 3, 4 * rows, 8), (2, 3, 3, 3), (2,))

    def raised(rows):
        return rows + 1.0

    got = run(in_bands, x, weight, bias, raised, False, part_bytes)
    close(got, convolved(x + 1.0, weight, 1, (1, 1, 1, 1)) + bias[:, None, None])


def test_winograd_of_many_channels():
    """As many as Stable Diffusion has: the error grows no faster than the sum."""
    x, weight = randoms((1, 1280, 4, 8), (16, 1280, 3, 3))
    close(
        run(winograd, x, weight, np.zeros(16, np.float32)),
        convolved(x, weight, 1, (1, 1, 1, 1)),
        1e-5,
    )


@pytest.mark.parametrize("doubled", [False, True])
def test_winograd_s_gradient(doubled):
    """With respect to pictures and to kernels, for a random direction of the result."""
    side = 4 if doubled else 8
    x, weight, direction = randoms((2, 3, side, side), (4, 3, 3, 3), (2, 4, 8, 8))

    def along(x, weight, direction):
        return (winograd(x, weight, weight[:, 0, 0, 0], doubled) * direction).sum()

    def plainly(x, weight, direction):
        wide = upsampling.by_gather(x, 8, 8) if doubled else x
        out = native(wide, weight, 1, (1, 1, 1, 1)) + weight[:, :1, :1, 0]
        return (out * direction).sum()

    @mindspore.jit
    def gradients(*arrays):
        return mindspore.grad(along, (0, 1))(*arrays), mindspore.grad(plainly, (0, 1))(*arrays)

    found = gradients(*map(Tensor, (x, weight, direction)))
    for got, expected in zip(*found, strict=True):
        close(got.asnumpy(), expected.asnumpy())


def test_winograd_s_points_halve_the_error(monkeypatch):
    """In float32 against float64, root mean square, beside the points of the paper."""
    patches, kernels = randoms((36, 64 * 40), (9, 8 * 64))

    def error():
        there, back = winograd_matrices.of_patches(doubled=False), winograd_matrices.of_products()
        values = winograd_matrices.of_kernels()

        def filtered(dtype):
            left = (dtype(values) @ dtype(kernels)).reshape(36, 8, 64)
            right = (dtype(there) @ dtype(patches)).reshape(36, 64, 40)
            return dtype(back) @ (left @ right).reshape(36, -1)

        wide = filtered(np.float64)
        return np.sqrt(np.mean((filtered(np.float32) - wide) ** 2) / np.mean(wide**2))

    own = error()
    monkeypatch.setattr(winograd_matrices, "POINTS", (0.0, 1.0, -1.0, 2.0, -2.0))
    assert own <= 0.6 * error()


LARGE, SMALL = (128, 128, 3, 3), (127, 128, 3, 3)


@pytest.mark.parametrize(
    ("lowering", "weight", "stride", "pixels", "tiled", "expected"),
    [
        (device.ASCEND, LARGE, 1, 4096, True, "native"),
        (device.CPU, LARGE, 1, 512, True, "winograd"),
        (device.CPU, LARGE, 1, 511, True, "native"),
        (device.CPU, LARGE, 1, 4096, False, "native"),
        (device.CPU, LARGE, 2, 4096, True, "native"),
        (device.CPU, SMALL, 1, 4096, True, "native"),
        (device.CPU, (*SMALL[1::-1], 3, 3), 1, 4096, True, "native"),
        (device.CPU, (128, 128, 1, 1), 1, 4096, True, "native"),
        (device.CPU_AVX512, LARGE, 1, 512, True, "winograd"),
        (device.CPU_AVX512, SMALL, 1, 512, True, "columns"),
        (device.CPU_AVX512, (128, 128, 1, 1), 2, 512, True, "columns"),
        (device.CPU_AVX512, (128, 128, 1, 1), 1, 512, True, "pointwise"),
    ],
)
def test_convolution_by_shape(lowering, weight, stride, pixels, tiled, expected):
    assert device.convolution_rule(lowering.convolution, weight, stride, pixels, tiled) == expected


def test_a_convolution_that_has_no_rule():
    with pytest.raises(ValueError, match="no rule for a convolution of shape"):
        device.convolution_rule((device.WINOGRAD,), SMALL, 1, 512, True)


# Like those of a CPU, for small shapes.
EAGER = device.CPU._replace(
    convolution=(device.WINOGRAD._replace(channels=2, pixels=8), device.Convolution("native"))
)
LOWERINGS = {
    "ascend": device.ASCEND, "cpu": device.CPU, "avx512": device.CPU_AVX512, "eager": EAGER,
}  # fmt: skip


@pytest.mark.parametrize("lowering", LOWERINGS)
@few
@given(
    height=st.integers(3, 9),
    width=st.sampled_from([4, 5, 8]),
    inputs=st.integers(1, 3),
    size=st.sampled_from([1, 3]),
    stride=st.sampled_from([1, 2]),
    padding=paddings,
)
def test_convolution_of_the_device(lowering, height, width, inputs, size, stride, padding):
    """Whatever the shape, what the table chooses gives the same."""
    if size == 1:
        padding = (0, 0, 0, 0)
    x, weight, bias = randoms((2, inputs, height, width), (4, inputs, size, size), (4,))
    expected = convolved(x, weight, stride, padding) + bias[:, None, None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "lowering", lambda: LOWERINGS[lowering])
        close(run(kernels.convolution, x, weight, bias, stride, padding), expected)


def attended(x, context, weights, heads, causal):
    """Multi-head attention as in the paper, in float64."""

    def projected(x, weight, bias=0.0):
        return np.float64(x) @ weight.T + bias

    def split(x):
        return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    query, key, value = (
        split(projected(*pair)) for pair in zip((x, context, context), weights[:3], strict=True)
    )
    scores = query @ key.swapaxes(2, 3) / np.sqrt(query.shape[3])
    if causal:
        scores = np.where(np.tri(*scores.shape[2:]) == 1, scores, -np.inf)
    shares = np.exp(scores - scores.max(3, keepdims=True))
    read = shares / shares.sum(3, keepdims=True) @ value
    return projected(read.transpose(0, 2, 1, 3).reshape(*x.shape[:2], -1), *weights[3:])


def run_attention(lowering, x, context, weights, bias, *constants):
    """A lowering of attention in a graph; a bias at the output alone, and none of others."""

    def function(x, context, query, key, value, out, bias, *constants):
        return lowering(
            x, context, ((query, None), (key, None), (value, None), (out, bias)), *constants
        )

    return run(function, x, context, *weights, bias, *constants)


def attention_arrays(tokens, others, channels, width=7, pictures=2):
    x, context = randoms((pictures, tokens, 5), (pictures, others, width))
    weights = randoms((channels, 5), (channels, width), (channels, width), (5, channels), seed=1)
    return x, context, weights, randoms((5,), seed=2)[0]


@pytest.mark.parametrize("lowering", [maps, rows])
@few
@given(
    tokens=st.integers(1, 12),
    others=st.integers(1, 12),
    heads=st.integers(1, 4),
    size=st.integers(1, 6),
    pictures=st.integers(1, 3),
    causal=st.booleans(),
    upcast=st.booleans(),
    part_bytes=st.integers(1, 2000),
)
def test_attention(lowering, tokens, others, heads, size, pictures, causal, upcast, part_bytes):
    """Whole or in parts, down to one query at a time."""
    others = tokens if causal else others
    x, context, weights, bias = attention_arrays(tokens, others, heads * size, 7, pictures)
    got = run_attention(lowering, x, context, weights, bias, heads, causal, upcast, part_bytes)
    close(got, attended(x, context, (*weights, bias), heads, causal))


@pytest.mark.parametrize("lowering", [maps, rows])
def test_attention_with_biases(lowering):
    x, context, weights, _ = attention_arrays(6, 9, 8)
    biases = randoms((8,), (8,), (8,), seed=3)

    def function(x, context, *arrays):
        pairs = ((arrays[0], arrays[4]), (arrays[1], arrays[5]), (arrays[2], arrays[6]))
        return lowering(x, context, (*pairs, (arrays[3], None)), 2, False, False, 10**6)

    got = run(function, x, context, *weights, *biases)
    wide = [np.hstack([w, b[:, None]]) for w, b in zip(weights, biases, strict=False)]
    ones = [np.concatenate([a, np.ones_like(a[..., :1])], 2) for a in (x, context)]
    close(got, attended(*ones, (*wide, weights[3]), 2, False))


@pytest.mark.parametrize(
    ("lowering", "queries", "flash", "expected"),
    [
        (device.ASCEND, 4096, True, "flash"),
        (device.ASCEND, 4096, False, "rows"),
        (device.CPU, 4096, True, "maps"),
        (device.CPU, 512, False, "maps"),
        (device.CPU, 511, False, "rows"),
    ],
)
def test_attention_by_shape(lowering, queries, flash, expected):
    assert device.attention_rule(lowering.attention, queries, flash) == expected


@pytest.mark.parametrize("tokens", [511, 512])
def test_attention_of_the_device(tokens):
    x, context, weights, bias = attention_arrays(tokens, 3, 4, pictures=1)
    got = run_attention(kernels.attention, x, context, weights, bias, 2)
    close(got, attended(x, context, (*weights, bias), 2, False))


@given(
    heads=st.integers(1, 40),
    queries=st.integers(1, 20000),
    keys=st.integers(1, 20000),
    part_bytes=st.integers(1, 10**9),
)
def test_parts_keep_within_the_bytes(heads, queries, keys, part_bytes):
    """Scores of a part keep within the bytes asked, or are those of one query; none is missed."""
    size = parts.even_size(queries, heads * keys * 4, part_bytes)
    assert 1 <= size <= queries
    assert size == 1 or size * heads * keys * 4 <= part_bytes
    if heads * queries * keys * 4 <= part_bytes:
        assert size == queries


@few
@given(pictures=st.integers(1, 3), tokens=st.integers(1, 9), part_bytes=st.integers(1, 600))
def test_by_rows(pictures, tokens, part_bytes):
    """A function of rows gives the same whether it sees all of them or one at a time."""
    x, weight = randoms((pictures, tokens, 5), (3, 5))

    def function(x, weight, row_bytes, part_bytes):
        def double(x):
            return kernels.linear(x, weight) * 2.0

        return kernels.by_rows(double, x, row_bytes, part_bytes)

    close(run(function, x, weight, 40, part_bytes), 2 * np.float64(x) @ weight.T)


@pytest.mark.parametrize("lowering", [device.ASCEND, device.CPU])
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
        patch.setattr(device, "lowering", lambda: lowering)
        got = run(kernels.group_norm, x, weight, bias, groups, 1e-5)
    close(got, expected, 1e-4)


@pytest.mark.parametrize("lowering", [device.ASCEND, device.CPU, EAGER])
@pytest.mark.parametrize("part_bytes", [1, 10**8])
def test_norm_activation_and_convolution(monkeypatch, lowering, part_bytes):
    """The three of a residual block, and their gradient, are the same whether joined or not."""

    def some_bands(shape):
        return bands(shape, False, part_bytes)

    def in_some_bands(x, weight, bias, before):
        return in_bands(x, weight, bias, before, False, part_bytes)

    monkeypatch.setattr(device, "lowering", lambda: lowering)
    monkeypatch.setattr(convolutions, "bands", some_bands)
    monkeypatch.setattr(convolutions, "in_bands", in_some_bands)
    arrays = randoms((2, 6, 8, 8), (6,), (6,), (4, 6, 3, 3), (4,), (2, 4, 8, 8))

    def joined(x, scale, shift, weight, bias):
        h = kernels.normalised(x, 3, 1e-5, shift)
        return kernels.activated_convolution(h, scale, shift, mindspore.ops.silu, weight, bias)

    def apart(x, scale, shift, weight, bias):
        h = mindspore.ops.silu(kernels.group_norm(x, scale, shift, 3, 1e-5))
        return kernels.convolution(h, weight, bias)

    def along(function):
        def dot(x, scale, shift, weight, bias, direction):
            return (function(x, scale, shift, weight, bias) * direction).sum()

        return mindspore.jit(mindspore.value_and_grad(dot, (0, 1, 2, 3, 4)))

    got, of_got = along(joined)(*map(Tensor, arrays))
    expected, of_expected = along(apart)(*map(Tensor, arrays))
    for one, other in zip((got, *of_got), (expected, *of_expected), strict=True):
        close(one.asnumpy(), other.asnumpy())


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


@pytest.mark.parametrize("lowering", LOWERINGS)
@few
@given(height=sides, width=sides, odd=st.tuples(st.integers(-1, 1), st.integers(-1, 1)))
def test_enlarged_convolution(lowering, height, width, odd):
    x, weight, bias = randoms((2, 3, height, width), (4, 3, 3, 3), (4,))
    tall, wide = 2 * height + odd[0], 2 * width + odd[1]
    rows, columns = np.arange(tall) * height // tall, np.arange(wide) * width // wide
    large = x[:, :, rows][:, :, :, columns]
    expected = convolved(large, weight, 1, (1, 1, 1, 1)) + bias[:, None, None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "lowering", lambda: LOWERINGS[lowering])
        close(run(kernels.enlarged_convolution, x, weight, bias, tall, wide), expected)


@pytest.mark.parametrize("lowering", [device.ASCEND, device.CPU])
@few
@given(height=sides, width=sides, odd=st.tuples(st.integers(-1, 1), st.integers(-1, 1)))
def test_upsample(lowering, height, width, odd):
    [x] = randoms((2, 3, height, width))
    tall, wide = 2 * height + odd[0], 2 * width + odd[1]
    rows, columns = np.arange(tall) * height // tall, np.arange(wide) * width // wide
    expected = x[:, :, rows][:, :, :, columns]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "lowering", lambda: lowering)
        assert np.array_equal(run(upsampling.upsample, x, tall, wide), expected)
    assert np.array_equal(run(upsampling.by_gather, x, tall, wide), expected)
    twice = x.repeat(2, 2).repeat(2, 3)
    assert np.array_equal(run(upsampling.by_product, x), twice)


@few
@given(tokens=st.integers(1, 4), inputs=st.integers(1, 6), outputs=st.integers(1, 6))
def test_linear(tokens, inputs, outputs):
    x, weight, bias = randoms((2, tokens, inputs), (outputs, inputs), (outputs,))
    close(run(kernels.linear, x, weight, bias), np.float64(x) @ weight.T + bias)
    close(run(kernels.linear, x, weight), np.float64(x) @ weight.T)


@pytest.mark.parametrize("lowering", [device.ASCEND, device.CPU._replace(products_from=0)])
@few
@given(
    height=sides,
    width=sides,
    pictures=st.integers(1, 3),
    inputs=st.integers(1, 6),
    outputs=st.integers(1, 6),
)
def test_linear_between_maps_and_tokens(lowering, height, width, pictures, inputs, outputs):
    x, weight, bias = randoms((pictures, inputs, height, width), (outputs, inputs), (outputs,))
    pixels = np.float64(x).reshape(pictures, inputs, -1).transpose(0, 2, 1)
    expected = pixels @ weight.T + bias
    [rows] = randoms((pictures, height * width, inputs), seed=1)
    as_maps = (np.float64(rows) @ weight.T + bias).transpose(0, 2, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "lowering", lambda: lowering)
        close(run(kernels.linear_to_tokens, x, weight, bias), expected)
        got = run(kernels.linear_from_tokens, rows, weight, bias, height, width)
    close(got, as_maps.reshape(pictures, outputs, height, width))


def test_channel_arithmetic_and_tokens():
    x, by_channel = randoms((2, 3, 4, 5), (2, 3))
    wide = by_channel[:, :, None, None]
    assert np.array_equal(run(kernels.add_to_channels, x, by_channel), x + wide)
    assert np.array_equal(run(kernels.scale_channels, x, by_channel), x * wide)
    got = run(kernels.to_tokens, x)
    assert np.array_equal(got, x.reshape(2, 3, 20).transpose(0, 2, 1))
    assert np.array_equal(run(kernels.from_tokens, got, 4, 5), x)


@pytest.mark.parametrize(
    ("target", "cpu", "most", "expected"),
    [
        ("Ascend", "", None, device.ASCEND),
        ("CPU", "flags : avx2 avx512f avx512bw", None, device.CPU_AVX512),
        ("CPU", "flags : avx2 avx512f avx512bw", "AVX2", device.CPU),
        ("CPU", "flags : avx2 fma", None, device.CPU),
        ("CPU", None, None, device.CPU),
    ],
)
def test_lowering_follows_the_device(monkeypatch, tmp_path, target, cpu, most, expected):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if most is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    if cpu is not None:
        (tmp_path / "cpuinfo").write_text(cpu)
    monkeypatch.setattr(device, "CPU_FEATURES", tmp_path / "cpuinfo")
    monkeypatch.setattr(mindspore, "get_context", lambda key: target)
    assert device.lowering() == expected


def test_what_the_table_chooses_is_what_runs(monkeypatch):
    """The lowerings differ in their last bits, so those tell which one it was."""
    monkeypatch.setattr(device, "lowering", lambda: EAGER)
    x, weight = randoms((2, 3, 8, 8), (4, 3, 3, 3))
    bias = np.zeros(4, np.float32)
    filtered, plain = run(winograd, x, weight, bias), run(native, x, weight, 1, (1, 1, 1, 1))
    assert not np.array_equal(filtered, plain)
    got = run(kernels.convolution, x, weight, bias, 1, (1, 1, 1, 1))
    assert np.array_equal(got, filtered)
    got = run(kernels.enlarged_convolution, x, weight, bias, 16, 16)
    assert np.array_equal(got, run(winograd, x, weight, bias, True))


@pytest.mark.parametrize("operators", [0, 60, 200])
def test_a_graph_for_mindspore_s_own_threads(monkeypatch, tmp_path, operators):
    """It gives the same, and on a CPU has the operators that are wanting, elsewhere none."""
    [x] = randoms((3, 4))
    some = Tensor(x), Tensor(0.5, mindspore.float32)
    for name, lowering in (("ascend", device.ASCEND), ("cpu", device.CPU)):
        monkeypatch.setattr(device, "lowering", lambda kept=lowering: kept)

        @mindspore.jit
        def graph(x, scalar):
            return kernels.on_own_threads(x, scalar, operators)

        assert np.array_equal(graph(*some).asnumpy(), x)
        file = tmp_path / f"{name}.mindir"
        mindspore.export(graph, *some, file_name=str(file), file_format="MINDIR")
        wanting = max(0, own_threads.ON_CALLER + 1 - operators) if name == "cpu" else 0
        added = file.read_bytes().count(b"Sin")
        assert added >= wanting
        assert wanting or not added
