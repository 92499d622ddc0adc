"""Convolution by Winograd's filtering: the same in whatever parts, its gradient, its error."""

import mindspore
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mindspore import Tensor

from mdx.kernels import upsampling, winograd_matrices
from mdx.kernels.convolution_native import native
from mdx.kernels.convolution_winograd import bands, in_bands, winograd
from tests.lowerings import close, convolved, few, randoms, run


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
    rows=st.integers(1, 5),
    pictures=st.integers(1, 2),
    part_bytes=st.sampled_from([1, 864, 2 * 864]),  # of a row of tiles
)
def test_winograd_of_what_is_made_of_each_band(rows, pictures, part_bytes):
    """Before a band is convolved something is made of its pixels; beyond the picture is still 0."""
    x, weight, bias = randoms((pictures, 3, 4 * rows, 8), (2, 3, 3, 3), (2,))
    assume(bands(x.shape, False, part_bytes))

    def raised(rows):
        return rows + 1.0

    got = run(in_bands, x, weight, bias, raised, False, part_bytes)
    close(got, convolved(x + 1.0, weight, 1, (1, 1, 1, 1)) + bias[:, None, None])


@given(
    shape=st.tuples(*[st.integers(1, 4)] * 2, st.integers(1, 50), st.integers(1, 9)),
    doubled=st.booleans(),
    part_bytes=st.integers(1, 10**6),
)
def test_bands_are_all_rows_and_keep_within_the_bytes(shape, doubled, part_bytes):
    """None where all pictures' values fit; else each fits or is one row of tiles."""
    batch, inputs, rows, columns = shape
    step = 2 if doubled else 4
    found = bands((batch, inputs, step * rows, step * columns), doubled, part_bytes)
    row_bytes = 4 * 36 * inputs * columns
    if batch * rows * row_bytes <= part_bytes:
        assert found == ()
    else:
        assert [i for first, last in found for i in range(first, last)] == list(range(rows))
        assert all((last - first) * row_bytes <= max(part_bytes, row_bytes)
                   for first, last in found)  # fmt: skip


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
