"""The folder of compiled graphs, of which no more is believed than that its owner wrote it.

MindSpore runs what a graph's file says, and a file can name a library to load. So the folder must
be one that nobody but its owner, who runs this process, can change or exchange: it is his, and
neither his group nor others may write to it; each folder and link on the way there is his or the
system's, and folders on the way are either not written to by others or sticky, as /tmp is. A file
is read if it is a regular one, his as well, and not too large. A hash in its name says whether it
is whole; anybody could make that, and it is no reason to trust it.
"""

import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["LARGEST", "LIMIT", "Unsafe", "folder", "opened", "read", "trim", "write"]

LIMIT = 2**29  # bytes of files; those unused for longest go first
LARGEST = 2**28  # bytes of one file; SD 1.5's largest has less than a hundredth of it

# The names of graphs: that of what it depends on, and that of its content. And of unfinished ones.
NAME = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{64}\.mindir")
PART = re.compile(r"\.[0-9a-f]{64}\.\d+-\d+\.mindir")
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
LINKS = 40  # on one way, at most


class Unsafe(OSError):
    """The folder is one that another user could change or exchange."""


def folder() -> Path | None:
    """Where graphs are kept: $MDX_COMPILE_CACHE, else mdx in the user's cache; None: nowhere."""
    chosen = os.environ.get("MDX_COMPILE_CACHE", "")
    if chosen == "0":
        return None
    try:
        if chosen not in ("", "1"):
            path = Path(chosen).expanduser()
            if not path.is_absolute() or "\0" in chosen:
                raise ValueError
            return path
    except (ValueError, RuntimeError):  # no such user
        raise ValueError(
            f"MDX_COMPILE_CACHE must be 0, 1 or the absolute path of a folder, not {chosen!r}"
        ) from None
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (cache if cache.is_absolute() else Path.home() / ".cache") / "mdx" / "graphs"
    except RuntimeError:  # no home
        return None


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of the folder, made where there is none; Unsafe where others have a say in it.

    All is done by the descriptor: what was looked at is what is used. OSError as the system has it.
    """
    if not hasattr(os, "geteuid"):
        raise Unsafe("this system does not say who may write to a file")
    path = Path(os.path.abspath(path))
    for above in reversed(path.parents):
        if not above.exists():
            above.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    for step in _way(path):
        _check(step, step.lstat(), last=False)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check(path, os.fstat(descriptor), last=True)
        yield descriptor
    finally:
        os.close(descriptor)


def _way(path: Path) -> Iterator[Path]:
    """Each folder and each link that is passed on the way to a path, from the root on."""
    todo, at, links = list(path.parts[1:]), Path(path.anchor), 0
    yield at
    while todo:
        part = todo.pop(0)
        at = at.parent if part == ".." else at / part
        yield at
        if at.is_symlink():
            links += 1
            if links > LINKS:
                raise Unsafe(f"{path} is behind too many links")
            target = Path(os.readlink(at))
            todo = [*(target.parts[1:] if target.is_absolute() else target.parts), *todo]
            at = Path(target.anchor) if target.is_absolute() else at.parent


def _check(path: Path, found: os.stat_result, last: bool) -> None:
    """Unsafe where another user could put another thing in this place."""
    user = os.geteuid()
    if found.st_uid != user and (last or found.st_uid != 0):
        raise Unsafe(f"{path} belongs to another user (uid {found.st_uid})")
    sticky = found.st_mode & stat.S_ISVTX and not last
    if found.st_mode & OTHERS_WRITE and not sticky and not stat.S_ISLNK(found.st_mode):
        raise Unsafe(f"others may write to {path}: chmod go-w {path}")


def read(descriptor: int, name: str) -> bytes | None:
    """The graph of that name, or None; a damaged file is removed, and what is no file is let be."""
    for file in _files(descriptor):
        if NAME.fullmatch(file) and file.startswith(name + "."):
            content = _content(descriptor, file)
            if content is not None and file.split(".")[1] == _digest(content):
                with suppress(OSError, NotImplementedError):
                    os.utime(file, dir_fd=descriptor, follow_symlinks=False)
                return content
            if content is not None:
                with suppress(OSError):
                    os.unlink(file, dir_fd=descriptor)
    return None


def _files(descriptor: int) -> list[str]:
    return sorted(os.listdir(descriptor))


def _content(descriptor: int, file: str) -> bytes | None:
    """What is in a file, or None for one that is not to be read, or that has gone."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        if not _is_ours(os.stat(file, dir_fd=descriptor, follow_symlinks=False)):
            return None  # not even opened, for that may do something to a device
        with os.fdopen(os.open(file, flags, dir_fd=descriptor), "rb") as opened_file:
            if not _is_ours(os.fstat(opened_file.fileno())):
                return None
            content = opened_file.read(LARGEST + 1)
    except OSError:
        return None
    return content if len(content) <= LARGEST else None


def _is_ours(found: os.stat_result) -> bool:
    regular = stat.S_ISREG(found.st_mode) and found.st_size <= LARGEST
    return regular and found.st_uid == os.geteuid() and not found.st_mode & OTHERS_WRITE


def write(descriptor: int, name: str, content: bytes) -> None:
    """Keep a graph under that name: whole or not at all. OSError as the system has it."""
    part = f".{name}.{os.getpid()}-{threading.get_ident()}.mindir"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(part, flags, 0o600, dir_fd=descriptor), "wb") as file:
            file.write(content)
        whole = f"{name}.{_digest(content)}.mindir"
        os.replace(part, whole, src_dir_fd=descriptor, dst_dir_fd=descriptor)
    except BaseException:
        with suppress(OSError):
            os.unlink(part, dir_fd=descriptor)
        raise


def _digest(content: bytes) -> str:
    """The hash of a graph, which its name ends in: half a file is never taken for a whole one."""
    return hashlib.sha256(content).hexdigest()


def trim(descriptor: int) -> None:
    """Keep the graphs below LIMIT: remove those that were not used for longest.

    A file of another name is somebody else's, whatever its size.
    """
    used = []
    for file in _files(descriptor):
        if NAME.fullmatch(file) or PART.fullmatch(file):
            with suppress(OSError):  # another process may have been here
                found = os.stat(file, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    used.append((found.st_mtime, found.st_size, file))
    total = sum(size for _, size, _ in used)
    for _, size, file in sorted(used):
        if total <= LIMIT:
            return
        total -= size
        with suppress(OSError):
            os.unlink(file, dir_fd=descriptor)
