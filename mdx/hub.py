"""A checkpoint's name to a folder on disk: the packaged one, a local folder, or a Hub id."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["BASES", "PACKAGED", "commit", "resolve"]

PACKAGED = Path(__file__).parent / "checkpoints" / "shapes-64"

# The parts with weights, and the base name of their files.
BASES = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def resolve(
    source: str | os.PathLike | None,
    *,
    variant: str | None = None,
    revision: str | None = None,
    offline: bool = False,
    parts: Sequence[str] = tuple(BASES),
) -> Path:
    """Find a checkpoint's folder; download it first where `source` is a Hub id ("org/name").

    None is the checkpoint in the package. Of a Hub repository only configs, vocabularies and the
    safetensors of `variant` and of the wanted `parts` are fetched (a part "" is a repository
    that holds one net at its root). `offline` uses what the Hub's cache already holds. Raises
    FileNotFoundError, NotADirectoryError, ConnectionError or ValueError that say what to do.
    """
    if source is None:
        if not PACKAGED.is_dir():
            raise FileNotFoundError(
                f"the packaged checkpoint is missing ({PACKAGED}); install mdx again, "
                "or name a checkpoint"
            )
        return PACKAGED
    try:
        path = Path(source).expanduser()
    except RuntimeError:
        raise FileNotFoundError(f"{os.fspath(source)!r} is in the home of nobody here") from None
    if path.is_dir():
        return path
    if path.exists():
        raise NotADirectoryError(
            f"{path} is a file; give the folder of a checkpoint in the diffusers layout"
        )
    # A path object, or one that starts like a path, was never meant as a Hub id.
    if not isinstance(source, str) or not HUB_ID.fullmatch(source):
        raise FileNotFoundError(
            f"{os.fspath(source)!r} is neither a folder nor a Hub id "
            '("organisation/name"); check the spelling'
        )
    return _download(source, patterns(parts, variant), revision, offline)


def commit(folder: Path) -> str | None:
    """The commit of a folder in the Hub's cache; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" else None


def patterns(parts: Sequence[str], variant: str | None) -> list[str]:
    """The files to fetch: weights of one variant as safetensors, and small text files."""
    wanted = ["model_index.json", "scheduler/*.json", "tokenizer/*.json", "tokenizer/*.txt"]
    dot = f".{variant}" if variant else ""
    shard = "-?????-of-?????"  # five digits each; a * would take other variants' files too
    for part in parts:
        base = BASES[part or "vae"]
        folder = f"{part}/" if part else ""
        wanted += [f"{folder}*.json"] if part else ["config.json", f"{base}*.json"]
        wanted += [
            f"{folder}{base}{dot}.safetensors",
            f"{folder}{base}{dot}{shard}.safetensors",
        ]
        if variant:
            wanted.append(f"{folder}{base}{shard}{dot}.safetensors")
    return wanted


def _download(repo: str, wanted: list[str], revision: str | None, offline: bool) -> Path:
    # Imported here: most runs never ask the Hub, and the import takes its time.
    import huggingface_hub
    from huggingface_hub import utils

    at = f" at revision {revision!r}" if revision else ""
    try:
        folder = huggingface_hub.snapshot_download(
            repo, revision=revision, allow_patterns=wanted, local_files_only=offline
        )
    except utils.GatedRepoError:
        raise PermissionError(
            f"{repo} asks for its terms to be accepted; do so on its page, then log in "
            "with `hf auth login`"
        ) from None
    except utils.RepositoryNotFoundError:
        raise FileNotFoundError(
            f"no folder and no Hub repository is called {repo!r}; check the spelling "
            "(a private repository needs `hf auth login`)"
        ) from None
    except utils.RevisionNotFoundError:
        raise FileNotFoundError(f"{repo} has no revision {revision!r}") from None
    except utils.HFValidationError as error:
        raise ValueError(f"{repo!r} is not a valid Hub id: {error}") from None
    except utils.HfHubHTTPError as error:
        first = str(error).strip().splitlines()[0]
        raise ConnectionError(f"the Hub refused {repo}{at}: {first}") from None
    except Exception as error:
        # The client has changed its network library before; its own error derives from theirs.
        network = isinstance(error, (OSError, *utils.HfHubHTTPError.__bases__))
        if not network or getattr(error, "errno", None):  # errno: a full disk and the like
            raise
        if offline:
            raise FileNotFoundError(
                f"{repo}{at} is not (wholly) in the Hub's cache and offline is set; "
                "load it once with a network connection"
            ) from None
        raise ConnectionError(
            f"there is no folder {repo!r}, and the Hub cannot be reached to fetch {repo}{at}; "
            "check the name and the network, or give a local folder"
        ) from None
    return Path(folder)
