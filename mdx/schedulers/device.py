"""The step as MindSpore runs it; importing this module imports MindSpore.

Rows arrive as tensors, so one compiled graph serves every sampler and step of a shape.
"""

import mindspore as ms
from mindspore import Tensor, ops


@ms.jit
def advance(
    slots: Tensor, out: Tensor, noise: Tensor, denoise: Tensor, mix: Tensor, clip: Tensor
) -> tuple[Tensor, Tensor]:
    """One row on every batch row b: new slots and x0, all float32.

    slots (K,B,C,H,W); out, noise (B,C,H,W); denoise (B,2), mix (B,K,K+3), clip (B,).
    """
    k, b = slots.shape[0], slots.shape[1]
    flat = ops.reshape(slots, (k, b, -1))
    # Batch first, so that the mixing is one matrix product per image.
    values = ops.concat((ops.transpose(flat, (1, 0, 2)), ops.reshape(out, (b, 1, -1))), 1)
    x_and_out = ops.concat((values[:, :1], values[:, k:]), 1)
    x0 = ops.matmul(ops.reshape(denoise, (b, 1, 2)), x_and_out)
    bound = ops.reshape(clip, (b, 1, 1))
    x0 = ops.minimum(ops.maximum(x0, -bound), bound)
    known = ops.concat((values, x0, ops.reshape(noise, (b, 1, -1))), 1)
    mixed = ops.transpose(ops.matmul(mix, known), (1, 0, 2))
    return ops.reshape(mixed, slots.shape), ops.reshape(x0, out.shape)
