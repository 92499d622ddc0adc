"""The safetensors format, read without copying: where each tensor lies, checked against the file.

Eight bytes give the header's length (little endian), the header is JSON, then come the data.
The safetensors library reads a tensor into new memory; weights here stay in the file, mapped.
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

__all__ = ["DTYPES", "Entry", "entries"]

# Bytes of one element, for every dtype the format names in whole bytes.
DTYPES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip

MAX_HEADER = 100_000_000  # bytes; the format's own limit


class Entry(NamedTuple):
    """One tensor in a file."""

    path: Path  # the file
    dtype: str  # as the format writes it: "F32", "F16", "BF16", ...
    shape: tuple[int, ...]  # as stored
    start: int  # first byte, counted from the beginning of the file


def entries(path: str | Path) -> dict[str, Entry]:
    """List a safetensors file's tensors by name.

    Raises FileNotFoundError, or ValueError for a file that is truncated, damaged, or something
    else altogether. Reads only the header.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > MAX_HEADER:
            raise ValueError(
                f"{path} is no safetensors file ({size} bytes, no header); download it again"
            )
        begin = 8 + length
        if size < begin:
            raise _truncated(path, size, begin)
        raw = file.read(length)
    try:
        header = json.loads(raw)
        header.pop("__metadata__", None)
        found = {name: _entry(path, begin, record) for name, record in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged: its header does not follow the safetensors format ({error}); "
            "download it again"
        ) from None
    needed = max([begin, *(e.start + _bytes(e) for e in found.values())])
    if size < needed:
        raise _truncated(path, size, needed)
    return found


def _entry(path: Path, begin: int, record: dict) -> Entry:
    dtype, shape, (first, last) = record["dtype"], record["shape"], record["data_offsets"]
    if dtype not in DTYPES:
        raise ValueError(f"unknown dtype {dtype!r}")
    if not all(type(n) is int and n >= 0 for n in [*shape, first, last]):
        raise ValueError("shapes and offsets must be whole numbers")
    entry = Entry(path, dtype, tuple(shape), begin + first)
    if last - first != _bytes(entry):
        raise ValueError(f"{last - first} bytes cannot hold a {dtype} tensor of shape {shape}")
    return entry


def _bytes(entry: Entry) -> int:
    return DTYPES[entry.dtype] * math.prod(entry.shape)


def _truncated(path: Path, size: int, needed: int) -> ValueError:
    return ValueError(
        f"{path} is truncated: {size} bytes where its header needs {needed}; download it again"
    )
