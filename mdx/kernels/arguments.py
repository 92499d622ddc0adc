"""What kernels are given, as types that have names."""

from collections.abc import Callable
from typing import TypeAlias

from mindspore import Tensor

__all__ = ["Map", "Padding", "Projection", "Projections", "Spans", "Weight"]

# A convolution's weight (O, I, k, k), alone or with its matrices: see convolution_weights.py.
Weight: TypeAlias = Tensor | tuple[Tensor, Tensor, Tensor | None, tuple[Tensor, ...]]
Padding: TypeAlias = tuple[int, int, int, int]  # pixels at the top, bottom, left and right
# Weight (O, I) and bias (O,) of a linear layer.
Projection: TypeAlias = tuple[Tensor, Tensor | None]
# Those of attention's query, key, value and out.
Projections: TypeAlias = tuple[Projection, Projection, Projection, Projection]
Map: TypeAlias = Callable[[Tensor], Tensor]
Spans: TypeAlias = tuple[tuple[int, int], ...]  # where each part begins and ends, in order
