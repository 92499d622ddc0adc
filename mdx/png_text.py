"""The text that a PNG carries, read without its pixels: no file then unfolds into more than it is.

Chunks are those of the PNG specification (W3C, third edition), sections 5.3 and 11.3.3.
"""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

__all__ = ["LONGEST", "read"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST = 2**24  # bytes of a text, packed or not
MOST = 200_000  # chunks of a file; the largest animations have some ten thousand


def read(path: Path, keyword: str) -> str | None:
    """The first text under a keyword; None if there is none.

    OSError if the file cannot be read; ValueError that says why for one that is no PNG, is cut
    short before the text, or whose text is damaged or longer than LONGEST.
    """
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            raise ValueError("it does not begin like one")
        for _ in range(MOST):
            length, kind = struct.unpack(">I4s", _exactly(file, 8))
            if kind == b"IEND":
                return None
            begin = keyword.encode("latin-1") + b"\0"
            if kind not in READERS or length < len(begin):
                file.seek(length + 4, 1)
                continue
            found = _exactly(file, len(begin))
            if found != begin:
                file.seek(length - len(begin) + 4, 1)
                continue
            if length > LONGEST:
                raise ValueError(f"a text of {length} bytes is longer than {LONGEST}")
            data = _exactly(file, length - len(begin))
            if zlib.crc32(kind + begin + data) != int.from_bytes(_exactly(file, 4), "big"):
                raise ValueError("its text is damaged: the checksum does not fit")
            return READERS[kind](data)
    raise ValueError(f"it has more than {MOST} chunks")


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise ValueError("it is cut short")
    return data


def _plain(data: bytes) -> str:
    return data.decode("latin-1")


def _packed(data: bytes) -> str:
    return _unpacked(data[:1], data[1:]).decode("latin-1")


def _international(data: bytes) -> str:
    """Flag, method, language, keyword in that language, text."""
    parts = data[2:].split(b"\0", 2)
    if len(parts) < 3:
        raise ValueError("its text is damaged")
    text = _unpacked(data[1:2], parts[2]) if data[:1] == b"\1" else parts[2]
    return text.decode("utf-8")


def _unpacked(method: bytes, data: bytes) -> bytes:
    """At most LONGEST bytes: a thousandth of them can stand for all."""
    try:
        if method != b"\0":
            raise ValueError(f"its text is packed in a way that PNG does not know: {method!r}")
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(data, LONGEST)
    except zlib.error as error:
        raise ValueError(f"its text is damaged: {error}") from None
    if not unpacking.eof:
        raise ValueError(f"its text is cut short, or longer than {LONGEST} bytes")
    return text


# The kinds of chunk that hold text, each behind its keyword.
READERS = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}
