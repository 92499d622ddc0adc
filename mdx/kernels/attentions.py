"""Multi-head attention, by the lowering that device.py gives to its shape."""

import mindspore
from mindspore import Tensor

from mdx.kernels.arguments import Projections
from mdx.kernels.attention_flash import flash
from mdx.kernels.attention_maps import maps
from mdx.kernels.attention_rows import rows
from mdx.kernels.device import choose_attention
from mdx.kernels.parts import PART_BYTES


def attention(
    x: Tensor,
    context: Tensor,
    weights: Projections,
    heads: int,
    causal: bool = False,
    upcast: bool = False,
    part_bytes: int = PART_BYTES,
    unread: Tensor | None = None,
) -> Tensor:
    """x (B, T, I) reads context (B, S, D) -> (B, T, O): scaled dot-product attention.

    weights: those of query (C, I), key (C, D), value (C, D) and out (O, C), each a pair with its
    bias or None. causal hides later tokens from earlier ones; upcast computes scores in float32
    whatever the dtype; part_bytes bounds the scores that exist at once, down to those of one query
    of one picture; unread (B, S), 0 or very negative, is added to the scores of each key. Attention
    is all you need, arXiv 1706.03762, section 3.2.
    """
    if unread is not None:
        return rows(x, context, weights, heads, causal, upcast, part_bytes, unread)
    dtype = x.dtype
    half = dtype == mindspore.float16 or dtype == mindspore.bfloat16
    size = weights[0][0].shape[0] // heads
    fits_flash = half and size % 16 == 0 and not causal and not upcast
    kind = choose_attention(x.shape[1], fits_flash)
    if kind == "flash":
        return flash(x, context, weights, heads)
    if kind == "maps":
        return maps(x, context, weights, heads, causal, upcast, part_bytes)
    return rows(x, context, weights, heads, causal, upcast, part_bytes)
