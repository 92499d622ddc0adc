"""What lies under a mask before it is drawn: the colours around it, smoothed into it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mdx.tasks.pictures import Pixels

__all__ = ["filled"]


def filled(pixels: Pixels, hole: NDArray[np.bool_]) -> Pixels:
    """A picture (H, W, 3) whose pixels in a hole (H, W) come from those around it.

    Averages of what is known at ever coarser scales, and back: the push-pull of Gortler and others,
    "The lumigraph", SIGGRAPH 1996. A picture that is all hole is grey.
    """
    if hole.all():
        return np.full_like(pixels, 0.5)
    known = (~hole).astype(np.float32)
    return _level(pixels * known[..., None], known)


def _level(colour: Pixels, weight: Pixels) -> Pixels:
    """Colours (h, w, 3) of sums and of how many pixels they are, with gaps filled from coarser."""
    mean = colour / np.maximum(weight, 1e-12)[..., None]
    if weight.min() > 0:
        return mean.astype(np.float32)
    coarse = _level(_halved(colour), _halved(weight))
    tall, wide = 2 * coarse.shape[0], 2 * coarse.shape[1]
    size, kind = (wide, tall), Image.Resampling.BILINEAR
    planes = np.moveaxis(coarse, -1, 0)
    smooth = [np.asarray(Image.fromarray(one.copy()).resize(size, kind)) for one in planes]
    height, width = weight.shape
    around = np.stack(smooth, axis=-1)[:height, :width]
    return np.where(weight[..., None] > 0, mean, around).astype(np.float32)


def _halved(array: NDArray[Any]) -> NDArray[Any]:
    """Sums of two by two; an odd side gets a row of nothing."""
    more = [(0, side % 2) for side in array.shape[:2]] + [(0, 0)] * (array.ndim - 2)
    even = np.pad(array, more)
    height, width = even.shape[0] // 2, even.shape[1] // 2
    return even.reshape(height, 2, width, 2, *even.shape[2:]).sum(axis=(1, 3))
