"""Convolutions against numpy: every tail, both methods, strides, borders and enlarged maps."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mdx.kernels.native import calls
from tests.native import operators, references
from tests.native.libraries import CLASSES, load
from tests.native.operators import Norm, stored, value

SIZES = st.integers(1, 70)
TYPES = st.sampled_from(list(operators.TYPES))
# The largest difference over the largest value.
BOUNDS = {calls.DIRECT: 2e-6, calls.WINOGRAD: 2e-5}


@st.composite
def convolutions(draw, method):
    """Arguments of `operators.convolution` without the library, and the result."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, outputs = draw(SIZES), draw(SIZES)
    height = draw(SIZES)
    width = draw(st.integers(1, min(70, max(1, 600 // height))))
    batch = draw(st.integers(1, 3))
    kernel, stride = (3, 3), 1
    if method == calls.DIRECT:
        kernel = draw(st.sampled_from([(3, 3), (1, 1), (2, 3), (5, 4)]))
        stride = draw(st.integers(1, 3))
    size = (height, width)
    if draw(st.booleans()):
        size = tuple(2 * side + draw(st.integers(-1, 1)) for side in size)
    least = [max(0, k - side) for k, side in zip(kernel, size, strict=True)]
    top, left = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    bottom, right = draw(st.integers(least[0], 2 + least[0])), draw(st.integers(least[1], 4))
    x = (rng.standard_normal((batch, inputs, height, width)) + 1).astype(np.float32)
    weight = stored(rng.standard_normal((outputs, inputs, *kernel)), draw(TYPES))
    options = {
        "stride": stride, "top": top, "left": left, "bottom": bottom, "right": right,
        "method": method,
    }  # fmt: skip
    read = x.astype(np.float64)
    if draw(st.booleans()):
        groups = draw(st.sampled_from([n for n in range(1, inputs + 1) if inputs % n == 0]))
        scale, shift = rng.standard_normal((2, inputs))
        activation = draw(st.sampled_from([calls.IDENTITY, calls.SILU]))
        norm = Norm(
            calls.GROUP_NORM, 1e-3, groups, stored(scale, draw(TYPES)), stored(shift, "float32"),
            activation,
        )  # fmt: skip
        options["norm"] = norm
        rows = np.swapaxes(read.reshape(batch, inputs, -1), 1, 2)
        read = np.swapaxes(references.normalised(rows, norm), 1, 2).reshape(read.shape)
    if size != (height, width):
        options["enlarged_height"], options["enlarged_width"] = size
        read = references.enlarged(read, *size)
    expected = references.convolved(read, value(weight), stride, (top, left, bottom, right))
    assume(expected.size >= references.ENOUGH)
    if draw(st.booleans()):
        options["bias"] = stored(rng.standard_normal(outputs), draw(TYPES))
        expected = expected + value(options["bias"])[:, None, None]
    if draw(st.booleans()):
        options["shift"] = rng.standard_normal((batch, outputs)).astype(np.float32)
        expected = expected + options["shift"][:, :, None, None]
    if draw(st.booleans()):
        options["residual"] = rng.standard_normal(expected.shape).astype(np.float32)
        expected = expected + options["residual"]
    return (x, weight, expected.shape, options), expected


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("method", BOUNDS)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_convolutions_equal_numpys(kind, method, data):
    (x, weight, shape, options), expected = data.draw(convolutions(method))
    found = operators.convolution(load(kind), x, weight, shape, **options)
    assert references.apart(found, expected) < BOUNDS[method]


# Channels, pictures and sides of which no one piece of the work is the whole.
LARGE = {
    "Winograd in blocks of tiles": (calls.WINOGRAD, 1, 700, 20, 44, 36),
    "direct in bands of rows": (calls.DIRECT, 1, 400, 3, 190, 180),
    "direct, some pictures at a time": (calls.DIRECT, 5, 400, 2, 90, 90),
}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("name", LARGE)
def test_convolutions_in_parts_equal_the_whole(kind, name):
    method, batch, inputs, outputs, height, width = LARGE[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, inputs, height, width), np.float32)
    weight = stored(rng.standard_normal((outputs, inputs, 3, 3)), "float16")
    residual = rng.standard_normal((batch, outputs, height, width), np.float32)
    shift = rng.standard_normal((batch, outputs), np.float32)
    options = {
        "top": 1, "left": 1, "bottom": 1, "right": 1, "method": method, "residual": residual,
        "shift": shift,
    }  # fmt: skip
    found = operators.convolution(load(kind), x, weight, residual.shape, **options)
    # Some of the results: numpy has no quick convolution.
    rows = np.r_[0:6, height // 2 - 3 : height // 2 + 3, height - 6 : height]
    for begin in rows[::6]:
        part = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))[:, :, begin : begin + 8]
        expected = references.convolved(part.astype(np.float64), value(weight), 1, (0, 0, 0, 0))
        expected = expected + residual[:, :, begin : begin + 6] + shift[:, :, None, None]
        assert references.apart(found[:, :, begin : begin + 6], expected) < BOUNDS[method]
