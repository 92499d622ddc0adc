"""Checks that several modules make of what they are given."""

from typing import Any

import numpy as np

__all__ = ["whole"]


def whole(name: str, value: Any, least: int) -> int:
    """The value as an int; TypeError or ValueError by `name` if it is none, or below `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be {least} or more, not {value}")
    return int(value)
