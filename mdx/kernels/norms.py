"""Norms over groups of channels and over channels; float32 whatever the dtype of their input."""

import mindspore
from mindspore import Tensor, ops

from mdx.kernels import fused
from mdx.kernels.constants import filled
from mdx.kernels.device import choice
from mdx.kernels.norm_batch import by_batch
from mdx.kernels.norm_layer import by_layer


def group_norm(x: Tensor, weight: Tensor, bias: Tensor, groups: int, epsilon: float) -> Tensor:
    """Normalise x (B, C, H, W) over each of `groups` groups of channels."""
    if choice("norm") == "fused":
        return fused.normed(x, fused.normed_over_groups(weight, bias, groups, epsilon))
    return ops.cast(scaled(group_standardize(x, groups, epsilon, bias), weight, bias), x.dtype)


def group_standardize(x: Tensor, groups: int, epsilon: float, bias: Tensor) -> Tensor:
    """x (B, C, H, W) with mean 0 and variance 1 in each group of channels, float32.

    It is x itself where what reads it, `norm_act` or `norm_act_conv`, does that too. bias: any
    weight of the net, see norm_batch.py.
    """
    if choice("norm") == "fused":
        return x
    rows = ops.cast(x, mindspore.float32)
    if choice("norm") == "batch":
        return by_batch(rows, groups, epsilon, bias)
    return by_layer(rows, groups, epsilon)


def scaled(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x (B, C, H, W), float32, times weight (C,) plus bias (C,)."""
    zeros, ones = filled(0.0, x.shape[1]), filled(1.0 - 1e-5, x.shape[1])
    return standardised(x, zeros, ones, weight, bias, 1e-5)


def standardised(
    x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, epsilon: float
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias; x (B, C, H, W) float32, rest (C,)."""
    weight, bias = ops.cast(weight, mindspore.float32), ops.cast(bias, mindspore.float32)
    norm = ops.BatchNorm(is_training=False, epsilon=epsilon)
    return norm(x, weight, bias, mean, variance)[0]


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Normalise x (..., C) over its last axis."""
    if choice("norm") == "fused":
        return fused.normed(x, fused.layer_norm(weight, bias, epsilon))
    rows = ops.cast(x, mindspore.float32).reshape((-1, x.shape[-1]))
    scale, shift = ops.cast(weight, mindspore.float32), ops.cast(bias, mindspore.float32)
    normed, _, _ = ops.LayerNorm(1, 1, epsilon)(rows, scale, shift)
    return ops.cast(normed, x.dtype).reshape(x.shape)
