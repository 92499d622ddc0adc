"""Folders of good files, some of which are another thing for the time of one input."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests import tiny

Content = bytes | Callable[[Path], object]  # what a file holds, or what makes it


def missing(path: Path) -> None:
    """No file."""


def dangling(path: Path) -> None:
    """A link to nowhere."""
    path.symlink_to("../gone")


def loop(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    """A pipe that nobody writes to: to open it is to wait."""
    os.mkfifo(path)


def device(path: Path) -> None:
    """A link to a device."""
    path.symlink_to(os.devnull)


STRANGE: tuple[Content, ...] = (b"", Path.mkdir, missing, dangling, loop, pipe, device)


def strange(random: Random) -> Content:
    """What lies in a file's place and is none."""
    return random.choice(STRANGE)


def tiny_checkpoint(folder: Path) -> dict[str, bytes]:
    """Write the tiny checkpoint: -> its files by name."""
    tiny.write(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@contextmanager
def changed(root: Path, good: Mapping[str, bytes], now: Mapping[str, Content]) -> Iterator[None]:
    """`now` lies in the folder while the block runs, and what is `good` afterwards.

    Files are replaced, never written into: a model may have the old ones mapped.
    """
    try:
        for name, content in now.items():
            _put(root / name, content)
        yield
    finally:
        for name in now:
            _put(root / name, good.get(name, missing))


def _put(path: Path, content: Content) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
