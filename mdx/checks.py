"""Checks that several modules make of what they are given."""

import difflib
import math
import os
import re
import reprlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "array_of", "bytes_of", "check_fits", "did_you_mean", "entries", "finite", "flag", "floats",
    "one_of", "shown", "whole",
]  # fmt: skip

LONGEST = 80  # characters of a name that is compared with others: that takes their product's time


def did_you_mean(name: object, choices: Iterable[str]) -> str:
    """The end of an error about an unknown name: "; did you mean 'euler'?", or "" if none is near.

    Capitals, hyphens and underscores make no difference, and DPM++ is dpmpp.
    """
    if not isinstance(name, str) or len(name) > LONGEST:
        return ""
    plain = {_plain(choice): choice for choice in choices}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.7)
    return f"; did you mean {plain[near[0]]!r}?" if near else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower().replace("+", "p")


def check_fits(what: str, size: int) -> None:
    """MemoryError if `what`, an argument or several, asks for more bytes than the machine has."""
    try:
        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # a system that does not say
        most = sys.maxsize
    if size > most:
        raise MemoryError(
            f"{what} ask for {shown(size)} bytes for what must be in memory at once, and this "
            f"machine has {most}"
        )


SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 100


def shown(value: object) -> str:
    """A value for an error: its beginning in one line, whatever it is and however large."""
    try:
        return " ".join(SHORT.repr(value).split())
    except Exception:  # a number of too many digits
        return f"a {type(value).__name__} that is too long to be shown"


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """The value, if it is one of some words; ValueError that lists them otherwise."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"{name} must be one of {', '.join(choices)}, not {shown(value)}"
            f"{did_you_mean(value, choices)}"
        )
    return value


def flag(name: str, value: Any) -> bool:
    """The value as a bool; TypeError by `name` if it is none."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def whole(name: str, value: Any, least: int, most: int | None = sys.maxsize) -> int:
    """The value as an int; TypeError or ValueError by `name` if it is none, or out of bounds."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number, not {shown(value)}")
    if value < least:
        raise ValueError(f"{name} must be {least} or more, not {shown(value)}")
    if most is not None and value > most:
        raise ValueError(f"{name} must be {most} or less, not {shown(value)}")
    return int(value)


def finite(name: str, value: Any) -> float:
    """The value as a float; TypeError or ValueError by `name` if it is none that float32 holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, not {shown(value)}")
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not abs(number) <= float(np.finfo(np.float32).max):  # NaN is neither
        raise ValueError(f"{name} must be a finite number, not {shown(value)}")
    return number


def entries(value: Any) -> list[Any] | None:
    """The entries of a list, a tuple or an array (N,), which are one an image; else None."""
    if type(value) in (list, tuple):  # a record is a tuple, too, and one value
        return list(value)
    return value.tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else None


def array_of(name: str, value: Any) -> NDArray[Any]:
    """The value, an array, a tensor or nested lists, as an array; TypeError by `name`."""
    try:
        return np.asarray(value.asnumpy() if hasattr(value, "asnumpy") else value)
    except Exception:  # what is no array may raise what it likes
        raise TypeError(f"{name} must be an array of numbers, not {shown(value)}") from None


def floats(name: str, value: Any) -> NDArray[np.float32]:
    """`array_of` real numbers, as float32, in which some are infinite; TypeError by `name`."""
    array = array_of(name, value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be an array of real numbers, not {shown(value)}")
    check_fits(name, 4 * array.size)
    with np.errstate(over="ignore"):
        return np.asarray(array, np.float32)


def bytes_of(budget: int | np.integer | str) -> int:
    """A budget in bytes: a number of them, or a text such as "6GB", "1.5 GB" or "800MB"."""
    count = 0
    if isinstance(budget, str):
        match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([kMG])i?B\s*", budget, re.ASCII)
        if match:
            step = 1024 if "i" in budget else 1000
            count = int(float(match[1]) * step ** ("kMG".index(match[2]) + 1))
    elif isinstance(budget, (int, np.integer)) and not isinstance(budget, bool):
        count = int(budget)
    if 0 < count < 2**63:
        return count
    raise ValueError(f'a budget is a number of bytes, or text such as "6GB", not {shown(budget)}')
