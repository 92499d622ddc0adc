"""Convolution, by the lowering that device.py gives to its shape."""

from typing import Any

from mindspore import Tensor, ops

from mdx.kernels import fused
from mdx.kernels.activations import activation
from mdx.kernels.arguments import Added, GroupNorm, Padding, Weight
from mdx.kernels.channels import add_to_channels
from mdx.kernels.convolution_columns import columns
from mdx.kernels.convolution_folded import folded
from mdx.kernels.convolution_native import native
from mdx.kernels.convolution_pointwise import pointwise
from mdx.kernels.convolution_weights import as_tensor
from mdx.kernels.convolution_winograd import bands, in_bands, winograd
from mdx.kernels.device import as_input, as_weight, choice, choose_convolution
from mdx.kernels.norms import scaled
from mdx.kernels.upsampling import upsample

NOTHING: Added = (None, None)


def convolution(
    x: Tensor,
    weight: Weight,
    bias: Tensor,
    stride: int = 1,
    padding: Padding = (1, 1, 1, 1),
    added: Added = NOTHING,
) -> Tensor:
    """Convolve x (B, I, H, W) with weight (O, I, k, k); padding is (top, bottom, left, right).

    weight, here and below: with its matrices or without, see convolution_weights.py.
    """
    if choice("fused"):
        return fused.convolved(x, as_tensor(weight), bias, stride, padding, more=added)
    return with_added(_convolved(x, weight, bias, stride, padding), added)


def with_added(x: Tensor, added: Added) -> Tensor:
    """Maps (B, C, H, W), and what is added to them."""
    shift, residual = added
    if shift is not None:
        x = add_to_channels(x, shift)
    if residual is not None:
        x = residual + x
    return x


def _convolved(x: Tensor, weight: Weight, bias: Tensor, stride: int, padding: Padding) -> Tensor:
    """`convolution` by MindSpore's operators."""
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
    if choice("fused"):
        border, enlarged = (1, 1, 1, 1), (height, width)
        return fused.convolved(x, as_tensor(weight), bias, 1, border, enlarged)
    twice = height == 2 * x.shape[2] and width == 2 * x.shape[3]
    kind = choose_convolution(as_tensor(weight).shape, 1, (1, 1, 1, 1), x.shape[0], height, width)
    if twice and kind == "winograd":
        return winograd(x, weight, as_weight(bias), doubled=True)
    return convolution(upsample(x, height, width), weight, bias)


def norm_act_conv(
    x: Tensor, norm: GroupNorm, kind: str, weight: Weight, bias: Tensor, added: Added = NOTHING
) -> Tensor:
    """Convolve activation(norm(x)) of x (B, I, H, W) from `group_standardize`, to the same size.

    norm: whose groups were standardised there. kind: the activation's name; weight (O, I, k, k) of
    odd k -> (B, O, H, W), and what is added to that.
    """
    half = as_tensor(weight).shape[2] // 2
    padding = (half, half, half, half)
    if choice("fused"):
        if kind in fused.IN_NORMS:
            before = _fused_norm(norm, True)
            return fused.convolved(x, as_tensor(weight), bias, 1, padding, (0, 0), before, added)
        return convolution(norm_act(x, norm, kind, weight), weight, bias, 1, padding, added)

    def before(rows: Tensor) -> Tensor:
        return norm_act(rows, norm, kind, weight)

    batch, _, height, width = x.shape
    chosen = choose_convolution(as_tensor(weight).shape, 1, padding, batch, height, width)
    if chosen == "winograd" and bands(x.shape):
        return with_added(in_bands(x, weight, as_weight(bias), before), added)
    return convolution(before(x), weight, bias, 1, padding, added)


def norm_act(x: Tensor, norm: GroupNorm, kind: str, weight: Weight) -> Tensor:
    """What `norm_act_conv` convolves, in the dtype in which a net with such a weight computes."""
    if choice("fused"):
        if kind in fused.IN_NORMS:
            return fused.normed(x, _fused_norm(norm, True))
        return activation(kind, fused.normed(x, _fused_norm(norm, False)))
    return activation(kind, as_input(scaled(x, norm[0], norm[1]), as_tensor(weight)))


def _fused_norm(norm: GroupNorm, silu: bool) -> Any:
    """A group norm as native operators take it, and whether silu follows."""
    weight, bias, groups, epsilon = norm
    return fused.normed_over_groups(weight, bias, groups, epsilon, silu)
