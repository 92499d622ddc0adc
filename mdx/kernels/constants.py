"""Constants of a graph, made in numpy while it is compiled."""

import numpy as np
from mindspore import Tensor, ops

from mdx.kernels.device import as_input


@ops.constexpr
def filled(value: float, size: int) -> Tensor:
    """(size,) float32."""
    return Tensor(np.full(size, value, np.float32))


@ops.constexpr
def sides(height: int, width: int) -> Tensor:
    """(2,) int32: what Col2Im makes a picture of."""
    return Tensor(np.array([height, width], np.int32))


def no_bias(weight: Tensor) -> Tensor:
    """Zeros (O,), where a layer of weight (O, ...) without a bias must have one; as is computed."""
    return as_input(filled(0.0, weight.shape[0]), weight)
