"""What scripts import from the pipelines' utils."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageOps

import mdx
from mdx.checks import shown

__all__ = ["load_image", "make_image_grid"]


def make_image_grid(
    images: Sequence[Image.Image], rows: int, cols: int, resize: int | None = None
) -> Image.Image:
    """Lay pictures out in rows, by `mdx.grid`.

    Args:
        images: rows * cols PIL images of one size.
        rows, cols: of the sheet.
        resize: the side of each picture, which becomes a square; None as they are.

    Returns:
        An RGB image.

    Raises:
        ValueError, TypeError: for another number of pictures, and sizes that differ.
    """
    if resize is not None:
        images = [image.resize((resize, resize)) for image in images]
    return mdx.grid(images, rows, cols)


def load_image(
    image: str | os.PathLike[str] | Image.Image,
    convert_method: Callable[[Image.Image], Image.Image] | None = None,
) -> Image.Image:
    """A picture of a file, upright and in RGB.

    Args:
        image: its path, or a PIL image.
        convert_method: what is made of it in the place of RGB.

    Returns:
        The picture.

    Raises:
        ValueError: for an address: what it has is to be fetched first.
        OSError: for no file, or none that is a picture.
    """
    if isinstance(image, str) and image.startswith(("http://", "https://")):
        raise ValueError(f"load_image reads files: fetch {shown(image)} first, and give its path")
    if not isinstance(image, Image.Image):
        image = Image.open(Path(image))
    upright = ImageOps.exif_transpose(image) or image
    return upright.convert("RGB") if convert_method is None else convert_method(upright)
