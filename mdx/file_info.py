"""What a file is and holds, by its header: a checkpoint and its parts, a LoRA, a picture."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from math import prod
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from mdx.checks import flag, shown
from mdx.files import expanded, is_there, missing
from mdx.safetensors_file import BITS, Entry, header
from mdx.single_file import contents, lora_facts
from mdx.single_file.lora_facts import LoraFacts
from mdx.single_file.names import read_by
from mdx.single_file.recognising import What, recognised

__all__ = ["FileInfo", "PartInfo", "info"]

CHUNK = 1 << 22  # bytes that are hashed at once
AUTOV2 = 10  # letters of a SHA-256 by which sites of models name a file

UNKNOWN = 20  # names of tensors that nobody reads which are told

PNG = b"\x89PNG\r\n\x1a\n"


NOTHING: Mapping = MappingProxyType({})


class PartInfo(NamedTuple):
    """One part of a file."""

    parameters: int  # numbers in it
    bytes: int  # that they take
    dtypes: Mapping[str, int]  # how many numbers are of each, as the format calls it
    prefix: str  # what its tensors' names begin with


class FileInfo(NamedTuple):
    """What a file is and holds; what does not apply is None or empty."""

    path: Path  # the file
    size: int  # bytes
    sort: str  # "checkpoint", "unet", "vae", "lora", "embedding", "picture", ... or "unknown"
    title: str  # in words: "SDXL, for inpainting"
    family: str | None = None  # the family of a checkpoint, or of its network, that mdx has
    runs: bool = False  # whether `mdx.load` takes it
    parameters: int = 0  # numbers in all its tensors
    dtypes: Mapping[str, int] = NOTHING  # how many numbers are of each
    parts: Mapping[str, PartInfo] = NOTHING  # of a checkpoint, by their folders
    unknown: tuple[str, ...] = ()  # tensors that mdx does not read; the first of them
    unknown_count: int = 0  # how many they are
    lora: LoraFacts | None = None  # of a LoRA: its ranks, base and trigger words
    metadata: Mapping[str, str] = NOTHING  # what its writer said
    settings: Mapping[str, Any] | None = None  # of a picture by mdx: what made it
    sha256: str | None = None  # of the whole file; None unless asked for
    autov2: str | None = None  # the beginning of it by which sites of models name files


def info(path: str | PathLike, *, hash: bool = False) -> FileInfo:
    """What a file is and holds.

    Only headers are read, however large a file is, unless its hash is asked for.

    Args:
        path: a .safetensors file, or a PNG picture.
        hash: whether its SHA-256 is computed, which reads all of it; AutoV2 is the beginning of it.

    Returns:
        The FileInfo.

    Raises:
        FileNotFoundError, ValueError: for a file that is not there, damaged, or of another kind.
        TypeError: for what is no path.
    """
    if not isinstance(path, str | PathLike):
        raise TypeError(f"path must name a file, not {shown(path)}")
    file = expanded(path)
    hashed = flag("hash", hash)
    if file.is_dir():
        raise ValueError(f"{file} is a folder: name one file of it")
    if not is_there(file):
        raise missing(file)
    with file.open("rb") as opened:
        begin = opened.read(len(PNG))
    found = _of_picture(file) if begin == PNG else _of_tensors(file)
    return found._replace(**hashes(file)) if hashed else found


def hashes(file: Path) -> dict[str, str]:
    """By what sites of models name a file; reads all of it.

    Args:
        file: the file.

    Returns:
        Its "sha256", and "autov2", which is the beginning of that.
    """
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    found = digest.hexdigest()
    return {"sha256": found, "autov2": found[:AUTOV2].upper()}


def as_json(found: FileInfo) -> str:
    """What is known of a file as JSON, with the names of its fields.

    Args:
        found: what `info` returned.

    Returns:
        The text.
    """
    return json.dumps(_plain(found), ensure_ascii=False, indent=2)


def facts(found: FileInfo) -> dict[str, Any]:
    """What is known of a file, without what does not apply, as JSON has it.

    Args:
        found: what `info` returned.

    Returns:
        It, by the names of its fields.
    """
    told = {name: _plain(value) for name, value in found._asdict().items() if name != "path"}
    return {name: value for name, value in told.items() if value not in (None, (), [], {}, 0)}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}  # pyright: ignore
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _of_picture(file: Path) -> FileInfo:
    from mdx import images

    try:
        settings = images.read_settings(file)
    except ValueError:
        settings = None
    title = "a picture by mdx" if settings is not None else "a picture that no mdx made"
    return FileInfo(file, file.stat().st_size, "picture", title, settings=settings)


def _of_tensors(file: Path) -> FileInfo:
    entries, metadata = header(file)
    shapes = {name: entry.shape for name, entry in entries.items()}
    what = recognised(shapes)
    parts = _parts(entries, what)
    strange = _unread(entries, what, parts)
    return FileInfo(
        path=file,
        size=file.stat().st_size,
        sort=what.sort,
        title=what.title,
        family=what.original.family if what.original else None,
        runs=what.sort == "checkpoint" and what.original is not None,
        parameters=sum(prod(shape) for shape in shapes.values()),
        dtypes=_dtypes(entries),
        parts={name: part for name, (part, _) in parts.items()},
        unknown=tuple(strange[:UNKNOWN]),
        unknown_count=len(strange),
        lora=lora_facts.facts(shapes, metadata) if what.sort == "lora" else None,
        metadata=metadata,
    )


Parts = dict[str, tuple[PartInfo, contents.Held]]


def _parts(entries: Mapping[str, Entry], what: What) -> Parts:
    """The parts of a checkpoint, or the one that a file is."""
    shapes = {name: entry.shape for name, entry in entries.items()}
    looked: dict[str, tuple[str, tuple[str, ...] | None]] = {}
    if what.original is not None:
        for name, prefix in what.original.parts.items():
            kind = name if name in contents.ALONE and name != "clip" else "clip"
            looked[name] = (kind, {"unet": None, "vae": (prefix, "vae.")}.get(kind, (prefix,)))
    elif what.sort in ("vae", "text encoder", "unet"):
        kind = {"text encoder": "clip"}.get(what.sort, what.sort)
        looked[what.sort.replace(" ", "_")] = (kind, None)
    found: Parts = {}
    for name, (kind, prefixes) in looked.items():
        held = contents.found(kind, shapes, prefixes)
        if held is not None:
            own = {key: one for key, one in entries.items() if key.startswith(held.prefix)}
            numbers = sum(prod(one.shape) for one in own.values())
            size = sum(prod(one.shape) * BITS[one.dtype] // 8 for one in own.values())
            found[name] = (PartInfo(numbers, size, _dtypes(own), held.prefix), held)
    return found


def _unread(entries: Mapping[str, Entry], what: What, parts: Parts) -> list[str]:
    """The tensors of a checkpoint, or of one part, that no net reads."""
    if not parts:
        return []
    read: set[str] = set()
    shapes = {name: entry.shape for name, entry in entries.items()}
    for _, held in parts.values():
        own = contents.stripped(shapes, held)
        names = contents.names_of(held, own)
        taken = {key for key, weights in read_by(names, own).items() if weights}
        taken |= {key for key in own if contents.is_beside(held.kind, key)}
        read |= {held.prefix + key for key in taken}
    return sorted(name for name in entries if name not in read and not contents.says_nothing(name))


def _dtypes(entries: Mapping[str, Entry]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for entry in entries.values():
        found[entry.dtype] += prod(entry.shape)
    return dict(found)
