"""The step as MindSpore runs it; importing this module imports MindSpore.

Rows arrive as tensors, so one compiled graph serves every sampler and step of a shape.
"""

import mindspore as ms
from mindspore import Tensor, ops

from mdx.compile_cache import compiled


def advance(
    slots: Tensor, out: Tensor, noise: Tensor, denoise: Tensor, mix: Tensor, beyond: Tensor
) -> tuple[Tensor, Tensor]:
    """One row on every batch row: new slots and x0. All float32; runs inside a graph.

    slots (K,B,C,...); noise (B,C,...); out the same, or (B,2C,...) with a learned variance; no axis
    but B is needed. Factors broadcast over samples, which are pictures (C,H,W) or anything else:
    denoise (2,B,1,...), mix (K+3,K,B,1,...) by column, beyond (4,B,1,...) holds clip, quantile and
    spread.

    A matrix product would do the same, but rounds an image differently by its place in the batch;
    products and sums of whole arrays do not. Sorting the picture for its quantile costs as much as
    the rest of the step: a branch of the graph, which only rows that threshold take.
    """
    if out.shape != noise.shape:
        out, variance = ops.split(out, slots.shape[2], axis=1)
        noise = noise * ops.exp(beyond[2] + beyond[3] * variance)
    x0 = denoise[0] * slots[0] + denoise[1] * out
    bound, share = beyond[0], beyond[1]
    unit = ops.ones_like(bound)
    if ops.reduce_max(share) > 0:
        large = ops.minimum(ops.maximum(quantile(ops.abs(x0), share), unit), bound)
        bound = ops.select(share > 0, large, bound)
        unit = ops.select(share > 0, large, unit)
    x0 = ops.minimum(ops.maximum(x0, -bound), bound) / unit
    k = slots.shape[0]
    mixed = mix[k] * out + mix[k + 1] * x0 + mix[k + 2] * noise
    for column in range(k):
        mixed = mixed + mix[column] * slots[column]
    return mixed, x0


advance_alone = compiled(advance)


def quantile(x: Tensor, share: Tensor) -> Tensor:
    """The value below which a share of a picture's values lies, linear between two of them.

    x (B,...), share (B,1,...) -> (B,1,...).
    """
    count = x.shape[0]
    ordered, _ = ops.sort(x.reshape(count, -1), 1)
    most = ordered.shape[1] - 1
    place = share.reshape(count, 1) * most
    below = ops.floor(place)
    first = below.astype(ms.int32)
    second = ops.minimum(first + 1, ms.Tensor(most, ms.int32))
    low, high = (ops.gather_elements(ordered, 1, index) for index in (first, second))
    return (low + (place - below) * (high - low)).reshape(share.shape)
