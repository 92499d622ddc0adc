"""Multi-head attention, by the lowering that device.py gives to its shape."""

import mindspore
from mindspore import Tensor

from mdx.kernels.arguments import LayerNorm, Projections
from mdx.kernels.attention_flash import flash
from mdx.kernels.attention_fused import whole
from mdx.kernels.attention_maps import maps
from mdx.kernels.attention_rows import rows
from mdx.kernels.device import choice, choose_attention
from mdx.kernels.norms import layer_norm
from mdx.kernels.parts import PART_BYTES


def attention(
    x: Tensor,
    context: Tensor | None,
    weights: Projections,
    heads: int,
    causal: bool = False,
    scores: tuple[bool, int] = (False, PART_BYTES),
    unread: Tensor | None = None,
    around: tuple[LayerNorm | None, Tensor | None] = (None, None),
) -> Tensor:
    """x (B, T, I) reads context (B, S, D) -> (B, T, O): scaled dot-product attention.

    Without a context x reads itself. weights: those of query (C, I), key (C, D), value (C, D) and
    out (O, C), each a pair with its bias or None. causal hides later tokens from earlier ones.
    scores: whether they are float32 whatever the dtype, and how many bytes of them may exist at
    once, down to those of one query of one picture. unread (B, S), 0 or very negative, is added to
    the scores of each key. around: a norm of x before it, and what the result is added to.
    Attention is all you need, arXiv 1706.03762, section 3.2.
    """
    norm, residual = around
    if choice("fused"):
        return whole(x, context, weights, heads, causal, unread, norm, residual)
    if norm is not None:
        x = layer_norm(x, *norm)
    if context is None:
        context = x
    upcast, part_bytes = scores
    out = _attention(x, context, weights, heads, causal, upcast, part_bytes, unread)
    return out if residual is None else residual + out


def _attention(
    x: Tensor,
    context: Tensor,
    weights: Projections,
    heads: int,
    causal: bool,
    upcast: bool,
    part_bytes: int,
    unread: Tensor | None,
) -> Tensor:
    """`attention` by MindSpore's operators."""
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
