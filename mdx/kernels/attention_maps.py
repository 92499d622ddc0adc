"""Attention on maps, one row a channel: heads are whole rows, so that nothing is transposed.

Queries, keys and values come out of their products as (C, T), and are read from there transposed
where that is what a product needs. One picture at a time, and a few queries at a time where all
scores at once would be large: memory is linear in the number of tokens.
"""

import math
from typing import Any

import mindspore
from mindspore import Tensor, ops

from mdx.kernels.arguments import Projection, Projections, Spans
from mdx.kernels.device import as_weight
from mdx.kernels.parts import AT_A_TIME, joined, pictures, spans
from mdx.kernels.scores import BYTES, causal_mask

# Scores that are read again while a processor's caches have them take less time; with still smaller
# parts operators take longer than that saves.
CACHED = 16 * 1024 * 1024  # bytes
PARTS = 512  # at most, unless fewer bytes are asked for: it takes ten seconds to compile so many


def maps(
    x: Tensor,
    context: Tensor,
    weights: Projections,
    heads: int,
    causal: bool,
    upcast: bool,
    part_bytes: int,
) -> Tensor:
    """x (B, T, I), context (B, S, D) -> (B, T, O); weights and the rest as in attentions.py."""
    to_query, to_key, to_value, (to_out, shift, low) = [_cast(one) for one in weights]
    outs = ()
    for own, other in zip(pictures(x), pictures(context)):  # noqa: B905
        if outs:
            # One after the other: at once they would hold all their scores together.
            own = ops.depend(own, outs[-1])
        number = len(outs)
        query = _projected(own, to_query, heads, number)
        key = _projected(other, to_key, heads, number)
        value = _projected(other, to_value, heads, number)
        query = query * (1.0 / math.sqrt(query.shape[1]))
        if upcast:
            query, key = ops.cast(query, mindspore.float32), ops.cast(key, mindspore.float32)
        read = attended(query, key, value, causal, part_bytes)
        read = read.reshape((-1, read.shape[2]))
        out = ops.MatMul(transpose_a=True, transpose_b=True)(read, to_out)
        if low is not None:
            down, up, scales = low
            hidden = ops.MatMul(transpose_a=True, transpose_b=True)(read, down)
            hidden = hidden * ops.tile(scales[number], (hidden.shape[0], 1))
            out = out + ops.MatMul(transpose_b=True)(hidden, up)
        outs = (*outs, out)
    out = joined(outs)
    if shift is not None:
        out = ops.BiasAdd()(out, shift)
    return out.reshape((x.shape[0], x.shape[1], -1))


def attended(query: Tensor, key: Tensor, value: Tensor, causal: bool, part_bytes: int) -> Tensor:
    """Scaled query (h, c, T), key (h, c, S), value (h, d, S) -> (h, d, T)."""
    heads, _, tokens = query.shape
    each = heads * key.shape[2] * BYTES
    cuts = spans(tokens, each, min(part_bytes, max(CACHED, each * tokens // PARTS)))
    queries = _cut(query, len(cuts))
    parts = ()
    for first, last in spans(len(cuts), 1, AT_A_TIME):
        found = _parts(query, queries, key, value, causal, cuts[first:last], parts[-1:])
        parts = (*parts, *found)
    return joined(parts, 2)


def _parts(
    query: Tensor,
    queries: tuple[Tensor, ...],
    key: Tensor,
    value: Tensor,
    causal: bool,
    cuts: Spans,
    before: tuple[Tensor, ...],
) -> tuple[Tensor, ...]:
    """What some parts of the queries read, each (h, d, t), one after the other, after `before`."""
    heads, channels, tokens = query.shape
    found = before
    for begin, end in cuts:
        if queries:
            some = queries[begin // (end - begin)]
        else:
            some = ops.Slice()(query, (0, 0, begin), (heads, channels, end - begin))
        if found:
            some = ops.depend(some, found[-1])
        scores = ops.BatchMatMul(transpose_a=True)(some, key)
        if causal:
            scores = scores + causal_mask(begin, end, tokens, scores.dtype)
        shares = ops.cast(ops.Softmax(-1)(scores), value.dtype)
        found = (*found, ops.BatchMatMul(transpose_b=True)(value, shares))
    return found[len(before) :]


def _cut(query: Tensor, count: int) -> tuple[Tensor, ...]:
    """Queries (h, c, T) in even parts by one operator, for each slice would be traced by itself.

    () where they cannot be even.
    """
    if count == 1:
        return (query,)
    if query.shape[2] % count == 0:
        return ops.Split(2, count)(query)
    return ()


def _projected(x: Tensor, weights: Any, heads: int, number: int) -> Tensor:
    """x (1, T, I), of the picture of this number, times weight (C, I) -> (heads, C / heads, T)."""
    weight, bias, low = weights
    rows = x.reshape((-1, x.shape[2]))
    out = ops.MatMul(transpose_b=True)(weight, rows)
    if low is not None:
        down, up, scales = low
        hidden = ops.MatMul(transpose_b=True)(down, rows)
        hidden = hidden * ops.tile(scales[number].reshape((-1, 1)), (1, hidden.shape[1]))
        out = out + ops.MatMul()(up, hidden)
    if bias is not None:
        out = ops.BiasAdd()(out.reshape((1, *out.shape)), bias)
    return out.reshape((heads, -1, x.shape[1]))


def _cast(weights: Projection) -> Any:
    """Weight, bias and what is added, with the factors (1, R) of each picture by themselves."""
    weight, bias = weights[0], weights[1]
    shift = None if bias is None else as_weight(bias)
    if len(weights) == 2:
        return as_weight(weight), shift, None
    down, up, scale = weights[2]
    own = pictures(ops.cast(scale, as_weight(weight).dtype))
    return as_weight(weight), shift, (as_weight(down), as_weight(up), own)
