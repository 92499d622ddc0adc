"""Arrays to pictures, pictures to a grid, and the settings that a PNG carries."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from mdx import png_text
from mdx.files import replacing

__all__ = ["grid", "read_settings", "save_png", "to_pil"]

KEYWORD = "mdx"  # of the PNG text chunk that holds the settings


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
    """Lay pictures of one size out in rows, left to right and then down.

    Raises ValueError unless there are exactly rows * cols of them, all of one size.
    """
    if rows < 1 or cols < 1 or len(images) != rows * cols:
        raise ValueError(
            f"a grid of {rows} by {cols} needs {max(rows, 0) * max(cols, 0)} images "
            f"(and at least one), not {len(images)}"
        )
    sizes = sorted({image.size for image in images})
    if len(sizes) > 1:
        raise ValueError(f"the images of a grid must have one size, not {sizes}")
    width, height = sizes[0]
    sheet = Image.new("RGB", (cols * width, rows * height))
    for i, image in enumerate(images):
        sheet.paste(image, (i % cols * width, i // cols * height))
    return sheet


def save_png(image: Image.Image, path: str | Path, settings: Mapping[str, Any]) -> None:
    """Write a PNG that carries `settings` as JSON in a text chunk, whole or not at all.

    The same picture and settings give the same bytes. Raises OSError if it cannot be written.
    """
    text = PngImagePlugin.PngInfo()
    # ASCII JSON, since this kind of chunk is Latin-1.
    text.add_text(KEYWORD, json.dumps(settings, sort_keys=True))
    with replacing(path) as part:
        image.save(part, format="PNG", pnginfo=text)


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read back what `save_png` stored.

    The pixels are not read. Raises FileNotFoundError, or ValueError for a file that is no PNG, or
    carries no settings, or none that can be read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_file():
        raise ValueError(f"{path} is no file; give a PNG that mdx wrote")
    try:
        text = png_text.read(path, KEYWORD)
    except ValueError as error:
        raise ValueError(f"{path} is not a readable PNG: {error}") from None
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
