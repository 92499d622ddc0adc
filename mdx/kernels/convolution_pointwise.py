"""Convolution by kernels of one pixel, which is a matrix product with the maps as they lie."""

from mindspore import Tensor

from mdx.kernels.arguments import Weight
from mdx.kernels.convolution_weights import as_matrix
from mdx.kernels.device import as_weight
from mdx.kernels.products import products


def pointwise(x: Tensor, weight: Weight) -> Tensor:
    """x (B, I, H, W), weight (O, I, 1, 1) -> (B, O, H, W)."""
    batch, inputs, height, width = x.shape
    out = products(as_weight(as_matrix(weight)), x.reshape((batch, inputs, -1)))
    return out.reshape((batch, -1, height, width))
