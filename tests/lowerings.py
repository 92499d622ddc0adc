"""What the tests of lowerings share: arrays, a run in a graph, and convolution as it is defined."""

import mindspore
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from mindspore import Tensor

# Shapes are graph constants: each example compiles, so there are few of them.
few = settings(max_examples=8, deadline=None)
sides = st.integers(3, 9)
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
