"""The step as MindSpore runs it; importing this module imports MindSpore.

Rows arrive as tensors, so one compiled graph serves every sampler and step of a shape.
"""

import mindspore as ms
from mindspore import Tensor, ops


@ms.jit
def advance(
    slots: Tensor, out: Tensor, noise: Tensor, denoise: Tensor, mix: Tensor, clip: Tensor
) -> tuple[Tensor, Tensor]:
    """One row on every batch row: new slots and x0. All float32.

    slots (K,B,C,H,W); out, noise (B,C,H,W). Factors broadcast over pictures: denoise (2,B,1,1,1),
    mix (K+3,K,B,1,1,1) by column, clip (B,1,1,1).

    A matrix product would do the same, but rounds an image differently by its place in the batch;
    products and sums of whole arrays do not.
    """
    x0 = denoise[0] * slots[0] + denoise[1] * out
    x0 = ops.minimum(ops.maximum(x0, -clip), clip)
    k = slots.shape[0]
    mixed = mix[k] * out + mix[k + 1] * x0 + mix[k + 2] * noise
    for column in range(k):
        mixed = mixed + mix[column] * slots[column]
    return mixed, x0
