"""Activations by their names in configs, elementwise."""

import math

import mindspore
from mindspore import Tensor, ops

from mdx.kernels import fused
from mdx.kernels.device import choice

__all__ = ["ACTIVATIONS", "activation"]

ACTIVATIONS = ("silu", "swish", "gelu", "quick_gelu", "mish", "relu")


def activation(kind: str, x: Tensor) -> Tensor:
    """One of ACTIVATIONS; gelu is the exact one, with the error function.

    Sums are of float32: of 1 - 1 little is left in half precision, and while a graph of bfloat16 is
    traced MindSpore asks numpy for the number that is added, which has none.
    """
    if choice("fused") and kind in fused.ACTIVATIONS:
        return fused.activated(x, fused.ACTIVATIONS[kind])
    wide = ops.cast(x, mindspore.float32)
    if kind == "silu" or kind == "swish":
        return ops.silu(x)
    if kind == "gelu":
        return x * ops.cast(ops.erf(wide * math.sqrt(0.5)) * 0.5 + 0.5, x.dtype)
    if kind == "quick_gelu":
        return x * ops.sigmoid(x * 1.702)
    if kind == "mish":
        return x * ops.cast(ops.tanh(ops.softplus(wide)), x.dtype)
    return ops.relu(x)
