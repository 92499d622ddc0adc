"""Pictures and masks as a caller gives them, as pixels of the size that is drawn."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mdx.checks import array_of, check_fits, shown
from mdx.images import unit_array, unit_pixels

__all__ = ["Box", "Pictures", "Pixels", "cut", "fitted", "hard", "masks", "pictures", "resized"]

Pixels: TypeAlias = NDArray[np.float32]  # (H, W, 3), or (H, W) of a mask, from 0 to 1
# What a caller may give: a PIL image, a path, an array, or a list of them.
Picture: TypeAlias = Image.Image | str | os.PathLike[str] | NDArray[Any]
Pictures: TypeAlias = Picture | Sequence[Picture]
Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom

PICTURE = "a PIL image, the path of one, pixels (H, W, 3), or a list of them, one an image"
MASK = "a PIL image, the path of one, numbers (H, W) from 0 to 1, or a list of them, one an image"


def pictures(name: str, value: Any) -> list[Pixels]:
    """Pictures (H, W, 3) from 0 to 1, of any sizes; TypeError, ValueError or OSError by name."""
    return _listed(name, value, _picture)


def masks(name: str, value: Any) -> list[Pixels]:
    """Masks (H, W) from 0 to 1, of any sizes; TypeError, ValueError or OSError by name."""
    return _listed(name, value, _mask)


def _listed(name: str, value: Any, read: Callable[[str, Any], list[Pixels]]) -> list[Pixels]:
    if type(value) not in (list, tuple):
        return read(name, value)
    if not value:
        raise ValueError(f"{name} is an empty list: give at least one")
    found = []
    for i, one in enumerate(value):
        each = read(f"{name} {i}", one)
        if len(each) > 1:
            raise ValueError(f"{name} {i} is {len(each)} pictures: a list has one for each image")
        found.extend(each)
    return found


def _picture(name: str, value: Any) -> list[Pixels]:
    if isinstance(value, (str, os.PathLike, Image.Image)):
        return [unit_pixels(name, _opened(name, value))]
    array = _numbers(name, value, PICTURE)
    if array.ndim not in (3, 4) or array.shape[-1] != 3 or not array.size:
        raise ValueError(
            f"{name}: pixels must have the shape (H, W, 3), or (B, H, W, 3), not {array.shape}"
        )
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise TypeError(f"{name}: pixels must be floats from 0 to 1 or uint8, not {array.dtype}")
    unit = unit_array(name, array)
    return [unit] if unit.ndim == 3 else list(unit)


def _mask(name: str, value: Any) -> list[Pixels]:
    if isinstance(value, (str, os.PathLike, Image.Image)):
        return [unit_pixels(name, _opened(name, value), grey=True)]
    array = _numbers(name, value, MASK)
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(f"{name} must have the shape (H, W), or (B, H, W), not {array.shape}")
    if array.dtype != np.uint8 and array.dtype.kind not in "fb":
        raise TypeError(f"{name} must be floats from 0 to 1, bool or uint8, not {array.dtype}")
    unit = unit_array(name, array.astype(np.float32) if array.dtype.kind == "b" else array)
    return [unit] if unit.ndim == 2 else list(unit)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for any file
        return False


def _opened(name: str, value: Any) -> Image.Image:
    """The picture, opened if it is a path; its pixels are not read yet."""
    if isinstance(value, Image.Image):
        return value
    path = Path(os.fsdecode(value))
    try:
        if not _is_there(path):
            raise FileNotFoundError(f"{name}: there is no file {shown(str(path))}")
        return Image.open(path)
    except UnidentifiedImageError:
        raise ValueError(f"{name}: {shown(str(path))} is no picture that PIL reads") from None
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{name}: {shown(str(path))} is larger than PIL opens ({error}); if it is yours, raise "
            "PIL.Image.MAX_IMAGE_PIXELS"
        ) from None
    except (SyntaxError, ValueError, EOFError) as error:
        raise ValueError(f"{name}: {shown(str(path))} cannot be read: {error}") from None


def _numbers(name: str, value: Any, wanted: str) -> NDArray[Any]:
    if not (isinstance(value, np.ndarray) or hasattr(value, "asnumpy")):
        raise TypeError(f"{name} must be {wanted}, not {shown(value)}")
    return array_of(name, value)


def hard(mask: Pixels) -> bool:
    """Whether a mask has nothing between black and white."""
    return bool(np.all((mask == 0) | (mask == 1)))


def fitted(pixels: Pixels, height: int, width: int) -> Pixels:
    """Scaled to cover a size, and cut to it at the centre; a hard mask stays hard."""
    tall, wide = pixels.shape[:2]
    scale = max(height / tall, width / wide)
    if scale == 1:
        top, left = (tall - height) // 2, (wide - width) // 2
        return pixels[top : top + height, left : left + width]
    h, w = height / scale, width / scale
    left, top = (wide - w) / 2, (tall - h) / 2
    return resized(pixels, height, width, (left, top, left + w, top + h))


def cut(pixels: Pixels, box: tuple[int, int, int, int], height: int, width: int) -> Pixels:
    """The part in a box, scaled to a size whatever its sides are to each other."""
    left, top, right, bottom = box
    return resized(pixels[top:bottom, left:right], height, width)


def resized(pixels: Pixels, height: int, width: int, box: Box | None = None) -> Pixels:
    """A picture, or the part of it in a box, at another size, by Lanczos' filter with three lobes.

    A mask goes by the nearest pixel where it is hard, and linearly where it is not.
    """
    if pixels.shape[:2] == (height, width) and box is None:
        return pixels
    check_fits("height and width", 4 * height * width * pixels[0, 0].size)
    kind = Image.Resampling.LANCZOS
    if pixels.ndim == 2:
        kind = Image.Resampling.NEAREST if hard(pixels) else Image.Resampling.BILINEAR
    planes = [pixels] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    try:
        found = [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(one)).resize((width, height), kind, box)
            )
            for one in planes
        ]
    except MemoryError:
        raise MemoryError(f"no memory for a picture of height {height} and width {width}") from None
    made = found[0] if pixels.ndim == 2 else np.stack(found, axis=-1)
    return np.clip(made, 0, 1)


def sizes_of(pixels: Sequence[Pixels]) -> list[tuple[int, int]]:
    """The different sizes of pictures, width first, as PIL says them."""
    return sorted({(one.shape[1], one.shape[0]) for one in pixels})
