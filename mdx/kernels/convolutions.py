"""Convolution, by the lowering that device.py gives to its shape."""

from mindspore import ops

from mdx.kernels.convolution_columns import columns
from mdx.kernels.convolution_native import native
from mdx.kernels.convolution_pointwise import pointwise
from mdx.kernels.convolution_winograd import winograd
from mdx.kernels.device import as_weight, choose_convolution
from mdx.kernels.upsampling import upsample
from mdx.kernels.winograd_matrices import TILE


def convolution(x, weight, bias, stride=1, padding=(1, 1, 1, 1)):
    """Convolve x (B, I, H, W) with weight (O, I, k, k); padding is (top, bottom, left, right)."""
    kind = _lowering(weight, stride, padding, x.shape[0], x.shape[2], x.shape[3])
    if kind == "winograd":
        out = winograd(x, as_weight(weight))
    elif kind == "native":
        out = native(x, as_weight(weight), stride, padding)
    elif kind == "pointwise":
        out = pointwise(x, as_weight(weight))
    else:
        out = columns(x, as_weight(weight), stride, padding)
    return ops.BiasAdd()(out, as_weight(bias))


def enlarged_convolution(x, weight, bias, height, width):
    """Enlarge x (B, I, h, w) to height by width, about twice that, and convolve with a border of 1.

    Nearest neighbours: odd sizes do not halve evenly.
    """
    twice = height == 2 * x.shape[2] and width == 2 * x.shape[3]
    if twice and _lowering(weight, 1, (1, 1, 1, 1), x.shape[0], height, width) == "winograd":
        out = winograd(x, as_weight(weight), doubled=True)
        return ops.BiasAdd()(out, as_weight(bias))
    return convolution(upsample(x, height, width), weight, bias)


def _lowering(weight, stride, padding, batch, height, width):
    """Which lowering; height and width are those of what is convolved."""
    tiled = padding == (1, 1, 1, 1) and height % TILE == 0 and width % TILE == 0
    return choose_convolution(weight.shape, stride, batch * height * width, tiled)
