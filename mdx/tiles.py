"""A large picture made in tiles that overlap and blend.

A tile's norms see that tile alone, so the picture is not quite the one that is made whole; the
overlap keeps tiles from having visible edges.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["blended", "starts"]

# Of a tile's side, shared with each neighbour at least.
OVERLAP = 0.25


def starts(length: int, tile: int) -> list[int]:
    """Where the tiles of one side begin: the first at 0, the last at its end, evenly spaced."""
    if length <= tile:
        return [0]
    step = tile - int(np.ceil(tile * OVERLAP))
    count = 1 + -(-(length - tile) // step)
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def blended(
    enlarge: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    maps: NDArray[np.float32],
    tile: int,
    factor: int,
) -> NDArray[np.float32]:
    """Maps (1, C, h, w) to pixels (1, 3, h * factor, w * factor), `tile` by `tile` at a time.

    `enlarge` does it for maps of at most that size. Where tiles overlap, pixels are their mean with
    weights that rise from a tile's edge.
    """
    height, width = maps.shape[2:]
    total = np.zeros((1, 3, height * factor, width * factor), np.float32)
    weights = np.zeros(total.shape[2:], np.float32)
    for top in starts(height, tile):
        for left in starts(width, tile):
            some = maps[:, :, top : top + tile, left : left + tile]
            window = np.outer(*(_rise(factor * side, factor * tile) for side in some.shape[2:]))
            rows = slice(top * factor, (top + some.shape[2]) * factor)
            columns = slice(left * factor, (left + some.shape[3]) * factor)
            total[:, :, rows, columns] += enlarge(np.ascontiguousarray(some)) * window
            weights[rows, columns] += window
    return total / weights


def _rise(length, tile):
    """(length,) float32: 1 in the middle of a tile, falling to nearly 0 over its overlaps."""
    from_edge = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.minimum(from_edge / (tile * OVERLAP), 1).astype(np.float32)
