"""One number a channel, on maps, or one a picture, on tokens."""

from mindspore import Tensor, ops


def add_to_channels(x: Tensor, shift: Tensor) -> Tensor:
    """x (B, C, H, W) + shift (B, C)."""
    batch, channels, height, width = x.shape
    flat = x.reshape((1, batch * channels, height, width))
    return ops.BiasAdd()(flat, shift.reshape((-1,))).reshape(x.shape)


def scale_channels(x: Tensor, scale: Tensor) -> Tensor:
    """x (B, C, H, W) * scale (B, C)."""
    return x * ops.tile(scale.reshape((*scale.shape, 1, 1)), (1, 1, x.shape[2], x.shape[3]))


def scale_pictures(x: Tensor, scale: Tensor) -> Tensor:
    """x (B, T, C), or maps (B, C, H, W), * scale (B,)."""
    if len(x.shape) == 4:
        return x * ops.tile(scale.reshape((-1, 1, 1, 1)), (1, *x.shape[1:]))
    return x * ops.tile(scale.reshape((-1, 1, 1)), (1, x.shape[1], x.shape[2]))
