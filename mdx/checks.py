"""Checks that several modules make of what they are given."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["bytes_of", "did_you_mean", "whole"]

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


def whole(name: str, value: Any, least: int) -> int:
    """The value as an int; TypeError or ValueError by `name` if it is none, or below `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be {least} or more, not {value}")
    return int(value)


def bytes_of(budget: int | str) -> int:
    """A budget in bytes: a number of them, or a text such as "6GB", "1.5 GB" or "800MB"."""
    if isinstance(budget, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMG])i?B\s*", budget)
        if match:
            step = 1024 if "i" in budget else 1000
            return int(float(match[1]) * step ** ("kMG".index(match[2]) + 1))
    elif isinstance(budget, int) and not isinstance(budget, bool) and budget > 0:
        return budget
    raise ValueError(f'a budget is a number of bytes, or text such as "6GB", not {budget!r}')
