"""Small helpers for files: whole or not at all when writing, one clear error when reading."""

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mdx.fields import shown

__all__ = [
    "as_name",
    "check_writable",
    "expanded",
    "first_few",
    "how_to_complete",
    "is_there",
    "missing",
    "new_folder",
    "read_json",
    "replacing",
    "without_twins",
]

# A folder in which a file is written before it is moved: where its writer ran, and as what process.
PART = re.compile(r"\.mdx-(?P<where>[0-9a-f]{8})-(?P<process>[0-9]{1,10})-\w+\.part")

FORGOTTEN = 24 * 60 * 60  # seconds; what nobody has written to for so long has no writer any more

LONGEST = 100  # characters of a name that an error shows
LONGEST_PATH = 500
FEW = 3  # names of a list that an error shows


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path near `path`; move it onto `path` when the block succeeds.

    A reader, a crash or a full disk never leaves half a file at `path`, and a process that has
    the old file mapped into memory keeps the old bytes. A file that is replaced keeps its mode; a
    new one may be read by whom the user lets read new files. Where `path` is a symbolic link, the
    file that it leads to is replaced. What killed writers have left in the folder is removed.

    Raises OSError that names `path` where it cannot be written, also where the disk is full.
    """
    target = _target(Path(path))
    _remove_left_over(target.parent)
    try:
        # In a folder of its own the file has its final name already: one with more letters may be
        # too long, libraries choose the format by its end, and some put other files beside it.
        folder = Path(tempfile.mkdtemp(".part", f".mdx-{_here()}-{os.getpid()}-", target.parent))
    except OSError as error:
        raise _unwritable(path, error) from None
    part = folder / target.name
    try:
        part.touch()
        mode = stat.S_IMODE((target if target.exists() else part).stat().st_mode) & 0o777
        yield part
        if stat.S_IMODE(part.stat().st_mode) != mode:  # safetensors lets the owner alone read
            with suppress(PermissionError):  # of file systems that know no modes
                part.chmod(mode)
        os.replace(part, target)
    except OSError as error:
        # One without a number has words of its own; one about another file is not about this one.
        if error.errno is None or not str(error.filename or folder).startswith(str(folder)):
            raise
        raise _unwritable(path, error) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; rename it to `path` when the block succeeds.

    A crash or a full disk leaves no folder there. Raises FileExistsError where something is there
    that is no empty folder, FileNotFoundError where its own folder is missing, and OSError that
    names `path` where it cannot be written.
    """
    target = Path(path)
    parent = target.absolute().parent
    try:
        target.lstat()
    except OSError:  # nothing is there yet
        pass
    except ValueError as error:  # a null character, or one that no name can hold
        raise ValueError(f"{as_path(path)} cannot be the name of a folder: {error}") from None
    if not parent.is_dir():
        raise FileNotFoundError(
            f"cannot write {as_path(path)}: folder {as_path(parent)} does not exist; make it first"
        )
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise FileExistsError(f"{path} is there and is no folder; give the name of a new one")
    if target.is_dir() and any(target.iterdir()):
        raise FileExistsError(f"{path} is a folder with files in it; give the name of a new one")
    _remove_left_over(parent)
    try:
        outer = Path(tempfile.mkdtemp(".part", f".mdx-{_here()}-{os.getpid()}-", parent))
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        inner = outer / "new"
        inner.mkdir()
        yield inner
        os.replace(inner, target)
    except OSError as error:
        if error.errno is None or not str(error.filename or outer).startswith(str(outer)):
            raise
        raise _unwritable(path, error) from None
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _target(path: Path) -> Path:
    """The file to replace, behind symbolic links. Raises OSError or ValueError where it is none."""
    target = Path(os.path.realpath(path)) if os.path.islink(path) else path
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return target
    except OSError as error:
        raise _unwritable(path, error) from None
    except ValueError as error:  # a null character, or one that no name can hold
        raise ValueError(f"{str(path)!r} cannot be the name of a file: {error}") from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{path} is a folder; give the name of a file to write")
    if not stat.S_ISREG(mode):  # moving a file there would do away with a device, or break a link
        raise OSError(f"cannot write {path}: something is there that is no file")
    return target


def _unwritable(path: str | Path, error: OSError) -> OSError:
    found = type(error)(f"cannot write {path}: {error.strerror or error}")
    found.errno = error.errno
    return found


def _here() -> str:
    """Differs between machines, and containers, in which one number may be two processes."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.blake2b(f"{socket.gethostname()} {space}".encode(), digest_size=4).hexdigest()


def _remove_left_over(folder: Path) -> None:
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            if writer := PART.fullmatch(entry.name):
                with suppress(OSError):  # another user's, or another writer removes it, too
                    if _is_left_over(Path(entry.path), writer):
                        shutil.rmtree(entry.path, ignore_errors=True)


def _is_left_over(folder: Path, writer: re.Match) -> bool:
    """Whether nobody writes there: its process has ended, or did nothing for a day."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    if writer["where"] == _here() and not _runs(int(writer["process"])):
        return True
    latest = max(path.lstat().st_mtime for path in (folder, *folder.iterdir()))
    return time.time() - latest > FORGOTTEN


def _runs(process: int) -> bool:
    if os.name != "posix":  # elsewhere the call below would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return True


def check_writable(path: str | Path) -> None:
    """Raise OSError unless a file could be written at `path` now; leaves nothing behind.

    Tries it, since permission bits say little (read-only mounts, root, network drives).
    """
    target = _target(Path(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"cannot write {as_path(path)}: folder {as_path(target.parent)} does not exist; "
            "make it first"
        )
    try:
        if target.exists():
            with target.open("r+b"):
                pass
    except OSError as error:
        raise _unwritable(path, error) from None
    with suppress(_Tried), replacing(path):
        raise _Tried


class _Tried(Exception):
    """Leaves `replacing` before it moves the empty file into place."""


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object. Raises FileNotFoundError or ValueError that name the file."""
    path = Path(path)
    if not path.is_file():
        raise missing(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=without_twins)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{as_path(path)} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{as_path(path)} must hold a JSON object, not {type(value).__name__}")
    return value


def without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError for a key that it has twice, of which readers take either."""
    found = {}
    for name, one in pairs:
        if name in found:
            raise ValueError(f"the key {shown(name)} occurs twice in one object")
        found[name] = one
    return found


def is_there(path: Path) -> bool:
    """Whether there is a file that may be left out.

    Raises FileNotFoundError where a link to one leads nowhere: that file was not left out.
    """
    if path.is_file():
        return True
    if path.is_symlink():
        raise missing(path)
    return False


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path, with the home of its user for ~. Raises FileNotFoundError where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # "~name", and nobody is called so
        raise FileNotFoundError(
            f"'{as_name(os.fspath(path))}' is the home of a user whom this machine does not "
            "know; check the spelling"
        ) from None


def missing(path: Path) -> FileNotFoundError:
    """The error for a file that is not there: what stands in its place, and what to do."""
    if path.is_symlink():
        found = f"{as_path(path)} is a link to a file that is gone ({as_path(os.readlink(path))})"
    else:
        found = f"{as_path(path)} is missing"
    return FileNotFoundError(found + how_to_complete(path))


def how_to_complete(path: Path) -> str:
    """What an error says besides, where `path` lies in the Hub's cache; "" elsewhere."""
    for folder in (path, *path.parents):
        repository = folder.parent.parent
        if folder.parent.name == "snapshots" and (repository / "blobs").is_dir():
            return (
                "; the Hub's cache holds only a part of this checkpoint: load it once with a "
                f"network connection (not offline), and if that does not help, delete {repository} "
                "before"
            )
    return ""


def as_path(path: str | Path) -> str:
    """A path as an error shows it: in one line, and of an endless one the end."""
    text = str(path) if str(path).isprintable() else repr(str(path))
    return text if len(text) <= LONGEST_PATH else f"...{text[-LONGEST_PATH:]}"


def as_name(name: str) -> str:
    """A name out of a file as an error shows it: no endless one, nothing that moves the cursor."""
    text = name if name and name.isprintable() else repr(name)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def first_few(names: Sequence[str]) -> str:
    """The first three names, and how many there are where that is not all."""
    text = ", ".join(map(as_name, names[:FEW]))
    return text + (f", ... ({len(names)} in all)" if len(names) > FEW else "")
