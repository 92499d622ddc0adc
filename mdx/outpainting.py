"""A picture with room around it, and the mask that has the room drawn."""

from typing import Any

import numpy as np
from PIL import Image

from mdx import images
from mdx.checks import check_fits, entries, shown, whole
from mdx.tasks.filling import filled
from mdx.tasks.pictures import pictures

__all__ = ["outpaint"]


def outpaint(image: Any, margins: Any) -> tuple[Image.Image, Image.Image]:
    """A picture with margins, and the mask of them: what `generate` takes as `image` and `mask`.

    The margins have the colours beside them, smoothed, until they are drawn; at strength 1 nothing
    of that is left.

    Args:
        image: a PIL image, the path of one, or pixels (H, W, 3) in [0, 1].
        margins: pixels at the left, at the top, at the right and at the bottom, or one number for
            all sides. What is drawn has sides that are multiples of the VAE's factor: others than
            those are cut off at the outside.

    Returns:
        The picture, and a mask of its size, white in the margins, both of 8 bits a channel.

    Raises:
        TypeError, ValueError, OSError: for what is no picture, and for margins that are none.
        MemoryError: for more pixels than the machine has memory for.
    """
    found = pictures("image", image)
    if len(found) != 1:
        raise ValueError(f"image must be one picture, not {len(found)}")
    [pixels] = found
    listed = entries(margins)
    if listed is not None and len(listed) != 4:
        raise ValueError(f"margins are left, top, right and bottom, not {shown(margins)}")
    each = [margins] * 4 if listed is None else listed
    left, top, right, bottom = (whole("margins", one, 0, 2**20) for one in each)
    if not left + top + right + bottom:
        raise ValueError("margins are 0 on all sides: nothing would be drawn")
    sides = pixels.shape[0] + top + bottom, pixels.shape[1] + left + right
    check_fits("margins", 40 * sides[0] * sides[1])
    around = ((top, bottom), (left, right))
    hole = np.pad(np.zeros(pixels.shape[:2], bool), around, constant_values=True)
    canvas = filled(np.pad(pixels, (*around, (0, 0))), hole)
    [picture] = images.to_pil(canvas.transpose(2, 0, 1)[None], low=0.0)
    return picture, Image.fromarray(np.uint8(hole) * 255)
