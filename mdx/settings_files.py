"""Files that a picture was made of, as settings have them: what they are, not where they lie."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mdx.checks import shown
from mdx.settings_kinds import NAME, SCALE, Kind

__all__ = ["File", "Given", "again_of", "file", "read"]

BLOCK = 2**20  # bytes that are hashed at once


class Given(NamedTuple):
    """A file as the command line names it."""

    path: str
    scale: float | None = None  # None where nothing was said of it


class File(NamedTuple):
    """A file as settings have it."""

    name: str  # without its folder, which is the user's own business
    sha256: str  # of its bytes, in hexadecimal digits
    scale: float | None = None  # how much of it; None for what has no scale


def file(*, scaled: bool = False, used: Callable[[str], Any] | None = None) -> Kind:
    """A file, with a scale where it is `scaled`; `used` makes of its path what `generate` takes.

    JSON has it as {"name": ..., "sha256": ...} and, where it is scaled, "scale"; the command line
    as FILE, or FILE:SCALE.
    """

    def fits(entry: Any) -> bool:
        if not isinstance(entry, (dict, File)):
            return False
        given = entry if isinstance(entry, dict) else json(entry)
        if given.keys() != {"name", "sha256"} | ({"scale"} if scaled else set()):
            return False
        digits = given["sha256"]
        return (
            NAME.fits(given["name"])
            and not set(given["name"]) & set("/\\")
            and isinstance(digits, str)
            and re.fullmatch("[0-9a-f]{64}", digits) is not None
            and (not scaled or SCALE.fits(given["scale"]))
        )

    def made(entry: Any) -> File:
        return entry if isinstance(entry, File) else File(**entry)

    def kept(given: Given) -> File:
        path = Path(given.path)
        scale = (1.0 if given.scale is None else given.scale) if scaled else None
        return File(path.name, _digits(path), scale)

    more = " and scale" if scaled else ""
    words = f"a file by its name, sha256 of 64 hexadecimal digits{more}"
    return Kind(words, fits, read if scaled else Given, (), made, kept, used)


def json(entry: File) -> dict[str, Any]:
    """An entry as a JSON object, without a scale that it does not have."""
    return {key: value for key, value in entry._asdict().items() if value is not None}


def read(word: str) -> Given:
    """FILE or FILE:SCALE: what stands behind the last colon is a scale if it is a number."""
    path, colon, scale = word.rpartition(":")
    try:
        return Given(path, float(scale)) if colon and path else Given(word)
    except ValueError:  # a colon of the name
        return Given(word)


def again_of(given: Given, found: File, known: File) -> File:
    """The file that was given in the place of one in settings, of the same bytes.

    Where nothing was said of its scale, it has the scale of the settings.
    """
    return found if given.scale is not None else found._replace(scale=known.scale)


def _digits(path: Path) -> str:
    """The SHA-256 of a file. OSError that names it if it is none, or cannot be read."""
    if not path.is_file():
        there = "is no file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"the file {shown(str(path))} {there}")
    found = hashlib.sha256()
    with path.open("rb") as opened:
        while block := opened.read(BLOCK):
            found.update(block)
    return found.hexdigest()
