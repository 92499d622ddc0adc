"""Pictures to arrays and back, pictures to a grid, and the settings that a PNG carries."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin

from mdx import png_text
from mdx.checks import array_of, check_fits, shown, whole
from mdx.files import replacing

__all__ = ["grid", "read_settings", "read_text", "save_png", "to_array", "to_pil"]

KEYWORD = "mdx"  # of the PNG text chunk that holds the settings
PARAMETERS = "parameters"  # of the one that holds them in A1111's form

EIGHT_BITS = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")  # PIL knows their RGB
ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")  # grey, of several byte orders


def to_array(images: Any) -> NDArray[np.float32]:
    """Turn pictures into pixels (B, H, W, 3) from 0, black, to 1, red, green and blue.

    Args:
        images: a PIL image, a list of them of one size, or an array (B, H, W, 3): floats from 0 to
            1, which stay as they are, or uint8 from 0 to 255. Of a PIL image the mode says what
            its numbers mean: 8 bits a channel, 16 bits of grey, a palette, CMYK and so on; colour
            profiles are not applied. One whose EXIF says that the camera was turned is turned
            upright, as viewers show it.

    Raises:
        TypeError: for anything else, arrays of other integers included.
        MemoryError: for more pixels than the machine has memory for.
        ValueError: for pictures of several sizes, or that are transparent anywhere, for the modes
            "I" and "F", which do not say what white is, for a file that cannot be read, and for
            numbers beyond 0 and 1.
    """
    if isinstance(images, Image.Image):
        images = [images]
    if isinstance(images, (list, tuple)):
        if not images or not all(isinstance(image, Image.Image) for image in images):
            raise TypeError(f"{WANTED}, not {shown(images)}")
        unit = [unit_pixels("images", image) for image in images]
        sizes = sorted({(array.shape[1], array.shape[0]) for array in unit})
        if len(sizes) > 1:
            raise ValueError(f"images: the pictures must have one size, not {sizes}")
        return np.stack(unit)
    pixels = array_of("images", images)
    if pixels.ndim != 4 or pixels.shape[-1] != 3 or not pixels.size:
        raise ValueError(f"images: pixels must have the shape (B, H, W, 3), not {pixels.shape}")
    if pixels.dtype != np.uint8 and pixels.dtype.kind != "f":
        raise TypeError(f"{WANTED}, not {pixels.dtype}")
    return unit_array("images", pixels)


WANTED = (
    "images must be a PIL image, a list of them, or pixels (B, H, W, 3), floats from 0 to 1 or "
    "uint8 from 0 to 255"
)


def unit_array(name: str, pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers of a picture from 0 to 1, as float32; uint8 are from 0 to 255.

    ValueError by `name` for others, MemoryError for more than the machine has memory for.
    """
    check_fits(name, 4 * pixels.size)
    if pixels.dtype == np.uint8:
        return np.divide(pixels, 255, dtype=np.float32)
    if not (pixels.min() >= 0 and pixels.max() <= 1):  # NaN is neither
        raise ValueError(f"{name}: pixels must be numbers from 0, black, to 1, or uint8 to 255")
    return np.asarray(pixels, np.float32)


def unit_pixels(name: str, image: Image.Image, *, grey: bool = False) -> NDArray[np.float32]:
    """Pixels (H, W, 3) of a picture from 0 to 1, upright; or (H, W), how light they are.

    ValueError by `name` for a picture that is refused, see `to_array`; MemoryError for more pixels
    than the machine has memory for.
    """
    return _upright(_unit(name, image, grey), _orientation(image))


def _unit(name: str, image: Image.Image, grey: bool = False) -> NDArray[np.float32]:
    """Pixels of a picture from 0 to 1, as they are stored."""
    check_fits(name, 12 * image.width * image.height)
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise ValueError(f"{name}: {shown(image)} cannot be read: {error}") from None
    if 0 in image.size:
        raise ValueError(f"{name}: a picture of {image.width} by {image.height} pixels is empty")
    if image.mode in SIXTEEN_BITS:
        values, nothing = np.asarray(image), image.info.get("transparency")
        if isinstance(nothing, int) and np.any(values == nothing):
            raise ValueError(f"{name}: {TRANSPARENT}")
        unit = (values / 65535).astype(np.float32)
        return unit if grey else np.repeat(unit[..., None], 3, axis=-1)
    if image.mode in EIGHT_BITS + ALPHA:
        opaque = _opaque(name, image).convert("L" if grey else "RGB")
        return np.divide(np.asarray(opaque), 255, dtype=np.float32)
    shape = "(H, W)" if grey else "(B, H, W, 3)"
    raise ValueError(
        f"{name}: a picture of mode {image.mode!r} does not say which number is white: give "
        f"pixels {shape} from 0 to 1, or image.convert('L') if 255 is"
    )


def _upright(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Pixels (H, W, ...), or (W, H, ...), as they are seen. Exif 2.3, tag Orientation."""
    if orientation in (5, 6, 7, 8):  # the camera stood on its side
        pixels = pixels.swapaxes(0, 1)
    mirrored, upside_down = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    return pixels[:: -1 if upside_down else 1, :: -1 if mirrored else 1]


def _orientation(image: Image.Image) -> int:
    """How the camera was held: 1, upright, to 8."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, EOFError, struct.error):
        return 1  # viewers ignore what they cannot read, too


def _opaque(name: str, image: Image.Image) -> Image.Image:
    """The picture in a mode without alpha. ValueError if anything of it is transparent."""
    if image.mode == "La":
        image = image.convert("LA")  # where alpha is 255 it has the same numbers
    # A file may name a colour, or some of its palette, that is transparent.
    named = image.mode in ("1", "L", "RGB") and "transparency" in image.info
    if named or image.mode in ("P", *ALPHA):
        image = image.convert("RGBA")
        if np.asarray(image)[..., 3].min() < 255:
            raise ValueError(f"{name}: {TRANSPARENT}")
    return image


TRANSPARENT = (
    "a picture is transparent in parts, and what is behind is not known: composite it on a "
    'background first, as Image.alpha_composite(Image.new("RGBA", image.size, "white"), '
    'image.convert("RGBA"))'
)


def to_pil(pixels: np.ndarray, *, low: float = -1.0) -> list[Image.Image]:
    """Turn pixels (B, 3, H, W) of any float dtype into B pictures of 8 bits a channel.

    `low` is black and 1 is white; values beyond are clipped. Raises ValueError for another shape
    or for values that are not finite.
    """
    pixels = np.asarray(pixels, np.float32)
    if pixels.ndim != 4 or pixels.shape[1] != 3:
        raise ValueError(f"pixels must have the shape (B, 3, H, W), not {pixels.shape}")
    if not np.isfinite(pixels).all():
        raise ValueError(
            "the pixels hold NaN or infinity; if the model runs in float16, "
            'load it with dtype="float32"'
        )
    unit = np.clip((pixels - low) / (1.0 - low), 0.0, 1.0)
    channels_last = np.rint(unit * 255.0).astype(np.uint8).transpose(0, 2, 3, 1)
    return [Image.fromarray(np.ascontiguousarray(image)) for image in channels_last]


def grid(images: Sequence[Image.Image], rows: int, cols: int) -> Image.Image:
    """Lay pictures out in rows, left to right and then down.

    Args:
        images: rows * cols PIL images of one size.
        rows, cols: of the sheet, 1 or more.

    Returns:
        An RGB image of cols times the width and rows times the height.

    Raises:
        ValueError: for another number of pictures, for sizes that differ, and for modes that
            `to_array` refuses.
        TypeError: for what is no list of PIL images.
    """
    rows, cols = whole("rows", rows, 0), whole("cols", cols, 0)
    if not isinstance(images, (list, tuple)) or not all(isinstance(i, Image.Image) for i in images):
        raise TypeError(f"images must be a list of PIL images, not {shown(images)}")
    if not rows * cols or len(images) != rows * cols:
        raise ValueError(
            f"a grid of {rows} by {cols} needs {rows * cols} images (and at least one), "
            f"not {len(images)}"
        )
    sizes = sorted({image.size for image in images})
    if len(sizes) > 1:
        raise ValueError(f"the images of a grid must have one size, not {sizes}")
    width, height = sizes[0]
    sheet = Image.new("RGB", (cols * width, rows * height))
    for i, image in enumerate(images):
        if image.mode != "RGB":
            image = Image.fromarray(np.rint(_unit("images", image) * 255).astype(np.uint8))
        sheet.paste(image, (i % cols * width, i // cols * height))
    return sheet


def save_png(
    image: Image.Image,
    path: str | Path,
    settings: Mapping[str, Any] | None,
    parameters: str | None = None,
) -> None:
    """Write a PNG that carries `settings` as JSON in a text chunk, if any, whole or not at all.

    `parameters` is the same in A1111's form, for other programs.

    The same picture and settings give the same bytes. Raises OSError if it cannot be written.
    """
    text = PngImagePlugin.PngInfo()
    # ASCII JSON, since this kind of chunk is Latin-1.
    if settings is not None:
        text.add_text(KEYWORD, json.dumps(settings, sort_keys=True))
    if parameters is not None:
        text.add_text(PARAMETERS, parameters)
    with replacing(path) as part:
        image.save(part, format="PNG", pnginfo=text)


def read_text(path: str | Path, keyword: str) -> str | None:
    """The text that a PNG carries under a keyword; None if there is none.

    The pixels are not read. Raises FileNotFoundError, or ValueError for a file that is no PNG.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"the picture {path} does not exist")
    if not path.is_file():
        raise ValueError(f"{path} is no file; give a PNG that mdx wrote")
    try:
        return png_text.read(path, keyword)
    except ValueError as error:
        raise ValueError(f"{path} is not a readable PNG: {error}") from None


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read back what `save_png` stored.

    The pixels are not read. Raises FileNotFoundError, or ValueError for a file that is no PNG, or
    carries no settings, or none that can be read.
    """
    text = read_text(path, KEYWORD)
    if text is None:
        raise ValueError(
            f"{path} carries no mdx settings; they are lost when another program saves the picture"
        )
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: its mdx settings are no JSON: {error}") from None
    if not isinstance(settings, dict):
        raise ValueError(f"{path}: its mdx settings are no JSON object")
    return settings
