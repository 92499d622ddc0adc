"""Small helpers for files: whole or not at all when writing, one clear error when reading."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mdx.fields import shown

__all__ = ["check_writable", "read_json", "replacing"]


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it onto `path` when the block succeeds.

    A reader, a crash or a full disk never leaves half a file at `path`, and a process that has
    the old file mapped into memory keeps the old bytes. The file may be read by whom the user lets
    read new files. Raises OSError as the writing does.
    """
    path = Path(path)
    # The suffix stays last: some libraries choose the format by it.
    unique = f".{path.stem}.{os.getpid()}-{threading.get_ident()}.part{path.suffix}"
    part = path.with_name(unique)
    try:
        part.touch()
    except OSError as error:
        raise type(error)(f"cannot write {path}: {error.strerror or error}") from None
    mode = part.stat().st_mode
    try:
        yield part
        part.chmod(mode)  # safetensors puts a file in its place that its owner alone may read
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Raise OSError unless a file could be written at `path` now; leaves nothing behind.

    Tries it, since permission bits say little (read-only mounts, root, network drives).
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"folder {path.parent} does not exist; make it first")
    try:
        if path.exists():
            with path.open("r+b"):
                pass
    except OSError as error:
        raise type(error)(f"cannot write {path}: {error.strerror or error}") from None
    with suppress(_Tried), replacing(path):
        raise _Tried


class _Tried(Exception):
    """Leaves `replacing` before it moves the empty file into place."""


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object. Raises FileNotFoundError or ValueError that name the file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a JSON object, not {type(value).__name__}")
    return value


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError for a key that it has twice, of which readers take either."""
    found = {}
    for name, one in pairs:
        if name in found:
            raise ValueError(f"the key {shown(name)} occurs twice in one object")
        found[name] = one
    return found
