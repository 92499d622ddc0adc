"""The safetensors format, read without copying: where each tensor lies, checked against the file.

Eight bytes give the header's length (little endian), the header is JSON, then come the data.
The safetensors library reads a tensor into new memory; weights here stay in the file, mapped. And
with numpy it writes no bfloat16: files of ours are byte for byte its own where it can.

Whatever the library refuses is refused. What it lets pass is refused where a reader could be
misled or kept busy: a name that stands twice (the library takes the last), keys of a record that
the format does not name (they may say what the bytes mean), records and dtypes that are written
in another JSON type, headers above MAX_HEADER and shapes above MAX_DIMS.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.files import as_name, missing, without_twins

__all__ = [
    "BITS", "MAX_DIMS", "MAX_HEADER", "Entry", "Header", "Lazy", "entries", "header", "stored_as",
    "write", "write_lazily",
]  # fmt: skip

# Bits of one element, for every dtype that the format names.
BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "C64": 64,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}  # fmt: skip

# What can be written, in the order in which it is: so each begins at a multiple of its own size.
WRITTEN = (
    "U64", "I64", "F64", "C64", "F32", "U32", "I32", "BF16", "F16", "U16", "I16", "I8", "U8",
    "BOOL",
)  # fmt: skip

MAX_HEADER = 25_000_000  # bytes: room for 200,000 tensors; the library reads four times as many
MAX_DIMS = 8  # of a tensor: MindSpore's limit

KEYS = {"dtype", "shape", "data_offsets"}  # of a tensor's record

LARGEST = 2**64 - 1  # number that the library reads, and product of numbers


class Entry(NamedTuple):
    """One tensor in a file."""

    path: Path  # the file
    dtype: str  # as the format writes it: "F32", "F16", "BF16", ...
    shape: tuple[int, ...]  # as stored
    start: int  # first byte, counted from the beginning of the file


class Header(NamedTuple):
    """What a file says before its data."""

    entries: dict[str, Entry]  # its tensors by name
    metadata: dict[str, str]  # what else its writer said, by name


class Lazy(NamedTuple):
    """A tensor to be written, whose numbers are made when their turn comes."""

    dtype: str  # one of WRITTEN
    shape: tuple[int, ...]  # of the numbers
    numbers: Callable[[], NDArray[Any]]  # makes them, in that dtype; words where it is BF16


class _NotReadError(Exception):
    """The file may be sound, but mdx does not read what is in it."""


class _Span(NamedTuple):
    """Where a tensor says that it lies."""

    first: int  # byte of the data
    last: int  # byte after it
    name: str


def entries(path: str | Path) -> dict[str, Entry]:
    """List a safetensors file's tensors by name: see `header`."""
    return header(path).entries


def header(path: str | Path) -> Header:
    """What a safetensors file holds.

    Raises FileNotFoundError, or ValueError for a file that is truncated, damaged, or something
    else altogether. Reads only the header.
    """
    path = Path(path)
    if not path.is_file():
        raise missing(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        begin = 8 + length
        # A length beyond the library's own limit is no length but the beginning of another format.
        if size < 8 or length > 100_000_000:
            raise ValueError(
                f"{path} is no safetensors file ({size} bytes, no header); download it again"
            )
        if size < begin:
            raise _truncated(path, size, begin)
        if length > MAX_HEADER:
            raise ValueError(
                f"{path} has a header of {length} bytes, and mdx reads {MAX_HEADER}: no checkpoint "
                "has so many tensors"
            )
        raw = file.read(length)
    try:
        records, metadata = _records(raw)
        found, spans = {}, []
        for name, record in records.items():
            dtype, shape, (first, last) = _checked(name, record)
            found[name] = Entry(path, dtype, shape, begin + first)
            spans.append(_Span(first, last, name))
        end = _end(spans)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged: its header does not follow the safetensors format ({error}); "
            "download it again"
        ) from None
    except _NotReadError as error:
        raise ValueError(f"{path}: {error}") from None
    if size < begin + end:
        raise _truncated(path, size, begin + end)
    if size > begin + end:
        raise ValueError(
            f"{path} is damaged: {size - begin - end} bytes follow the last tensor; "
            "download it again"
        )
    return Header(found, metadata)


def stored_as(numbers: NDArray[Any]) -> str:
    """What the format calls the dtype of an array. Raises ValueError where it has none of it."""
    kind = {"f": "F", "i": "I", "u": "U", "c": "C"}.get(numbers.dtype.kind, "")
    found = "BOOL" if numbers.dtype == bool else f"{kind}{8 * numbers.dtype.itemsize}"
    if found not in WRITTEN:
        raise ValueError(f"a safetensors file holds no numbers of dtype {numbers.dtype}")
    return found


def write(path: str | Path, tensors: Mapping[str, tuple[str, NDArray[Any]]]) -> None:
    """Write tensors, each as its dtype, one of WRITTEN, and its numbers, by name.

    Raises OSError where the file cannot be written.
    """

    def there(dtype: str, numbers: NDArray[Any]) -> Lazy:
        return Lazy(dtype, numbers.shape, lambda: numbers)

    write_lazily(path, {name: there(*pair) for name, pair in tensors.items()})


def write_lazily(
    path: str | Path, tensors: Mapping[str, Lazy], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors by name, of which no more than one is made at once; and what is said of them.

    Raises OSError where the file cannot be written.
    """
    names = sorted(tensors, key=lambda name: (WRITTEN.index(tensors[name].dtype), name))
    # The mark that diffusers and transformers ask for: laid out as in PyTorch.
    records: dict[str, Any] = {"__metadata__": {"format": "pt", **(metadata or {})}}
    end = 0
    for name in names:
        dtype, shape, _ = tensors[name]
        begin, end = end, end + math.prod(shape) * BITS[dtype] // 8
        records[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            numbers = tensors[name].numbers()
            little = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<"))
            file.write(little.reshape(-1).view(np.uint8).data)


def _records(raw: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """The header's JSON object without its metadata, and those. Raises ValueError."""
    header = json.loads(raw.decode("utf-8"), object_pairs_hook=without_twins, parse_int=_whole)
    if not isinstance(header, dict):
        raise ValueError(f"it is a JSON {type(header).__name__}, not an object")
    metadata = header.pop("__metadata__", None)
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("__metadata__ must map names to text")
    # JSON can write half of a surrogate pair, which is no text; encoding it raises ValueError.
    "".join([*header, *metadata, *metadata.values()]).encode("utf-8")
    return header, metadata


def _whole(text: str) -> int:
    # A minus is refused before 0 too, as by the library; and a text of any length is not converted.
    if text.startswith("-") or len(text) > len(str(LARGEST)) or int(text) > LARGEST:
        raise ValueError(f"{as_name(text)} is no whole number from 0 to {LARGEST}")
    return int(text)


def _checked(name: str, record: Any) -> tuple[str, tuple[int, ...], tuple[int, int]]:
    """A record's dtype, shape and data_offsets.

    Raises ValueError for a record that is not of the format, _NotReadError for one that may be.
    """
    if not isinstance(record, dict) or record.keys() != KEYS:
        raise ValueError(f"the record of {as_name(name)} must have {', '.join(sorted(KEYS))}")
    dtype, shape, offsets = record["dtype"], record["shape"], record["data_offsets"]
    if not isinstance(dtype, str):
        raise ValueError(f"the dtype of {as_name(name)} is no text")
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int for n in numbers):
            raise ValueError(f"shape and offsets of {as_name(name)} must be lists of whole numbers")
    if len(offsets) != 2:
        raise ValueError(f"{as_name(name)} has {len(offsets)} offsets instead of 2")
    if len(shape) > MAX_DIMS:
        raise _NotReadError(
            f"{as_name(name)} has {len(shape)} dimensions, and mdx reads {MAX_DIMS} at most"
        )
    if dtype not in BITS:
        raise _NotReadError(
            f"{as_name(name)} is stored as {as_name(dtype)}, which mdx does not read"
        )
    if _bits(name, dtype, shape) != 8 * (offsets[1] - offsets[0]):
        raise ValueError(
            f"{offsets[1] - offsets[0]} bytes cannot hold {as_name(name)}, {dtype} of shape {shape}"
        )
    return dtype, tuple(shape), (offsets[0], offsets[1])


def _bits(name: str, dtype: str, shape: list[int]) -> int:
    count = 1
    # The library multiplies in 64 bits, in this order: a 0 only helps what follows it.
    for factor in [*shape, BITS[dtype]]:
        count *= factor
        if count > LARGEST:
            raise ValueError(f"the size of {as_name(name)}, {dtype} of shape {shape}, overflows")
    return count


def _end(spans: list[_Span]) -> int:
    """The byte after the last tensor. Raises ValueError where two overlap, or leave a gap."""
    end = 0
    for first, last, name in sorted(spans):
        if first != end:
            word = "overlaps the tensor before it" if first < end else "leaves a gap before it"
            raise ValueError(f"{as_name(name)} at byte {first} of the data {word}")
        end = last
    return end


def _truncated(path: Path, size: int, needed: int) -> ValueError:
    return ValueError(
        f"{path} is truncated: {size} bytes where its header needs {needed}; download it again"
    )
