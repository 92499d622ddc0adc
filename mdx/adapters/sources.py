"""An adapter's name to its file: a path, a folder that holds one, or a Hub id."""

import os
from pathlib import Path, PurePosixPath

from mdx.checks import flag, shown
from mdx.files import as_name, first_few, missing
from mdx.hub import HUB_ID, listed_names, snapshot_of, told_offline
from mdx.weight_files import PICKLES

__all__ = ["found"]

ENDING = ".safetensors"

# The names that libraries give the one file of an adapter, before any other in its folder.
USUAL = (
    "pytorch_lora_weights.safetensors",  # diffusers
    "adapter_model.safetensors",  # PEFT
    "learned_embeds.safetensors",  # diffusers, of a textual inversion
)

BESIDE = "adapter_config.json"  # what PEFT writes beside its file


def found(
    source: str | os.PathLike[str],
    *,
    file: str | None = None,
    revision: str | None = None,
    offline: bool = False,
) -> Path:
    """The safetensors file that is meant; one of the Hub is fetched first.

    `file` is its path within a folder or a repository, where there are several. Raises
    FileNotFoundError, ValueError, PermissionError or ConnectionError that say what to do.
    """
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"source must be a file, a folder or a Hub id, not {shown(source)}")
    for name, value in (("file", file), ("revision", revision)):
        if value is not None and (not isinstance(value, str) or not value):
            raise TypeError(f"{name} must be a str or None, not {shown(value)}")
    if file is not None and (".." in PurePosixPath(file).parts or file.startswith("/")):
        raise ValueError(f"file must be a path within {shown(source)}, not {shown(file)}")
    offline = flag("offline", offline)
    try:
        path = Path(source).expanduser()
        there = path.exists()
    except (OSError, ValueError, RuntimeError):  # no file can have such a name
        raise FileNotFoundError(f"{shown(source)} can be no file's name") from None
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir() if one.is_file())
        return _checked(path / _chosen(str(path), names, file))
    if there and file is not None:
        raise ValueError(f"file names one in a folder or a repository, and {path} is a file")
    if there or path.suffix in (ENDING, *PICKLES):
        return _checked(path)
    if not isinstance(source, str) or not HUB_ID.fullmatch(source):
        raise FileNotFoundError(
            f"{as_name(os.fspath(source))} is neither a file, a folder nor a Hub id "
            '("organisation/name"); check the spelling'
        )
    return _checked(_fetched(source, file, revision, offline))


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise missing(path)
    if path.suffix != ENDING:
        raise ValueError(
            f"{path} is no {ENDING} file: mdx reads no others, for those that are pickled (.pt, "
            ".bin, .ckpt) can run code when read; take the adapter's safetensors file, or convert "
            "it with safetensors' convert tool"
        )
    return path


def _chosen(where: str, names: list[str], file: str | None) -> str:
    """The file that is meant among the names of a folder or a repository."""
    if file is not None:
        return file
    candidates = [name for name in names if name.endswith(ENDING)]
    for usual in USUAL:
        if usual in candidates:
            return usual
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise FileNotFoundError(f"{as_name(where)} holds no {ENDING} file, and mdx reads no others")
    raise ValueError(
        f"{as_name(where)} holds several {ENDING} files, say which by file=: "
        f"{first_few(candidates)}"
    )


def _fetched(repo: str, file: str | None, revision: str | None, offline: bool) -> Path:
    """The file of a Hub repository, in the Hub's cache."""

    def in_cache() -> Path:
        folder = snapshot_of(repo, revision, [], True)
        files = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
        return folder / _chosen(repo, files, file)

    if offline or told_offline():
        return in_cache()
    try:
        chosen = _chosen(repo, listed_names(repo, revision), file)
        beside = str(PurePosixPath(chosen).parent / BESIDE)
        return snapshot_of(repo, revision, [chosen, beside], False) / chosen
    except ConnectionError as error:
        try:
            return in_cache()
        except Exception:
            raise error from None
