"""A checkpoint's name to a folder on disk: the packaged one, a local folder, or a Hub id."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mdx import weight_files
from mdx.fields import shown
from mdx.files import as_name

__all__ = ["BASES", "PACKAGED", "commit", "resolve"]

log = logging.getLogger("mdx")

PACKAGED = Path(__file__).parent / "checkpoints" / "shapes-64"

# The parts with weights, and the base name of their files.
BASES = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

SMALL = ["model_index.json", "scheduler/*.json", "tokenizer/*.json", "tokenizer/*.txt"]

TIMEOUT = 10  # seconds in which the Hub must list a repository's files


def resolve(
    source: str | os.PathLike | None,
    *,
    variant: str | None = None,
    dtype: str = "float32",
    revision: str | None = None,
    offline: bool = False,
    parts: Sequence[str] = tuple(BASES),
) -> Path:
    """Find a checkpoint's folder; download it first where `source` is a Hub id ("org/name").

    None is the checkpoint in the package. Of a Hub repository only configs, vocabularies and the
    safetensors of the wanted `parts` are fetched (a part "" is a repository that holds one net at
    its root), of each those that `variant` and `dtype` choose. `offline` uses what the Hub's cache
    already holds, and so does a run that cannot reach the Hub. Raises FileNotFoundError,
    NotADirectoryError, PermissionError, ConnectionError or ValueError that say what to do.
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
            f"{path} is a file; give the folder of a checkpoint in the diffusers layout"
        )
    # A path object, or one that starts like a path, was never meant as a Hub id.
    if not isinstance(source, str) or not HUB_ID.fullmatch(source):
        raise _neither(source)
    return _fetched(source, parts, variant, dtype, revision, offline)


def _path(source: str | os.PathLike) -> Path:
    try:
        path = Path(source).expanduser()
        path.exists()
    except RuntimeError:  # "~name", and nobody is called so
        raise FileNotFoundError(
            f"'{as_name(os.fspath(source))}' is the home of a user whom this machine does not "
            "know; check the spelling"
        ) from None
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


def patterns(chosen: Mapping[str, str | None]) -> list[str]:
    """The files to fetch: of each part the weights of a variant, and small text files."""
    wanted = list(SMALL)
    shard = "-?????-of-?????"  # five digits each; a * would take other variants' files too
    for part, variant in chosen.items():
        base = BASES[part or "vae"]
        folder = f"{part}/" if part else ""
        dot = f".{variant}" if variant else ""
        wanted += [f"{folder}*.json"] if part else ["config.json", f"{base}*.json"]
        wanted += [
            f"{folder}{base}{dot}.safetensors",
            f"{folder}{base}{dot}{shard}.safetensors",
        ]
        if variant:
            wanted.append(f"{folder}{base}{shard}{dot}.safetensors")
    return wanted


def _fetched(
    repo: str,
    parts: Sequence[str],
    variant: str | None,
    dtype: str,
    revision: str | None,
    offline: bool,
) -> Path:
    # Imported here: most runs never ask the Hub, and the import takes its time.
    import huggingface_hub

    from mdx.hub_errors import clear_errors

    offline = offline or huggingface_hub.constants.HF_HUB_OFFLINE

    def snapshot(wanted: list[str], cached: bool) -> Path:
        with clear_errors(repo, revision, cached):
            found = huggingface_hub.snapshot_download(
                repo, revision=revision, allow_patterns=wanted, local_files_only=cached
            )
        return Path(found)

    if offline:  # what there is of the weights is seen when they are looked for
        return snapshot(SMALL, True)
    try:
        names = _names(repo, revision) if parts else []
        return snapshot(patterns(_chosen(repo, names, parts, variant, dtype)), False)
    except ConnectionError as error:
        try:
            folder = snapshot(SMALL, True)
        except Exception:
            raise error from None
        log.warning("%s; what its cache holds is used", error)
        return folder


def _names(repo: str, revision: str | None) -> list[str]:
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
    repo: str, paths: Sequence[str], parts: Sequence[str], variant: str | None, dtype: str
) -> dict[str, str | None]:
    """The variant of each part, by the paths of the repository's files."""
    split = [path.rpartition("/") for path in paths]
    names = {part: [name for folder, _, name in split if folder == part] for part in parts}
    there = {part: weight_files.variants(names[part], BASES[part or "vae"]) for part in parts}
    chosen = weight_files.choose(repo, there, variant, dtype)
    lacking = [part for part in parts if names[part] and chosen[part] not in there[part]]
    # One of "vae" and "" is enough. A part without a folder is missed when the index is read.
    if lacking and not ("" in parts and any(chosen[part] in there[part] for part in parts)):
        part = lacking[0]
        where = f"{repo}/{part}" if part else repo
        raise weight_files.nothing_found(where, names[part], BASES[part or "vae"], chosen[part])
    return chosen
