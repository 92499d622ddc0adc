"""Convolution by kernels of one pixel, which is a matrix product with the maps as they lie."""

from mdx.kernels.products import products


def pointwise(x, weight):
    """x (B, I, H, W), weight (O, I, 1, 1) -> (B, O, H, W)."""
    batch, inputs, height, width = x.shape
    out = products(weight.reshape((-1, inputs)), x.reshape((batch, inputs, -1)))
    return out.reshape((batch, -1, height, width))
