"""Convolution as a matrix product with the columns of patches."""

from mindspore import Tensor, ops

from mdx.kernels.arguments import Padding, Weight
from mdx.kernels.convolution_weights import as_matrix, as_tensor
from mdx.kernels.device import as_weight
from mdx.kernels.parts import PART_BYTES, after, joined, pictures
from mdx.kernels.products import products


def columns(
    x: Tensor, weight: Weight, stride: int, padding: Padding, part_bytes: int = PART_BYTES
) -> Tensor:
    """x (B, I, H, W), weight (O, I, k, k), padding (top, bottom, left, right) -> (B, O, H', W').

    Picture by picture where the patches of all would take more than part_bytes.
    """
    top, bottom, left, right = padding
    batch, inputs, tall, wide = x.shape
    outputs, _, size, _ = as_tensor(weight).shape
    height = (tall + top + bottom - size) // stride + 1
    width = (wide + left + right - size) // stride + 1
    if top != bottom or left != right:
        x = ops.pad(x, (left, right, top, bottom))
        top, left = 0, 0
    to_patches = ops.Im2Col((size, size), (stride, stride), (1, 1), (top, left))
    kernels, length = as_weight(as_matrix(weight)), inputs * size * size
    parts = (x,) if 4 * batch * length * height * width <= part_bytes else pictures(x)
    found = ()
    for some in parts:
        # One after the other: at once they would hold all their patches together.
        patches = to_patches(after(some, found[-1]) if found else some)
        found = (*found, products(kernels, patches.reshape((-1, length, height * width))))
    return joined(found).reshape((batch, outputs, height, width))
