"""Files mapped into memory: their pages come when they are looked at, and can be given back.

A page that was given back is read again when it is next looked at, from the system's cache of the
file as a rule. So weights need not all be in memory at once, and nothing is copied.
"""

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Place", "array", "drop", "open_file"]


class Place(NamedTuple):
    """Where numbers lie in a mapped file."""

    file: mmap.mmap
    start: int  # first byte, counted from the beginning of the file
    size: int  # bytes


def open_file(path: Path) -> mmap.mmap:
    """Map a file. What is written into the memory stays there and never reaches the file."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def array(place: Place, dtype: np.dtype) -> np.ndarray:
    """The numbers, flat, in place; the file stays mapped for as long as an array looks into it."""
    count = place.size // dtype.itemsize
    return np.frombuffer(place.file, dtype, count, place.start)


def drop(places: Iterable[Place]) -> None:
    """Give back the pages that hold nothing but these numbers. Does nothing where not on Linux.

    What was written into them is lost: the numbers are the file's again.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    for file, start, size in places:
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (start + size) // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first:
            file.madvise(mmap.MADV_DONTNEED, first, last - first)
