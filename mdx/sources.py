"""What a user names as a checkpoint: one file, or a folder or Hub id of another that is like it."""

from os import PathLike, fspath
from pathlib import Path
from typing import Any

from mdx import hub, model_index
from mdx.checks import shown
from mdx.files import missing
from mdx.weight_files import PICKLES

__all__ = ["like", "one_file", "single_file"]

SUFFIX = ".safetensors"


def single_file(source: Any) -> Path | None:
    """The file that a source is; None for what is a folder's or a Hub's name, or nothing.

    Args:
        source: what a user gave.

    Returns:
        The file, which is there and has the name of a safetensors file, or None.

    Raises:
        FileNotFoundError: for the name of a safetensors file that is not there.
        ValueError: for pickled weights, and for files of quantised ones.
    """
    if not isinstance(source, str | PathLike) or not isinstance(fspath(source), str):
        return None
    try:
        path = Path(source).expanduser()
        there, folder = path.is_file(), path.is_dir()
    except (OSError, RuntimeError, ValueError):  # nobody's home, or no name of a file: hub says it
        return None
    suffix = path.suffix.lower()
    if folder or suffix not in (SUFFIX, *PICKLES, ".gguf"):
        return None
    if suffix == SUFFIX:
        if not there:
            raise missing(path)
        return path
    if not there:  # a Hub's name may have a dot
        return None
    if suffix == ".gguf":
        raise ValueError(f"{path} holds quantised weights (GGUF), which mdx does not read")
    raise ValueError(
        f"{path} is pickled, which can run code when it is read, so mdx reads safetensors alone; "
        "take the model's .safetensors file, or convert it where you trust it: "
        "safetensors.torch.save_file(torch.load(FILE, weights_only=True)['state_dict'], NEW)"
    )


def one_file(name: str, source: Any) -> Path:
    """`single_file` of an argument that must be one.

    Args:
        name: of the argument.
        source: what a user gave.

    Returns:
        The file.

    Raises:
        TypeError, ValueError, FileNotFoundError: that name the argument or the file.
    """
    if not isinstance(source, str | PathLike):
        raise TypeError(f"{name} must be a .safetensors file, not {shown(source)}")
    found = single_file(source)
    if found is None:
        raise ValueError(f"{name} must be a .safetensors file, not {shown(fspath(source))}")
    return found


def like(
    config: Any,
    revision: str | None = None,
    offline: bool = False,
    wanted: hub.Folders | None = None,
) -> Path | None:
    """The folder of a checkpoint whose configs are read, and none of its weights.

    Args:
        config: a folder, a Hub id, or None.
        revision: a Hub branch, tag or commit.
        offline: whether only what is cached is used.
        wanted: its folders; None: those of its family.

    Returns:
        The folder, fetched first where it is of the Hub; None for None.

    Raises:
        TypeError, ValueError, OSError: as for `mdx.load`.
    """
    if config is None:
        if revision is not None:
            raise ValueError("revision is of a Hub id, which config= may be: leave it out")
        return None
    if not isinstance(config, str | PathLike):
        raise TypeError(f"config must be a folder or a Hub id, not {shown(config)}")
    if config == "":
        raise FileNotFoundError("config is empty: give a folder or a Hub id, or None")
    return hub.resolve(config, revision=revision, offline=offline, wanted=wanted or _small_files)


def _small_files(folder: Path) -> dict[str, str | None]:
    """Of each part that its family has, what is no weights."""
    from mdx import families  # imports MindSpore, which names alone do not need

    index = model_index.read(folder)
    parts = families.find(index).parts
    there = (name for name in parts if name in index.parts or parts[name].kind == "scheduler")
    return dict.fromkeys(there)
