"""The work of `mdx info`: what a file says of itself, by what kind of file it is."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mdx import file_info, images, infotext
from mdx.checks import shown
from mdx.png_text import SIGNATURE
from mdx.terminal import say

__all__ = ["Kind", "info"]


class Kind(NamedTuple):
    """A kind of file, and what is said of one."""

    words: str  # "a PNG"
    fits: Callable[[Path, bytes], bool]  # of its name, and of the bytes that it begins with
    facts: Callable[[Path], dict[str, dict[str, Any]]]  # by a word of TITLES; as JSON has them


# What stands over each of the facts, in words.
TITLES = {
    "mdx": "settings of mdx",
    "parameters": "parameters as A1111 writes them",
    "file": "a file of weights",
    "hash": "the hash of all of it",
}

LONGEST = 300  # characters of a value that is printed, but as JSON


def info(options: argparse.Namespace) -> None:
    """Print what a file holds. Raises ValueError or OSError for one of which nothing is known."""
    path: Path = options.file
    if not path.is_file():
        there = "is no file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{shown(str(path))} {there}")
    with path.open("rb") as file:
        begin = file.read(16)
    kind = next((one for one in KINDS if one.fits(path, begin)), None)
    if kind is None:
        known = ", or ".join(one.words for one in KINDS)
        raise ValueError(f"{shown(str(path))} is not {known}")
    found = kind.facts(path)
    if options.hash:
        found["hash"] = file_info.hashes(path)
    if options.json:
        say(json.dumps(found))
        return
    for heading, content in found.items():
        say(f"{path}: {TITLES[heading]}")
        width = max(map(len, content), default=0)
        for key, value in content.items():
            text = value if isinstance(value, str) else json.dumps(value)
            cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
            say(f"  {key:<{width}}  {cut if heading == 'file' else text}")


def picture(path: Path) -> dict[str, dict[str, Any]]:
    """The settings of a PNG. ValueError for one that carries none."""
    own = images.read_text(path, images.KEYWORD)
    if own is not None:
        return {"mdx": images.read_settings(path)}
    text = images.read_text(path, images.PARAMETERS)
    if text is None:
        images.read_settings(path)  # says that it carries none
        return {}
    found = infotext.read(text)
    negative = {"Negative prompt": found.negative} if found.negative else {}
    said = {"Prompt": found.prompt, **negative, **found.pairs}
    return {"parameters": said}


def weights(path: Path) -> dict[str, dict[str, Any]]:
    """What a file of weights is and holds, by its header. ValueError for one that is damaged."""
    return {"file": file_info.facts(file_info.info(path))}


KINDS = (
    Kind("a PNG", lambda _, begin: begin.startswith(SIGNATURE), picture),
    Kind("a .safetensors file", lambda path, _: path.suffix.lower() == ".safetensors", weights),
)
