"""Norms over groups of channels and over channels; float32 whatever the dtype of their input."""

import mindspore
from mindspore import ops

from mdx.kernels.constants import filled
from mdx.kernels.device import choice
from mdx.kernels.norm_batch import by_batch
from mdx.kernels.norm_layer import by_layer


def group_norm(x, weight, bias, groups, epsilon):
    """Normalise x (B, C, H, W) over each of `groups` groups of channels."""
    channels = x.shape[1]
    rows = ops.cast(x, mindspore.float32)
    weight, bias = ops.cast(weight, mindspore.float32), ops.cast(bias, mindspore.float32)
    if choice("norm") == "batch":
        normed = by_batch(rows, groups, epsilon, bias[:1])
    else:
        normed = by_layer(rows, groups, epsilon)
    # The channels' scale follows as a BatchNorm whose mean is 0 and variance plus epsilon is 1.
    scaled = ops.BatchNorm(is_training=False, epsilon=1e-5)(
        normed,
        weight,
        bias,
        filled(0.0, channels),
        filled(1.0 - 1e-5, channels),
    )[0]
    return ops.cast(scaled, x.dtype)


def layer_norm(x, weight, bias, epsilon):
    """Normalise x (..., C) over its last axis."""
    rows = ops.cast(x, mindspore.float32).reshape((-1, x.shape[-1]))
    scale, shift = ops.cast(weight, mindspore.float32), ops.cast(bias, mindspore.float32)
    normed, _, _ = ops.LayerNorm(1, 1, epsilon)(rows, scale, shift)
    return ops.cast(normed, x.dtype).reshape(x.shape)
