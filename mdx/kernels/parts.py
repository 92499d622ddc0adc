"""Work in parts, one after the other, and the parts joined: what exists at once is bounded."""

from typing import TypeVar

from mindspore import Tensor, ops

from mdx.kernels.arguments import Map, Spans

Tree = TypeVar("Tree", Tensor, tuple[Tensor, ...])

# What may be done a part at a time makes no more than this of its largest result at once.
PART_BYTES = 64 * 1024 * 1024
# A loop is traced as calls within calls, of which there may be 1000: many parts are loops of loops.
AT_A_TIME = 32


def by_rows(function: Map, x: Tensor, row_bytes: int, part_bytes: int = PART_BYTES) -> Tensor:
    """function(x) for x (B, T, C) and a function of each row by itself, some rows at a time.

    row_bytes is what the function's largest result takes for a row; part_bytes bounds their sum.
    Of maps x (B, C, H, W) a row is a pixel.
    """
    if len(x.shape) == 4:
        return _by_rows_of_maps(function, x, row_bytes, part_bytes)
    rows = x.reshape((-1, x.shape[2]))
    cuts = spans(rows.shape[0], row_bytes, part_bytes)
    if len(cuts) == 1:
        return function(x)
    outs = ()
    for first, last in spans(len(cuts), 1, AT_A_TIME):
        outs = (*outs, *_some_rows(function, rows, cuts[first:last], outs[-1:]))
    return joined(outs).reshape((x.shape[0], x.shape[1], -1))


def _by_rows_of_maps(function: Map, x: Tensor, row_bytes: int, part_bytes: int) -> Tensor:
    """`by_rows` of maps, some of their rows at a time, of all pictures."""
    batch, channels, height, width = x.shape
    cuts = spans(height, batch * width * row_bytes, part_bytes)
    if len(cuts) == 1:
        return function(x)
    outs = ()
    for first, last in cuts:
        some = after(x, outs[-1]) if outs else x
        part = ops.Slice()(some, (0, 0, first, 0), (batch, channels, last - first, width))
        outs = (*outs, function(part))
    return joined(outs, 2)


def _some_rows(
    function: Map, rows: Tensor, cuts: Spans, before: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """function(rows [first, last)) for each of cuts, one after the other, after `before`."""
    outs = before
    for first, last in cuts:
        some = rows
        if outs:
            # Independent parts would run at once and hold all their results together.
            some = ops.depend(rows, outs[-1])
        outs = (*outs, function(ops.Slice()(some, (first, 0), (last - first, rows.shape[1]))))
    return outs[len(before) :]


@ops.constexpr
def spans(count: int, each_bytes: int, part_bytes: int) -> Spans:
    """`even_spans` while a graph is compiled."""
    return even_spans(count, each_bytes, part_bytes)


def even_spans(count: int, each_bytes: int, part_bytes: int) -> Spans:
    """Where each part of `count` things of so many bytes each begins and ends, in order."""
    size = even_size(count, each_bytes, part_bytes)
    return tuple((i, min(i + size, count)) for i in range(0, count, size))


def even_size(count: int, each_bytes: int, part_bytes: int) -> int:
    """How many of `count` things of so many bytes each make a part: one at least, parts even."""
    parts = -(-count // max(1, part_bytes // each_bytes))
    return -(-count // parts)


def after(x: Tree, other: Tensor | tuple[Tensor, ...]) -> Tree:
    """x, which nothing is made of before `other` is there."""
    return ops.depend(x, other)


def pictures(x: Tensor) -> tuple[Tensor, ...]:
    """Each of a batch by itself: (B, ...) -> B times (1, ...)."""
    if x.shape[0] == 1:
        return (x,)
    # Not x[i], which copies slowly, nor ops.split, which is traced slowly.
    return ops.Split(0, x.shape[0])(x)


def joined(parts: tuple[Tensor, ...], axis: int = 0) -> Tensor:
    """Concatenated, and one alone as it is."""
    if len(parts) == 1:
        return parts[0]
    return ops.Concat(axis)(parts)
