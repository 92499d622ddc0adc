"""Convolution by MindSpore's own primitive."""

from mindspore import Tensor, ops

from mdx.kernels.arguments import Padding


def native(x: Tensor, weight: Tensor, stride: int, padding: Padding) -> Tensor:
    """x (B, I, H, W), weight (O, I, k, k), padding (top, bottom, left, right) -> (B, O, H', W')."""
    channels, _, size, _ = weight.shape
    return ops.Conv2D(channels, size, pad_mode="pad", pad=padding, stride=stride)(x, weight)
