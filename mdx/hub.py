"""A checkpoint's name to a folder on disk: the packaged one, a local folder, or a Hub id."""

import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from mdx import weight_files
from mdx.fields import shown
from mdx.files import as_name, expanded

__all__ = ["HUB_ID", "PACKAGED", "commit", "listed_names", "resolve", "snapshot_of", "told_offline"]

log = logging.getLogger("mdx")

PACKAGED = Path(__file__).parent / "checkpoints" / "shapes-64"

# What is wanted of a repository: its folders ("" is its root), each with the base name of its
# weights' files, or None where it has none. Or a function that says it, of the folder where
# model_index.json is.
Folders = Mapping[str, str | None]
Wanted = Folders | Callable[[Path], Folders]

INDEX = "model_index.json"

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

TIMEOUT = 10  # seconds in which the Hub must list a repository's files


def resolve(
    source: str | os.PathLike | None,
    *,
    variant: str | None = None,
    dtype: str = "float32",
    revision: str | None = None,
    offline: bool = False,
    wanted: Wanted = MappingProxyType({}),
) -> Path:
    """Find a checkpoint's folder; download it first where `source` is a Hub id ("org/name").

    None is the checkpoint in the package. Of a Hub repository only configs, vocabularies and the
    safetensors of the `wanted` folders are fetched, of each those that `variant` and `dtype`
    choose; the index is read first, so that nothing more is fetched of a checkpoint that is
    refused. `offline` uses what the Hub's cache already holds, and so does a run that cannot reach
    the Hub. Raises FileNotFoundError, NotADirectoryError, PermissionError, ConnectionError or
    ValueError that say what to do.
    """
    weight_files.check_variant(variant)
    if source is None:
        if not PACKAGED.is_dir():
            raise FileNotFoundError(
                f"the packaged checkpoint is missing ({PACKAGED}); install mdx again, "
                "or name a checkpoint"
            )
        return PACKAGED
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"source must be a Hub id, a folder or None, not {shown(source)}")
    path = _path(source)
    if path.is_dir():
        return path
    if path.exists():
        raise NotADirectoryError(
            f"{path} is a file; give the folder of a checkpoint in the diffusers layout, or a "
            ".safetensors file"
        )
    # A path object, or one that starts like a path, was never meant as a Hub id.
    if not isinstance(source, str) or not HUB_ID.fullmatch(source):
        raise _neither(source)
    return _fetched(source, wanted, variant, dtype, revision, offline)


def _path(source: str | os.PathLike) -> Path:
    path = expanded(source)
    try:
        path.exists()
    except PermissionError:
        raise
    except (OSError, ValueError):  # no file can have such a name
        raise _neither(source) from None
    return path


def _neither(source: str | os.PathLike) -> FileNotFoundError:
    return FileNotFoundError(
        f"'{as_name(os.fspath(source))}' is neither a folder nor a Hub id "
        '("organisation/name"); check the spelling'
    )


def commit(folder: Path) -> str | None:
    """The commit of a folder in the Hub's cache; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" else None


def patterns(folders: Folders, chosen: Mapping[str, str | None]) -> list[str]:
    """The files to fetch: of each folder small text files, and the weights of a variant."""
    found = [INDEX]
    shard = "-?????-of-?????"  # five digits each; a * would take other variants' files too
    for part, base in folders.items():
        folder = f"{part}/" if part else ""
        if base is None:
            found += [f"{folder}*.json", f"{folder}*.txt"]
            continue
        variant = chosen[part]
        dot = f".{variant}" if variant else ""
        found += [f"{folder}*.json"] if part else ["config.json", f"{base}*.json"]
        found += [
            f"{folder}{base}{dot}.safetensors",
            f"{folder}{base}{dot}{shard}.safetensors",
        ]
        if variant:
            found.append(f"{folder}{base}{shard}{dot}.safetensors")
    return found


def _fetched(
    repo: str,
    wanted: Wanted,
    variant: str | None,
    dtype: str,
    revision: str | None,
    offline: bool,
) -> Path:
    snapshot = partial(snapshot_of, repo, revision)
    if offline or told_offline():  # what there is of the weights is seen when they are looked for
        return snapshot([INDEX], True)
    try:
        names = listed_names(repo, revision)
        folders = wanted(snapshot([INDEX], False)) if callable(wanted) else wanted
        weighty = {part: base for part, base in folders.items() if base is not None}
        chosen = _chosen(repo, names, weighty, variant, dtype)
        return snapshot(patterns(folders, chosen), False)
    except ConnectionError as error:
        try:
            folder = snapshot([INDEX], True)
        except Exception:
            raise error from None
        log.warning("%s; what its cache holds is used", error)
        return folder


def told_offline() -> bool:
    """Whether the environment says that nothing is to be asked of the Hub."""
    # Imported here: most runs never ask the Hub, and the import takes its time.
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def snapshot_of(repo: str, revision: str | None, files: list[str], cached: bool) -> Path:
    """A repository's folder in the Hub's cache, with the files of these patterns.

    They are fetched, or with `cached` it has what there is. Raises as `hub_errors` says.
    """
    import huggingface_hub

    from mdx.hub_errors import clear_errors

    with clear_errors(repo, revision, cached):
        found = huggingface_hub.snapshot_download(
            repo, revision=revision, allow_patterns=files, local_files_only=cached
        )
    return Path(found)


def listed_names(repo: str, revision: str | None) -> list[str]:
    """The paths of a repository's files. Asks the Hub."""
    import huggingface_hub

    from mdx.hub_errors import NotTheHubError, clear_errors

    with clear_errors(repo, revision, False):
        try:
            info = huggingface_hub.HfApi().model_info(repo, revision=revision, timeout=TIMEOUT)
            return [file.rfilename for file in info.siblings or []]
        except (KeyError, TypeError, AttributeError) as error:  # JSON, but not of a Hub
            raise NotTheHubError(str(error)) from None


def _chosen(
    repo: str,
    paths: Sequence[str],
    bases: Mapping[str, str],
    variant: str | None,
    dtype: str,
) -> dict[str, str | None]:
    """The variant of each part, by the paths of the repository's files."""
    split = [path.rpartition("/") for path in paths]
    names = {part: [name for folder, _, name in split if folder == part] for part in bases}
    there = {part: weight_files.variants(names[part], base) for part, base in bases.items()}
    chosen = weight_files.choose(repo, there, variant, dtype)
    lacking = [part for part in bases if names[part] and chosen[part] not in there[part]]
    # One of "vae" and "" is enough. A part without a folder is missed when the index is read.
    if lacking and not ("" in bases and any(chosen[part] in there[part] for part in bases)):
        part = lacking[0]
        where = f"{repo}/{part}" if part else repo
        raise weight_files.nothing_found(where, names[part], bases[part], chosen[part])
    return chosen
