"""Masks as they are asked for: which pixels are drawn anew, and in which part of a picture."""

from typing import Any, NamedTuple

import numpy as np

from mdx.checks import one_of, shown, whole
from mdx.tasks.pictures import Pixels, masks

__all__ = ["FILLS", "METHODS", "Inpaint", "Region", "check_drawn", "checked", "masks_of", "region"]

FILLS = ("original", "blur", "noise")
METHODS = ("x0", "steps")


class Inpaint(NamedTuple):
    """How a picture is inpainted, beside its mask.

    feather: pixels inside the mask's edge over which what is drawn fades into what was there.
    only_masked: a part around the mask, with so many pixels of padding, is drawn by itself at the
    size of the run, and put back: small things in large pictures. None draws the whole picture.
    fill: what is under the noise where it is drawn, at a strength below 1: the "original", its
    surroundings in a "blur", or "noise" alone.
    method: how a network keeps what is not drawn. "x0": what it says of the kept part is replaced
    by what is there, see `inpainting.keeping`; "steps": the kept part is put back after every step,
    as diffusers does, see `inpainting.replacing`. None: "x0", but for hard masks and networks that
    were taught to read a mask, which are left to it.
    """

    feather: int = 0
    only_masked: int | None = None
    fill: str = "original"
    method: str | None = None


class Region(NamedTuple):
    """The part of a picture that is drawn by itself, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def checked(inpaint: Any) -> Inpaint:
    """The record, the usual one for None; TypeError or ValueError by the field's name."""
    if inpaint is None:
        return Inpaint()
    if not isinstance(inpaint, Inpaint):
        raise TypeError(f"inpaint must be a mdx.Inpaint or None, not {shown(inpaint)}")
    whole("inpaint.feather", inpaint.feather, 0, 4096)
    if inpaint.only_masked is not None:
        whole("inpaint.only_masked", inpaint.only_masked, 0, 2**20)
    one_of("inpaint.fill", inpaint.fill, FILLS)
    if inpaint.method is not None:
        one_of("inpaint.method", inpaint.method, METHODS)
    return inpaint


def masks_of(value: Any, pixels: list[Pixels]) -> list[Pixels]:
    """The masks, of the sizes of the pictures that they are of, one for all or one each.

    TypeError, ValueError or OSError by name for what is none.
    """
    found = masks("mask", value)
    if len(found) > 1 and len(pixels) > 1 and len(found) != len(pixels):
        raise ValueError(f"{len(found)} masks for {len(pixels)} pictures: give one, or one each")
    for i in range(max(len(found), len(pixels))):
        picture, mask = (some[i] if len(some) > 1 else some[0] for some in (pixels, found))
        if picture.shape[:2] != mask.shape:
            raise ValueError(
                f"mask must have the size of image, {picture.shape[1]} by {picture.shape[0]} "
                f"pixels, not {mask.shape[1]} by {mask.shape[0]}: scale it first"
            )
    check_drawn(found)
    return found


def check_drawn(found: list[Pixels]) -> None:
    """ValueError for a mask that is black all over."""
    for mask in found:
        if not mask.any():
            raise ValueError(
                "mask is black everywhere that is drawn, so that nothing is: white is drawn anew"
            )


def region(mask: Pixels, padding: int, size: tuple[int, int]) -> Region:
    """Around what is drawn, with padding, and with the sides of `size` where there is room.

    `size` is the height and the width that it is drawn at.
    """
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    tall, wide = mask.shape
    spans = [
        (max(0, int(rows[0]) - padding), min(tall, int(rows[-1]) + 1 + padding)),
        (max(0, int(columns[0]) - padding), min(wide, int(columns[-1]) + 1 + padding)),
    ]
    height, width = (end - begin for begin, end in spans)
    shape = size[0] / size[1]
    wanted = (max(height, round(width * shape)), max(width, round(height / shape)))
    (top, bottom), (left, right) = (
        _grown(span, side, most)
        for span, side, most in zip(spans, wanted, (tall, wide), strict=True)
    )
    return Region(left, top, right, bottom)


def _grown(span: tuple[int, int], side: int, most: int) -> tuple[int, int]:
    """The span made as long as `side`, around its middle where the picture has room."""
    side = min(side, most)
    begin = (span[0] + span[1] - side) // 2
    begin = min(max(begin, 0), most - side)
    return begin, begin + side
