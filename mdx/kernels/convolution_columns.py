"""Convolution as one matrix product with the columns of patches."""

from mindspore import ops


def columns(x, weight, stride, padding):
    """x (B, I, H, W), weight (O, I, k, k), padding (top, bottom, left, right) -> (B, O, H', W')."""
    top, bottom, left, right = padding
    channels, _, size, _ = weight.shape
    height = (x.shape[2] + top + bottom - size) // stride + 1
    width = (x.shape[3] + left + right - size) // stride + 1
    if top == bottom and left == right:
        patches = ops.unfold(x, size, 1, (top, left), stride)
    else:
        patches = ops.unfold(ops.pad(x, (left, right, top, bottom)), size, 1, 0, stride)
    out = ops.matmul(weight.reshape((channels, -1)), patches)
    return out.reshape((x.shape[0], channels, height, width))
