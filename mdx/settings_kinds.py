"""What an entry of a picture's settings may be, with bounds: see settings.py."""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from mdx.checks import bytes_of
from mdx.weight_files import WORD

__all__ = [
    "BUDGET",
    "NAME",
    "PART",
    "PATH",
    "PROMPT",
    "SCALE",
    "SIDE",
    "Kind",
    "text",
    "whole",
    "word",
]


class Kind(NamedTuple):
    """What an entry of a field may be."""

    words: str  # the same in words, after "must be"
    fits: Callable[[Any], bool]
    read: Callable[[str], Any] = str  # a word of the command line to an entry
    choices: tuple[str, ...] = ()  # where it is one of a few


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
SCALE = Kind("a finite number from -1000000 to 1000000", _is_scale, float)
BUDGET = Kind("as 6GB or 800MB", _is_budget)
SIDE = whole(1, 99_999)
