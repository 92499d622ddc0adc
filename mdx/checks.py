"""Checks that several modules make of what they are given."""

import difflib
import re
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["bytes_of", "did_you_mean", "shown", "whole"]

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


SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 100


def shown(value: object) -> str:
    """A value for an error: its beginning, whatever it is and however large."""
    try:
        return SHORT.repr(value)
    except Exception:  # a number of too many digits
        return f"a {type(value).__name__} that is too long to be shown"


def whole(name: str, value: Any, least: int) -> int:
    """The value as an int; TypeError or ValueError by `name` if it is none, or below `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be {least} or more, not {value}")
    return int(value)


def bytes_of(budget: int | str) -> int:
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
