"""Files mapped into memory: their pages come when they are looked at, and can be given back.

A page that was given back is read again when it is next looked at, from the system's cache of the
file as a rule. So weights need not all be in memory at once, and nothing is copied. A page that was
written to is the process's own from then on: it exists nowhere else, and is never given back.
"""

import mmap
import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MappedFile", "Place", "array", "check_files", "drop", "drop_unused", "open_file"]

PAGE = mmap.PAGESIZE

# Linux' record of a page of memory (Documentation/admin-guide/mm/pagemap.rst), and bits of it.
RECORD = np.dtype(np.uint64)
OF_A_FILE = np.uint64(1 << 61)  # not the process's own
SWAPPED = np.uint64(1 << 62)
IN_MEMORY = np.uint64(1 << 63)


class MappedFile(NamedTuple):
    """A file in memory, and what it was when it was mapped."""

    memory: mmap.mmap
    path: Path
    identity: tuple[int, int]  # device and inode: another file may bear the name later
    changed: int  # nanoseconds of the clock at the last change


class Place(NamedTuple):
    """Where numbers lie in a mapped file."""

    file: MappedFile
    start: int  # first byte, counted from the beginning of the file
    size: int  # bytes


def open_file(path: Path) -> MappedFile:
    """Map a file. What is written into the memory stays there and never reaches the file."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return MappedFile(memory, path.absolute(), (status.st_dev, status.st_ino), status.st_mtime_ns)


def array(place: Place, dtype: np.dtype) -> np.ndarray:
    """The numbers, flat, in place; the file stays mapped for as long as an array looks into it."""
    count = place.size // dtype.itemsize
    return np.frombuffer(place.file.memory, dtype, count, place.start)


def check_files(places: Iterable[Place]) -> None:
    """Raise OSError where a mapped file was changed in place since: its numbers are others now.

    To look at what was cut off would end the process (SIGBUS). A file that was deleted or replaced
    by another of its name is no matter: the old one stays for as long as it is mapped.
    """
    for file in {id(place.file.memory): place.file for place in places}.values():
        size = file.memory.size()  # of the file, now
        if size < len(file.memory):
            problem = f"was cut short, from {len(file.memory)} to {size} bytes,"
        elif _changed(file):
            problem = "was changed"
        else:
            continue
        raise OSError(
            f"{file.path} {problem} after the model was loaded from it, which reads it while it "
            "runs; load the model again, and replace files by new ones instead of writing to them"
        )


def _changed(file: MappedFile) -> bool:
    try:
        status = os.stat(file.path)
    except OSError:
        return False
    same = (status.st_dev, status.st_ino) == file.identity
    return same and status.st_mtime_ns != file.changed


def drop_unused(file: MappedFile) -> None:
    """Give back all pages of a file that was just mapped, to which nobody can have written yet."""
    if hasattr(mmap, "MADV_DONTNEED"):
        file.memory.madvise(mmap.MADV_DONTNEED)


def drop(places: Iterable[Place]) -> None:
    """Give back the pages that hold nothing but these numbers, as they are in the file.

    What was written into them stays. Does nothing where the system does not tell which pages were
    written to, as only Linux does.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    try:
        records = FileIO("/proc/self/pagemap")
    except OSError:
        return
    with records:
        for place in places:
            memory = place.file.memory
            for first, last in _unwritten(records, place):
                memory.madvise(mmap.MADV_DONTNEED, first * PAGE, (last - first) * PAGE)


def _unwritten(records: FileIO, place: Place) -> list[tuple[int, int]]:
    """Runs of a file's pages, first and end, that hold only these numbers, as the file has them."""
    first, end = -(-place.start // PAGE), (place.start + place.size) // PAGE
    own = np.ones(1)
    # A page that was just written to must be known as such, or the records say nothing here.
    if end <= first or not _written(records, own, 0, 1).all():
        return []
    memory = np.frombuffer(place.file.memory, np.uint8)
    edges = np.diff(np.concatenate([[1], _written(records, memory, first, end), [1]]))
    starts, ends = np.flatnonzero(edges == -1), np.flatnonzero(edges == 1)
    return [(first + int(a), first + int(b)) for a, b in zip(starts, ends, strict=True)]


def _written(records: FileIO, memory: np.ndarray, first: int, end: int) -> NDArray[np.int8]:
    """1 for each page of an array's memory that is the process's own, else 0; 1 if in doubt."""
    records.seek((memory.ctypes.data // PAGE + first) * RECORD.itemsize)
    found = np.frombuffer(records.read((end - first) * RECORD.itemsize), RECORD)
    exists, of_a_file = found & (IN_MEMORY | SWAPPED) != 0, found & OF_A_FILE != 0
    written = np.ones(end - first, np.int8)
    written[: len(found)] = exists & ~of_a_file
    return written
