"""model_index.json: the parts of a checkpoint, and what their configs mean because of it.

Checkpoints that were converted in 2022 say less than they mean, or something else: what the
pipeline of that time put right when it loaded them is put right here, where the files are read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mdx import schedulers
from mdx.fields import FLAG, TEXT, listed, nullable, value, whole
from mdx.files import is_there, read_json
from mdx.schedulers import Scheduler
from mdx.schedulers.config import find

__all__ = ["ESSENTIAL", "FILE", "Index", "read", "scheduler"]

FILE = "model_index.json"

# Parts that change the picture: a checkpoint with one of them is of a family that has it.
ESSENTIAL = {
    "adapter", "controlnet", "low_res_scheduler", "motion_adapter", "prior", "text_encoder_2",
    "text_encoder_3", "tokenizer_2", "tokenizer_3", "transformer", "transformer_2", "vqvae",
}  # fmt: skip

# Parts whose entries are looked at, whatever they are.
NAMED = ESSENTIAL | {"scheduler", "text_encoder", "tokenizer", "unet", "vae"}

# Its library and its class, or two nulls where the checkpoint was saved without it.
PART = nullable(listed(nullable(TEXT), 2, 2))

# How the names of pipelines begin that take their configs at their word, and parts of others;
# what runs Stable Diffusion 1.x and 2.x does not.
AT_THEIR_WORD = (
    "LatentConsistencyModel", "StableDiffusion3", "StableDiffusionInstructPix2Pix",
    "StableDiffusionUpscale", "StableDiffusionXL",
)  # fmt: skip
LATER = {"text_encoder_2", "transformer"}


class Index(NamedTuple):
    """What model_index.json says."""

    file: Path
    pipeline: str | None  # the class whose parts these are, and which says how configs are meant
    parts: Mapping[str, str]  # the class of every part that the checkpoint has
    # Whether an absent negative prompt is zeros, and not what "" becomes; None: it does not say.
    zeros: bool | None = None
    noise_level: int | None = None  # the largest that an upscaler was taught

    @property
    def old_meaning(self) -> bool:
        """Whether configs mean what Stable Diffusion's pipeline of 2022 made of them."""
        if self.pipeline is not None:
            return not self.pipeline.startswith(AT_THEIR_WORD)
        return not LATER & self.parts.keys()


def read(folder: Path) -> Index:
    """Read a checkpoint's index, of any kind.

    Raises FileNotFoundError, or ValueError that names the file and the key.
    """
    file = folder / FILE
    if not is_there(file):
        raise FileNotFoundError(
            f"{folder} is no checkpoint in the diffusers layout: it has no {FILE} "
            "(beside the folders unet, vae, scheduler, text_encoder, tokenizer)"
        )
    index = read_json(file)
    try:
        pipeline = value("_class_name", index.get("_class_name"), nullable(TEXT))
        key = "force_zeros_for_empty_prompt"
        zeros = value(key, index.get(key), nullable(FLAG))
        key = "max_noise_level"
        level = value(key, index.get(key), nullable(whole(0, 2**31 - 1)))
        return Index(file, pipeline, _parts(index), zeros, level)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def scheduler(index: Index, part: str = "scheduler") -> Scheduler:
    """The scheduler of a checkpoint, of the class that the index names, else its config.

    Stable Diffusion's times begin at 1 and its latents are not clipped, whatever its config says or
    leaves out. `part` is its folder. FileNotFoundError, or ValueError that names the file at fault.
    """
    file = index.file.parent / part / "scheduler_config.json"
    config, name = read_json(file), index.parts.get(part)
    meant = {"steps_offset": 1, "clip_sample": False} if index.old_meaning else {}
    if isinstance(unset := config.get("_use_default_values"), list):
        # Of these keys the value is not read, for it was the default of the class that wrote it.
        config["_use_default_values"] = [key for key in unset if key not in [*meant]]
    try:
        if name is not None:
            find(name)
    except ValueError as error:
        raise ValueError(f"{index.file}: {error}") from None
    try:
        return schedulers.from_config({**config, **meant}, name)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _parts(index: Mapping[str, Any]) -> dict[str, str]:
    """The class of every part that the checkpoint has; ValueError for one that is none."""
    entries = {name: value(name, index[name], PART) for name in NAMED & index.keys()}
    for name, entry in index.items():
        # Numbers and words of the pipeline's own may be lists of two as well.
        alike = isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str)
        if name not in NAMED and alike and name.isidentifier():
            entries[name] = tuple(entry)
    return {name: entry[1] for name, entry in entries.items() if entry and entry[1] is not None}
