"""Convolution to few channels: each pixel's products with the kernels, added up where they belong.

Those are k * k * O numbers a pixel, where the patches that a matrix would read are k * k * I.
"""

import numpy as np
from mindspore import Tensor, ops

from mdx.kernels.arguments import Padding, Weight
from mdx.kernels.constants import sides
from mdx.kernels.convolution_weights import as_matrix, as_tensor
from mdx.kernels.device import as_weight
from mdx.kernels.products import products


def folded(x: Tensor, weight: Weight, padding: Padding) -> Tensor:
    """x (B, I, H, W), weight (O, I, k, k), padding (top, bottom, left, right) -> (B, O, H', W')."""
    top, bottom, left, right = padding
    if top != bottom or left != right:
        x = ops.pad(x, (left, right, top, bottom))
        top, left = 0, 0
    batch, inputs, tall, wide = x.shape
    outputs, _, size, _ = as_tensor(weight).shape
    numbers = as_weight(as_matrix(weight)).reshape((outputs * inputs, size * size))
    # A number that a pixel is multiplied with goes to the place opposite its own in the kernel.
    kernels = ops.Gather()(numbers, _opposite(size * size), 1).reshape((outputs, inputs, -1))
    kernels = kernels.transpose((0, 2, 1)).reshape((-1, inputs))
    found = products(kernels, x.reshape((batch, inputs, -1)))
    found = found.reshape((batch, outputs, size * size, tall * wide))
    out = sides(tall + 2 * top - size + 1, wide + 2 * left - size + 1)
    around = (size - 1 - top, size - 1 - left)
    return ops.Col2Im((size, size), (1, 1), around, (1, 1))(found, out)


@ops.constexpr
def _opposite(count: int) -> Tensor:
    return Tensor(np.arange(count - 1, -1, -1, dtype=np.int32))
