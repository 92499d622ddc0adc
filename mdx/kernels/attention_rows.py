"""Attention on rows of tokens, all pictures at once: for few tokens, or any device.

Splitting rows into heads transposes them, which costs a CPU time and memory: attention_maps.py is
for many tokens.
"""

import math

import mindspore
from mindspore import Tensor, ops

from mdx.kernels.arguments import Projections, Spans
from mdx.kernels.linears import linear
from mdx.kernels.parts import AT_A_TIME, joined, spans
from mdx.kernels.scores import BYTES, causal_mask


def rows(
    x: Tensor,
    context: Tensor,
    weights: Projections,
    heads: int,
    causal: bool,
    upcast: bool,
    part_bytes: int,
    unread: Tensor | None = None,
) -> Tensor:
    """x (B, T, I), context (B, S, D) -> (B, T, O); weights and the rest as in attentions.py."""
    batch, tokens, _ = x.shape
    query, key, value, out = weights
    query = _heads(linear(x, *query), heads)
    key = _heads(linear(context, *key), heads)
    value = _heads(linear(context, *value), heads)
    query = query * (1.0 / math.sqrt(query.shape[2]))
    if upcast:
        query, key = ops.cast(query, mindspore.float32), ops.cast(key, mindspore.float32)
    if unread is not None:
        unread = ops.tile(unread.reshape((batch, 1, -1)), (1, heads, 1))
        unread = ops.cast(unread.reshape((batch * heads, 1, -1)), query.dtype)
    cuts = spans(tokens, batch * heads * key.shape[1] * BYTES, part_bytes)
    parts = ()
    for first, last in spans(len(cuts), 1, AT_A_TIME):
        found = _parts(query, key, value, causal, unread, cuts[first:last], parts[-1:])
        parts = (*parts, *found)
    read = joined(parts, 1).reshape((batch, heads, tokens, -1)).transpose((0, 2, 1, 3))
    return linear(read.reshape((batch, tokens, -1)), *out)


def _parts(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    causal: bool,
    unread: Tensor | None,
    cuts: Spans,
    before: tuple[Tensor, ...],
) -> tuple[Tensor, ...]:
    """What some parts of the queries read, (h, t, d), one after the other, after `before`."""
    heads, tokens, channels = query.shape
    found = before
    for begin, end in cuts:
        some = query
        if end - begin < tokens:
            some = ops.Slice()(query, (0, begin, 0), (heads, end - begin, channels))
        if found:
            # Independent parts would run at once and hold all their scores together.
            some = ops.depend(some, found[-1])
        scores = ops.BatchMatMul(transpose_b=True)(some, key)
        if causal:
            scores = scores + causal_mask(begin, end, tokens, scores.dtype)
        if unread is not None:
            scores = scores + unread
        found = (*found, ops.BatchMatMul()(ops.cast(ops.Softmax(-1)(scores), value.dtype), value))
    return found[len(before) :]


def _heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, C) -> (B * heads, T, C / heads)."""
    batch, tokens, channels = x.shape
    parts = x.reshape((batch, tokens, heads, channels // heads)).transpose((0, 2, 1, 3))
    return parts.reshape((batch * heads, tokens, channels // heads))
