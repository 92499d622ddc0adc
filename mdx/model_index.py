"""model_index.json: the parts of a checkpoint, and what their configs mean because of it.

Checkpoints that were converted in 2022 say less than they mean, or something else: what the
pipeline of that time put right when it loaded them is put right here, where the files are read.
"""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mdx import schedulers
from mdx.fields import TEXT, listed, nullable, shown, value
from mdx.files import is_there, read_json
from mdx.schedulers import Scheduler
from mdx.schedulers.config import find

__all__ = ["CLASSES", "Index", "check", "read", "scheduler", "unet_json"]

log = logging.getLogger("mdx")

FILE = "model_index.json"

# The classes whose files mdx reads, by part; the same net has had several names.
CLASSES = {
    "unet": {"UNet2DConditionModel"},
    "vae": {"AutoencoderKL"},
    "text_encoder": {"CLIPTextModel", "CLIPTextModelWithProjection"},
    "tokenizer": {"CLIPTokenizer", "CLIPTokenizerFast"},
}

# Parts that change the picture: a checkpoint with one of them is of a kind that mdx lacks.
ESSENTIAL = {
    "adapter", "controlnet", "low_res_scheduler", "prior", "text_encoder_2", "tokenizer_2",
    "transformer", "vqvae",
}  # fmt: skip

# Its library and its class, or two nulls where the checkpoint was saved without it.
PART = nullable(listed(nullable(TEXT), 2, 2))

# How the names of pipelines begin that take their configs at their word; what runs Stable
# Diffusion 1.x and 2.x does not.
AT_THEIR_WORD = ("LatentConsistencyModel", "StableDiffusionXL", "StableDiffusion3")

SIDE = 64  # of the latents of every Stable Diffusion before diffusers 0.9


class Index(NamedTuple):
    """What model_index.json says."""

    file: Path
    pipeline: str | None  # the class whose parts these are, and which says how configs are meant
    parts: Mapping[str, str]  # the class of every part that the checkpoint has

    @property
    def old_meaning(self) -> bool:
        """Whether configs mean what Stable Diffusion's pipeline of 2022 made of them."""
        return self.pipeline is None or not self.pipeline.startswith(AT_THEIR_WORD)


def read(folder: Path) -> Index:
    """Read a checkpoint's index, of any kind.

    Raises FileNotFoundError, or ValueError that names the file and the key.
    """
    file = folder / FILE
    if not is_there(file):
        raise FileNotFoundError(
            f"{folder} is no checkpoint in the diffusers layout: it has no {FILE} "
            f"(beside the folders {', '.join(CLASSES)}, scheduler)"
        )
    index = read_json(file)
    try:
        pipeline = value("_class_name", index.get("_class_name"), nullable(TEXT))
        return Index(file, pipeline, _parts(index))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def check(index: Index) -> None:
    """Raise ValueError for a checkpoint that is not of the kind that mdx runs."""
    for part, classes in CLASSES.items():
        if part not in index.parts:
            raise ValueError(
                f"{index.file} has no {part}; mdx runs text-to-image checkpoints with the parts "
                f"{', '.join(CLASSES)} and scheduler"
            )
        if index.parts[part] not in classes:
            raise ValueError(
                f"{index.file}: mdx has no {part} of class {shown(index.parts[part])}, "
                f"only {' or '.join(sorted(classes))}"
            )
    folder, extra = index.file.parent, sorted(index.parts.keys() - CLASSES.keys() - {"scheduler"})
    if ESSENTIAL & set(extra):
        raise ValueError(
            f"{folder} is a {shown(index.pipeline or 'checkpoint')[1:-1]} with "
            f"{', '.join(sorted(ESSENTIAL & set(extra)))}; mdx runs Stable Diffusion 1.x and 2.x"
        )
    if extra:
        log.info("%s: not loaded, mdx has no use for them: %s", folder, ", ".join(extra[:20]))


def scheduler(index: Index) -> Scheduler:
    """The scheduler of a checkpoint, of the class that the index names, else its config.

    Stable Diffusion's times begin at 1 and its latents are not clipped, whatever its config says or
    leaves out. FileNotFoundError, or ValueError that names the file at fault.
    """
    file = index.file.parent / "scheduler" / "scheduler_config.json"
    config, name = read_json(file), index.parts.get("scheduler")
    meant = {"steps_offset": 1, "clip_sample": False} if index.old_meaning else {}
    try:
        if name is not None:
            find(name)
    except ValueError as error:
        raise ValueError(f"{index.file}: {error}") from None
    try:
        return schedulers.from_config({**config, **meant}, name)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def unet_json(index: Index, json: Mapping[str, Any]) -> dict[str, Any]:
    """A unet's config.json as it is meant.

    Conversions older than diffusers 0.9 say 32 or another size too small where 64 was trained.
    """
    side, version = json.get("sample_size"), json.get("_diffusers_version")
    release = re.match(r"(\d{1,9})\.(\d{1,9})", version) if isinstance(version, str) else None
    old = release is not None and tuple(map(int, release.groups())) < (0, 9)
    small = side in range(1, SIDE) and side is not True
    return {**json, "sample_size": SIDE} if index.old_meaning and old and small else dict(json)


def _parts(index: Mapping[str, Any]) -> dict[str, str]:
    """The class of every part that the checkpoint has; ValueError for one that is none."""
    known = {*CLASSES, *ESSENTIAL, "scheduler"}
    entries = {name: value(name, index[name], PART) for name in known & index.keys()}
    for name, entry in index.items():
        # Numbers and words of the pipeline's own may be lists of two as well.
        alike = isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str)
        if name not in known and alike and name.isidentifier():
            entries[name] = tuple(entry)
    return {name: entry[1] for name, entry in entries.items() if entry and entry[1] is not None}
