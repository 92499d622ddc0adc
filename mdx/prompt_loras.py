"""LoRAs that a prompt names, as AUTOMATIC1111's webui writes them: <lora:name:0.8>.

The first number is of text encoders and network, unless a second one is of the network alone; they
may have names, as in <lora:name:te=0.5:unet=1>.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple

from mdx.checks import shown

__all__ = ["Tag", "file_of", "parted"]

TAG = re.compile(r"<lora:([^<>:]*)((?::[^<>:]*)*)>", re.IGNORECASE)
NAMES = ("te", "unet")  # of the numbers, in their order
LONGEST = 250  # characters of a name


class Tag(NamedTuple):
    """One LoRA that a prompt names."""

    name: str  # of its file, without the ending
    text: float  # strength in the text encoders
    network: float  # strength in the network that denoises


def parted(prompt: str) -> tuple[str, tuple[Tag, ...]]:
    """A prompt without its tags, and what they say; ValueError for one that says something else."""
    tags = tuple(_tag(found[0], found[1], found[2]) for found in TAG.finditer(prompt))
    return TAG.sub("", prompt) if tags else prompt, tags


def _tag(whole: str, name: str, numbers: str) -> Tag:
    found: dict[str, float] = {}
    for place, part in enumerate(numbers.split(":")[1:]):
        key, equals, value = part.partition("=")
        key = key.strip() if equals else NAMES[place] if place < len(NAMES) else ""
        try:
            number = float(value if equals else part)
        except ValueError:
            number = math.nan
        if key not in NAMES or key in found or not math.isfinite(number):
            raise ValueError(
                f"prompt: {shown(whole)} must be <lora:NAME>, <lora:NAME:STRENGTH> or "
                "<lora:NAME:te=STRENGTH:unet=STRENGTH>"
            )
        found[key] = number
    text = found.get("te", 1.0)
    return Tag(name.strip(), text, found.get("unet", text))


def file_of(tag: Tag, folder: str) -> Path:
    """The file in a folder that a tag means: by its name alone, and never beyond the folder.

    ValueError for a name that is none of a file, FileNotFoundError where there is no such file.
    """
    bare = 0 < len(tag.name) <= LONGEST and tag.name.isprintable() and tag.name not in (".", "..")
    if not bare or set(tag.name) & set("/\\"):
        raise ValueError(f"prompt: {shown(tag.name)} is no bare name of a file in {shown(folder)}")
    path = Path(folder) / f"{tag.name}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"prompt names the LoRA {shown(tag.name)}, and there is no {path}")
    return path
