"""What an entry of a picture's settings may be, with bounds: see settings.py."""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from mdx.checks import bytes_of, did_you_mean, shown
from mdx.weight_files import WORD

__all__ = [
    "BUDGET",
    "COUNT",
    "FILE",
    "NAME",
    "PART",
    "PATH",
    "PROMPT",
    "SCALE",
    "SIDE",
    "TRUTH",
    "VARIATION",
    "Kind",
    "fitting",
    "size",
    "text",
    "variation",
    "whole",
    "word",
]


MOST = 10_000  # pictures of one command: a day's work on a fast device


class Kind(NamedTuple):
    """What an entry of a field may be."""

    words: str  # the same in words, after "must be"
    fits: Callable[[Any], bool]
    read: Callable[[str], Any] = str  # a word of the command line to an entry
    choices: tuple[str, ...] = ()  # where it is one of a few
    made: Callable[[Any], Any] = lambda entry: entry  # what JSON has to what the record has
    # Of a file, which a record does not hold: what the record keeps of what the command line names,
    # and what `generate` is given in its place. See settings_files.py.
    kept: Callable[[Any], Any] | None = None
    used: Callable[[Any], Any] | None = None


def fitting(kind: Kind, name: str, entry: Any) -> Any:
    """The entry as a record has it; ValueError by name for one that does not fit."""
    if not kind.fits(entry):
        meant = did_you_mean(entry, kind.choices)
        raise ValueError(f"{name} must be {kind.words}, not {shown(entry)}{meant}")
    return kind.made(entry)


def whole(least: int, most: int) -> Kind:
    """Whole numbers within bounds."""

    def fits(value: Any) -> bool:
        return type(value) is int and least <= value <= most

    return Kind(f"a whole number from {least} to {most}", fits, int)


def text(longest: int, *, unicode: bool = True) -> Kind:
    """Text of a length; `unicode` refuses halves of characters, which stand for other bytes."""

    def fits(value: Any) -> bool:
        if not isinstance(value, str) or len(value) > longest or "\0" in value:
            return False
        return not unicode or not any("\ud800" <= c <= "\udfff" for c in value)

    return Kind(f"text in valid Unicode, of {longest} characters at most", fits)


def word(*choices: str) -> Kind:
    """One of a few words."""
    *others, last = choices
    return Kind(", ".join(others) + f" or {last}", lambda value: value in choices, choices=choices)


def _is_scale(value: Any) -> bool:
    finite = type(value) is int or (type(value) is float and math.isfinite(value))
    return finite and abs(value) <= 1_000_000


def _is_budget(value: Any) -> bool:
    try:
        return isinstance(value, str) and bytes_of(value) > 0
    except ValueError:
        return False


def variation(text: str) -> tuple[int, float]:
    """Seed and strength of a variation. Raises ValueError for other words."""
    match = re.fullmatch(r"([0-9]{1,39}):([0-9.]{1,30})", text)
    if not match or int(match[1]) >= 2**128 or not 0 <= float(match[2]) <= 1:
        raise ValueError(f"a variation is SEED:STRENGTH, not {shown(text)}")
    return int(match[1]), float(match[2])


def _is_variation(value: Any) -> bool:
    try:
        return isinstance(value, str) and variation(value) is not None
    except ValueError:
        return False


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable()


def _is_file_part(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 50 and bool(re.fullmatch(WORD, value))


NAME = Kind("a name of 255 printable characters at most", _is_name)
PROMPT = text(2**17)
PATH = Kind(
    "a Hub id or a folder of 4096 characters at most",
    lambda value: text(4096, unicode=False).fits(value) and value != "",
)
PART = Kind("a part of a file's name, such as fp16", _is_file_part)
FILE = Kind(
    "a file's name of 4096 characters at most",
    lambda value: text(4096, unicode=False).fits(value) and value != "",
)
TRUTH = Kind("true or false", lambda value: isinstance(value, bool))
SCALE = Kind("a finite number from -1000000 to 1000000", _is_scale, float)
BUDGET = Kind("as 6GB or 800MB", _is_budget)
VARIATION = Kind("SEED:STRENGTH, as 7:0.2, the strength from 0 to 1", _is_variation)
SIDE = whole(1, 99_999)
COUNT = whole(1, MOST)


def size(text: str) -> tuple[int, int]:
    """Width and height as --size has them. Raises ValueError for other words."""
    match = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", text)
    if not match or 0 in (sides := (int(match[1]), int(match[2] or match[1]))):
        raise ValueError(
            "--size must be a number of pixels as 64, or width and height as 96x64, "
            f"not {shown(text)}"
        )
    return sides
