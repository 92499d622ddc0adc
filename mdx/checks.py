"""Checks that several modules make of what they are given."""

import re
from typing import Any

import numpy as np

__all__ = ["bytes_of", "whole"]


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
