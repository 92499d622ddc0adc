"""Convolution, by the lowering that device.py gives to its shape."""

from mindspore import ops

from mdx.kernels.convolution_columns import columns
from mdx.kernels.convolution_native import native
from mdx.kernels.convolution_pointwise import pointwise
from mdx.kernels.device import as_weight, choose_convolution


def convolution(x, weight, bias, stride=1, padding=(1, 1, 1, 1)):
    """Convolve x (B, I, H, W) with weight (O, I, k, k); padding is (top, bottom, left, right)."""
    kind = choose_convolution(weight.shape[2], stride)
    if kind == "native":
        out = native(x, as_weight(weight), stride, padding)
    elif kind == "pointwise":
        out = pointwise(x, as_weight(weight))
    else:
        out = columns(x, as_weight(weight), stride, padding)
    return ops.BiasAdd()(out, as_weight(bias))
