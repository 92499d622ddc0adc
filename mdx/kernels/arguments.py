"""What kernels are given, as types that have names."""

from collections.abc import Callable
from typing import Any, TypeAlias

from mindspore import Tensor

__all__ = [
    "Added", "GroupNorm", "LayerNorm", "LowRank", "Map", "Padding", "Projection", "Projections",
    "Spans", "Weight",
]  # fmt: skip

# A convolution's weight (O, I, k, k), alone or with its matrices: see convolution_weights.py.
Weight: TypeAlias = Tensor | tuple[Tensor, Tensor, Tensor | None, tuple[Tensor, ...]]
Padding: TypeAlias = tuple[int, int, int, int]  # pixels at the top, bottom, left and right
# What is added to a linear layer of weight (O, I): down (R, I), up (O, R), and the factors between
# them, one set a picture (B, R), or one a row of tokens.
LowRank: TypeAlias = tuple[Tensor, Tensor, Tensor]
# Weight (C,) and bias (C,) of a layer norm, and its epsilon.
LayerNorm: TypeAlias = tuple[Tensor, Tensor, float]
# The same of a group norm, and the number of groups before the epsilon.
GroupNorm: TypeAlias = tuple[Tensor, Tensor, int, float]
# What is added to a convolution: to each channel of a picture (B, O), and maps (B, O, H, W).
Added: TypeAlias = tuple[Tensor | None, Tensor | None]
# Weight (O, I) and bias (O,) of a linear layer, and what is added to it, where something is.
Projection: TypeAlias = tuple[Tensor, Tensor | None] | tuple[Tensor, Tensor | None, LowRank]
# Those of attention's query, key, value and out, each handed on as arguments: a Projection, of
# which types do not tell how long it is.
Projections: TypeAlias = tuple[Any, Any, Any, Any]
Map: TypeAlias = Callable[[Tensor], Tensor]
Spans: TypeAlias = tuple[tuple[int, int], ...]  # where each part begins and ends, in order
