"""How strongly what was drawn covers what was there, pixel by pixel."""

import numpy as np

from mdx.tasks.pictures import Pixels

__all__ = ["cover"]


def cover(mask: Pixels, feather: int) -> Pixels:
    """From 0, where the mask is black, to 1; `feather` pixels inside its edge it is on the way.

    The mask shrinks by so many pixels and is averaged over as many to each side: a square that
    reaches beyond what is left of it stays within the mask. The picture's border is no edge.
    """
    drawn = (mask > 0).astype(np.float32)
    if not feather:
        return drawn
    for axis in (0, 1):
        drawn = _windows(drawn, feather, axis).min(axis=-1)
    for axis in (0, 1):
        drawn = _windows(drawn, feather, axis).mean(axis=-1, dtype=np.float64)
    return drawn.astype(np.float32)


def _windows(array: Pixels, reach: int, axis: int) -> Pixels:
    """Of each place the values within a reach along an axis; beyond the end is what is at it."""
    around = [(reach, reach) if one == axis else (0, 0) for one in (0, 1)]
    padded = np.pad(array, around, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis)
