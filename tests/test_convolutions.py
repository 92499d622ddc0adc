"""Every lowering of convolution against the plain formula, and the table that chooses them."""

import mindspore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mindspore import Tensor, ops

from mdx import bfloat16, kernels
from mdx.kernels import convolution_weights, convolutions, device, upsampling
from mdx.kernels.convolution_columns import columns
from mdx.kernels.convolution_folded import folded
from mdx.kernels.convolution_native import native
from mdx.kernels.convolution_pointwise import pointwise
from mdx.kernels.convolution_winograd import bands, in_bands, winograd
from mdx.kernels.products import COPIES, products
from mdx.nets import layers
from tests.lowerings import close, convolved, few, randoms, run, sides

few_channels = {
    "height": sides, "width": sides, "inputs": st.integers(1, 5), "outputs": st.integers(1, 5),
}  # fmt: skip
paddings = st.sampled_from([(1, 1, 1, 1), (0, 1, 0, 1), (0, 0, 0, 0), (2, 2, 2, 2)])
LARGE, SMALL = (128, 128, 3, 3), (127, 128, 3, 3)
# Like those of a CPU, for small shapes.
EAGER = device.CPU._replace(
    convolution=(device.WINOGRAD._replace(channels=2, pixels=8), device.Convolution("native"))
)
LOWERINGS = {
    "ascend": device.ASCEND, "cpu": device.CPU, "avx512": device.CPU_AVX512, "eager": EAGER,
}  # fmt: skip


def columns_by_pictures(x, weight, stride, padding):
    return columns(x, weight, stride, padding, part_bytes=1)


@pytest.mark.parametrize("lowering", [native, columns, columns_by_pictures])
@few
@given(
    **few_channels,
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
@given(**few_channels)
def test_pointwise_convolution(height, width, inputs, outputs):
    x, weight = randoms((2, inputs, height, width), (outputs, inputs, 1, 1))
    close(run(pointwise, x, weight), convolved(x, weight, 1, (0, 0, 0, 0)))


@few
@given(
    **few_channels,
    size=st.sampled_from([1, 3]),
    padding=paddings,
)
def test_folded_convolution(height, width, inputs, outputs, size, padding):
    if size == 1:
        padding = (0, 0, 0, 0)
    x, weight = randoms((2, inputs, height, width), (outputs, inputs, size, size))
    close(run(folded, x, weight, padding), convolved(x, weight, 1, padding))


# The last one's kernels take turns.
@pytest.mark.parametrize("shape", [(3, 4, 1, 1), (3, 4, 3, 3), (2, 32, 3, 3), (704, 704, 3, 3)])
@pytest.mark.parametrize("lowering", LOWERINGS)
def test_a_weight_with_its_matrices(monkeypatch, lowering, shape):
    """It is the same memory, and the convolution the same to the bit."""
    monkeypatch.setattr(device, "lowering", lambda: LOWERINGS[lowering])
    monkeypatch.setattr(convolution_weights, "lowering", lambda: LOWERINGS[lowering])
    x, weight, bias = randoms((1, shape[1], 16, 32), shape, shape[:1])
    plain = {"a.weight": Tensor.from_numpy(weight), "a.bias": Tensor.from_numpy(bias)}
    params = kernels.with_matrices(plain)
    assert (len(params) > len(plain)) == (lowering != "ascend")
    # Each tensor more is traced: rows are for filtering alone.
    wide = shape[0] == 704
    filtered = shape[2] == 3 and (lowering == "eager" or wide) and lowering != "ascend"
    turns = [name for name in params if name.startswith("a.weight.rows.")]
    assert ("a.weight.rows" in params) == filtered
    assert len(turns) == filtered * (2 if wide else 1)
    assert all(
        np.shares_memory(params[name].asnumpy(), weight) for name in params.keys() - {"a.bias"}
    )

    @mindspore.jit
    def convolved(params, x):
        return layers.convolution(params, "a", x)

    got, expected = [convolved(mindspore.mutable(p), Tensor(x)).asnumpy() for p in (params, plain)]
    assert np.array_equal(got, expected)
    if lowering == "avx512":
        # The weight itself is not looked at: what is made of it in a graph is a copy.
        params["a.weight"] = Tensor(np.full(shape, np.nan, np.float32))
        assert np.array_equal(convolved(mindspore.mutable(params), Tensor(x)).asnumpy(), got)


@pytest.mark.parametrize(
    ("lowering", "shape"),
    [(lowering, shape) for lowering in ("cpu", "avx512", "eager")
     for shape in ((3, 4, 1, 1), (3, 4, 3, 3), (2, 32, 3, 3))] + [("eager", (704, 704, 3, 3))],
)  # fmt: skip
def test_a_weight_of_bfloat16(monkeypatch, lowering, shape):
    """With its matrices, of the same memory, or without: to the bits of the numbers it stands for.

    A CPU has no kernel of its own for it but to widen it, or a slice of it.
    """
    monkeypatch.setattr(device, "lowering", lambda: LOWERINGS[lowering])
    monkeypatch.setattr(convolution_weights, "lowering", lambda: LOWERINGS[lowering])
    x, *numbers = randoms((1, shape[1], 16, 32), shape, shape[:1])
    words = {f"a.{kind}": bfloat16.rounded(one) for kind, one in zip(("weight", "bias"), numbers)}  # noqa: B905
    plain = {name: bfloat16.tensor(one) for name, one in words.items()}
    wide = {name: Tensor(bfloat16.widened(one)) for name, one in words.items()}
    params = kernels.with_matrices(plain)
    assert params.keys() == kernels.with_matrices(wide).keys()
    for name in params.keys() - {"a.bias"}:
        assert np.shares_memory(bfloat16.array(params[name]), words["a.weight"])

    @mindspore.jit
    def convolved(params, x):
        return layers.convolution(params, "a", x)

    found = [convolved(mindspore.mutable(p), Tensor(x)).asnumpy() for p in (params, plain, wide)]
    assert np.array_equal(found[0], found[2])
    assert np.array_equal(found[1], found[2])


@pytest.mark.parametrize("copies", [0, COPIES])
@pytest.mark.parametrize("batch", [1, 3])
def test_products(tmp_path, batch, copies):
    """One operator for the batch where the copies of its matrix may be; else none, and no copy."""
    matrix, columns = randoms((4, 5), (batch, 5, 6))
    close(run(products, matrix, columns, copies), np.float64(matrix) @ columns)

    @mindspore.jit
    def graph(matrix, columns):
        return products(matrix, columns, copies)

    file = tmp_path / "graph.mindir"
    mindspore.export(
        graph, Tensor(matrix), Tensor(columns), file_name=str(file), file_format="MINDIR"
    )
    together = batch > 1 and copies > 0
    assert (b"MatMulExt" in file.read_bytes()) == together  # what copies


@pytest.mark.parametrize(
    ("lowering", "weight", "stride", "pixels", "tiled", "expected"),
    [
        (device.ASCEND, LARGE, 1, 4096, True, "native"),
        (device.CPU, LARGE, 1, 512, True, "winograd"),
        (device.CPU, LARGE, 1, 511, True, "native"),
        (device.CPU, (3, 48, 3, 3), 1, 1, False, "folded"),
        (device.CPU, (3, 47, 3, 3), 1, 1, False, "native"),
        (device.CPU, (3, 48, 3, 3), 2, 1, False, "native"),
        (device.CPU, LARGE, 1, 4096, False, "native"),
        (device.CPU, LARGE, 2, 4096, True, "native"),
        (device.CPU, SMALL, 1, 4096, True, "native"),
        (device.CPU, (*SMALL[1::-1], 3, 3), 1, 4096, True, "native"),
        (device.CPU, (128, 128, 1, 1), 1, 4096, True, "native"),
        (device.CPU_AVX512, LARGE, 1, 512, True, "winograd"),
        (device.CPU_AVX512, SMALL, 1, 512, True, "columns"),
        (device.CPU_AVX512, (128, 128, 1, 1), 2, 512, True, "columns"),
        (device.CPU_AVX512, (128, 128, 1, 1), 1, 512, True, "pointwise"),
        (device.CPU_AVX512, (4, 128, 1, 1), 1, 512, True, "pointwise"),
        (device.CPU_AVX512, (3, 48, 3, 3), 1, 1, False, "folded"),
    ],
)
def test_convolution_by_shape(lowering, weight, stride, pixels, tiled, expected):
    assert device.convolution_rule(lowering.convolution, weight, stride, pixels, tiled) == expected


def test_a_convolution_that_has_no_rule():
    with pytest.raises(ValueError, match="no rule for a convolution of shape"):
        device.convolution_rule((device.WINOGRAD,), SMALL, 1, 512, True)


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
        h = kernels.group_standardize(x, 3, 1e-5, shift)
        return kernels.norm_act_conv(h, (scale, shift, 3, 1e-5), "silu", weight, bias)

    def apart(x, scale, shift, weight, bias):
        h = ops.silu(kernels.group_norm(x, scale, shift, 3, 1e-5))
        return kernels.convolution(h, weight, bias)

    def along(function):
        def dot(x, scale, shift, weight, bias, direction):
            return (function(x, scale, shift, weight, bias) * direction).sum()

        return mindspore.jit(mindspore.value_and_grad(dot, (0, 1, 2, 3, 4)))

    got, of_got = along(joined)(*map(Tensor, arrays))
    expected, of_expected = along(apart)(*map(Tensor, arrays))
    for one, other in zip((got, *of_got), (expected, *of_expected), strict=True):
        close(one.asnumpy(), other.asnumpy())


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
        close(run(kernels.upsample_conv, x, weight, bias, tall, wide), expected)


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


def test_what_the_table_chooses_is_what_runs(monkeypatch):
    """The lowerings differ in their last bits, so those tell which one it was."""
    monkeypatch.setattr(device, "lowering", lambda: EAGER)
    x, weight = randoms((2, 3, 8, 8), (4, 3, 3, 3))
    bias = np.zeros(4, np.float32)
    filtered, plain = run(winograd, x, weight, bias), run(native, x, weight, 1, (1, 1, 1, 1))
    assert not np.array_equal(filtered, plain)
    got = run(kernels.convolution, x, weight, bias, 1, (1, 1, 1, 1))
    assert np.array_equal(got, filtered)
    got = run(kernels.upsample_conv, x, weight, bias, 16, 16)
    assert np.array_equal(got, run(winograd, x, weight, bias, True))


def test_large_maps_go_band_by_band_whole_ones_at_once(monkeypatch):
    """What runs in bands is put in the place of something else, and that comes out."""

    def zeros(x, weight, bias, before):
        return ops.zeros((x.shape[0], weight.shape[0], *x.shape[2:]), x.dtype)

    def large(shape):
        return ((0, 1), (1, 2))

    def small(shape):
        return ()

    monkeypatch.setattr(device, "lowering", lambda: EAGER)
    monkeypatch.setattr(convolutions, "in_bands", zeros)
    arrays = randoms((2, 6, 8, 8), (6,), (6,), (4, 6, 3, 3), (4,))
    for answer in (large, small):
        monkeypatch.setattr(convolutions, "bands", answer)

        @mindspore.jit
        def convolve(x, scale, shift, weight, bias):
            return kernels.norm_act_conv(x, (scale, shift, 3, 1e-5), "silu", weight, bias)

        assert convolve(*map(Tensor, arrays)).asnumpy().any() == (answer is small)
