"""Sizes that a model was told of the pictures that it learned from: micro-conditioning."""

from typing import Any, NamedTuple

from mdx.checks import finite, shown, whole

__all__ = ["Sizes", "checked"]


class Sizes(NamedTuple):
    """What a picture is to look as if it had been: SDXL, arXiv 2307.01952, section 2.2.

    None of a field is the size of the picture that is drawn, or the family's usual number.
    """

    original: tuple[int, int] | None = None  # height and width in pixels before it was scaled
    crop: tuple[int, int] = (0, 0)  # pixels that were cut off at its top and at its left
    target: tuple[int, int] | None = None  # height and width in pixels that it was scaled to
    aesthetic: float | None = None  # its score from 1 to 10, where the model reads one


def checked(sizes: Any) -> Sizes:
    """The record itself; TypeError or ValueError that names the field that is no size."""
    if not isinstance(sizes, Sizes):
        raise TypeError(f"sizes must be a mdx.Sizes or None, not {shown(sizes)}")
    pairs = {
        name: _pair(f"sizes.{name}", value, 0 if name == "crop" else 1)
        for name, value in sizes._asdict().items()
        if name != "aesthetic" and value is not None
    }
    if sizes.crop is None:
        raise TypeError("sizes.crop must be two whole numbers, not None")
    score = sizes.aesthetic
    score = None if score is None else finite("sizes.aesthetic", score)
    return sizes._replace(**pairs, aesthetic=score)


def _pair(name: str, value: Any, least: int) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} must be two whole numbers, not {shown(value)}")
    first, second = (whole(name, side, least, 2**20) for side in value)
    return first, second
