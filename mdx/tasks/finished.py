"""What was drawn, put back into what was given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdx import images
from mdx.tasks.asked import Task
from mdx.tasks.feather import cover
from mdx.tasks.pictures import Pixels, resized

__all__ = ["pasted"]


def pasted(task: Task, drawn: NDArray[np.float32], output: str) -> Any:
    """Pictures in which only what a mask is not black for was drawn: the others' pixels are exact.

    drawn: (B, H, W, 3) from 0 to 1, of the size of the run. Output is as `generate` has it.
    """
    found = [_one(task, i, one) for i, one in enumerate(drawn)]
    if output == "np":
        return np.stack(found)
    return [images.to_pil(one.transpose(2, 0, 1)[None], low=0.0)[0] for one in found]


def _one(task: Task, i: int, drawn: Pixels) -> Pixels:
    def own(some: Sequence[Any]) -> Any:
        return some[i] if len(some) > 1 else some[0]

    picture, mask = own(task.originals).copy(), own(task.whole_masks)
    covers = cover(mask, task.inpaint.feather)[..., None]
    if not task.regions:
        return _mixed(picture, drawn, covers)
    left, top, right, bottom = own(task.regions)
    there = slice(top, bottom), slice(left, right)
    part = resized(drawn, bottom - top, right - left)
    picture[there] = _mixed(picture[there], part, covers[there])
    return picture


def _mixed(below: Pixels, above: Pixels, covers: Pixels) -> Pixels:
    return np.where(covers > 0, (1 - covers) * below + covers * above, below)
