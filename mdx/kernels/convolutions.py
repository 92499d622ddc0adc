"""Convolution, by the lowering that device.py gives to its shape."""

from mindspore import Tensor, ops

from mdx.kernels.arguments import Map, Padding, Weight
from mdx.kernels.convolution_columns import columns
from mdx.kernels.convolution_folded import folded
from mdx.kernels.convolution_native import native
from mdx.kernels.convolution_pointwise import pointwise
from mdx.kernels.convolution_weights import as_tensor
from mdx.kernels.convolution_winograd import bands, in_bands, winograd
from mdx.kernels.device import as_input, as_weight, choose_convolution
from mdx.kernels.norms import scaled
from mdx.kernels.upsampling import upsample


def convolution(
    x: Tensor, weight: Weight, bias: Tensor, stride: int = 1, padding: Padding = (1, 1, 1, 1)
) -> Tensor:
    """Convolve x (B, I, H, W) with weight (O, I, k, k); padding is (top, bottom, left, right).

    weight, here and below: with its matrices or without, see convolution_weights.py.
    """
    shape = as_tensor(weight).shape
    kind = choose_convolution(shape, stride, padding, x.shape[0], x.shape[2], x.shape[3])
    if kind == "winograd":
        return winograd(x, weight, as_weight(bias))
    if kind == "folded":
        out = folded(x, weight, padding)
    elif kind == "native":
        out = native(x, as_weight(as_tensor(weight)), stride, padding)
    elif kind == "pointwise":
        out = pointwise(x, weight)
    else:
        out = columns(x, weight, stride, padding)
    return ops.BiasAdd()(out, as_weight(bias))


def upsample_conv(x: Tensor, weight: Weight, bias: Tensor, height: int, width: int) -> Tensor:
    """Enlarge x (B, I, h, w) to height by width, about twice that, and convolve with a border of 1.

    Nearest neighbours: odd sizes do not halve evenly.
    """
    twice = height == 2 * x.shape[2] and width == 2 * x.shape[3]
    kind = choose_convolution(as_tensor(weight).shape, 1, (1, 1, 1, 1), x.shape[0], height, width)
    if twice and kind == "winograd":
        return winograd(x, weight, as_weight(bias), doubled=True)
    return convolution(upsample(x, height, width), weight, bias)


def norm_act_conv(
    x: Tensor, scale: Tensor, shift: Tensor, activation: Map, weight: Weight, bias: Tensor
) -> Tensor:
    """Convolve activation(x * scale + shift), 3 by 3, of x (B, I, H, W) from `group_standardize`.

    scale, shift (I,); activation(maps) works pixel by pixel; weight (O, I, 3, 3) -> (B, O, H, W).
    """

    def before(rows: Tensor) -> Tensor:
        return norm_act(rows, scale, shift, activation, weight)

    batch, _, height, width = x.shape
    kind = choose_convolution(as_tensor(weight).shape, 1, (1, 1, 1, 1), batch, height, width)
    if kind == "winograd" and bands(x.shape):
        return in_bands(x, weight, as_weight(bias), before)
    return convolution(before(x), weight, bias)


def norm_act(x: Tensor, scale: Tensor, shift: Tensor, activation: Map, weight: Weight) -> Tensor:
    """What `norm_act_conv` convolves, in the dtype in which a net with such a weight computes."""
    return activation(as_input(scaled(x, scale, shift), as_tensor(weight)))
