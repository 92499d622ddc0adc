"""A checkpoint's folder to one immutable record of its nets, tokenizers and scheduler."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import mindspore

from mdx import (
    families,
    hub,
    loading_parts,
    model_index,
    net_files,
    sources,
    tokenizer,
    weight_files,
)
from mdx.checks import flag, one_of, shown
from mdx.families import NETS, Model
from mdx.files import is_there
from mdx.model_index import Index
from mdx.net import Net
from mdx.net_files import as_asked, dtype_name, upcast
from mdx.nets import vae
from mdx.single_file import assembling
from mdx.single_file.schedule import PREDICTIONS

__all__ = ["dtype_name", "found", "load", "load_vae"]

log = logging.getLogger("mdx")

SECOND_VAE = "vae-ft-mse"  # the folder in the packaged checkpoint

LONGEST = 255  # characters of a file's name


def load(
    source: str | PathLike | None = None,
    *,
    dtype: str | mindspore.Type = "float32",
    variant: str | None = None,
    revision: str | None = None,
    offline: bool = False,
    config: str | PathLike | None = None,
    prediction_type: str | None = None,
) -> Model:
    """Load a checkpoint of any family that mdx has.

    Args:
        source: None for the packaged one, a folder in the diffusers layout, a Hub id, or one
            .safetensors file.
        dtype: of the weights, "float32", "float16" or "bfloat16".
        variant: chooses files such as "fp16" of each part that has them, and of other parts the
            plain ones. Without it float16 takes a part's fp16 files where there are any, and
            bfloat16 its bf16 files, which are used as they lie.
        revision: a Hub branch, tag or commit.
        offline: whether only what is cached is used.
        config: of one file, a folder or Hub id of a checkpoint like it, whose configs, tokenizers
            and scheduler it has. None: those of its kind, CLIP's vocabulary, and the scheduler
            that this kind was published with.
        prediction_type: of one file that does not say it, or wrongly, what its network predicts:
            "epsilon" or "v_prediction".

    Returns:
        The record of the checkpoint's family: its parts by their folders.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, ValueError: that say what to do.
    """
    dtype = dtype_name(dtype)
    _check_arguments(source, variant, revision, offline)
    if (file := sources.single_file(source)) is not None:
        if variant is not None:
            raise ValueError(
                f"variant is of a folder's files, and {file} is one file: leave it out"
            )
        if prediction_type is not None:
            one_of("prediction_type", prediction_type, PREDICTIONS)
        like = sources.like(config, revision, offline)
        return assembling.load(file, dtype, like, prediction_type)
    for name, value in (("config", config), ("prediction_type", prediction_type)):
        if value is not None:
            raise ValueError(
                f"{name} is of one .safetensors file, which the source {shown(source)} is not"
            )
    folder = found(source, dtype=dtype, variant=variant, revision=revision, offline=offline)
    index = model_index.read(folder)
    family = families.find(index)
    unused = sorted(index.parts.keys() - family.parts.keys())
    if unused:
        log.info("%s: not loaded, mdx has no use for them: %s", folder, ", ".join(unused[:20]))
    there = {name: part for name, part in family.parts.items() if _has(index, name, part)}
    bases = {name: NETS[part.kind].base for name, part in there.items() if part.kind in NETS}
    chosen = _variants(folder, bases, variant, dtype)
    parts: dict[str, Any] = {}
    for name, part in family.parts.items():
        if name not in there:
            parts[name] = None
        elif part.kind == "tokenizer":
            parts[name] = tokenizer.load(folder / name)
        elif part.kind == "scheduler":
            parts[name] = model_index.scheduler(index, name)
        else:
            meant = partial(family.meant, index) if part.kind == "unet" else dict
            held = upcast if part.kind == "vae" and family.upcasts_vae else as_asked
            parts[name] = net_files.net(part.kind, folder / name, chosen[name], dtype, meant, held)
    model = family.record(**parts, index=index)
    try:
        family.check(model)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None
    return model


def found(
    source: str | PathLike | None,
    *,
    dtype: str = "float32",
    variant: str | None = None,
    revision: str | None = None,
    offline: bool = False,
) -> Path:
    """The folder or file of a checkpoint; one of the Hub is fetched first. Arguments of `load`.

    Nothing but its index is fetched of one whose family mdx does not have. Errors are those of
    `load`.
    """
    if (file := sources.single_file(source)) is not None:
        return file
    return hub.resolve(
        source, variant=variant, dtype=dtype, revision=revision, offline=offline, wanted=_wanted
    )


def _has(index: Index, name: str, part: families.Part) -> bool:
    """Whether a checkpoint has a part: its scheduler is there whether the index names it or not."""
    return name in index.parts or name == "scheduler"


def _wanted(folder: Path) -> dict[str, str | None]:
    """What is wanted of a checkpoint whose model_index.json is in a folder: see `hub.Folders`."""
    index = model_index.read(folder)
    parts = families.find(index).parts.items()
    there = {name: part.kind for name, part in parts if _has(index, name, part)}
    return {name: NETS[kind].base if kind in NETS else None for name, kind in there.items()}


def load_vae(
    source: str | PathLike | None = None,
    *,
    dtype: str | mindspore.Type = "float32",
    variant: str | None = None,
    revision: str | None = None,
    offline: bool = False,
    config: str | PathLike | None = None,
) -> Net:
    """Load a VAE alone: use it as `model._replace(vae=load_vae(...))`.

    Args:
        source: a repository or folder that is one or has one in vae/, or a .safetensors file of one
            or of a whole checkpoint. None is the second VAE of the packaged checkpoint: the first
            one's encoder, and a decoder trained further on the squared error alone.
        dtype: as for `load`; but one whose numbers overflow, as its config (force_upcast) or the
            family of its checkpoint says, is held in float32 whatever the dtype.
        variant, revision, offline: as for `load`.
        config: of one file, a folder or Hub id that is a VAE or has one in vae/, whose config it
            has: a file of a VAE alone does not say by what latents are scaled.

    Returns:
        The net.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, ValueError: as for `load`.
    """
    dtype = dtype_name(dtype)
    _check_arguments(source, variant, revision, offline)
    base = NETS["vae"].base
    if (file := sources.single_file(source)) is not None:
        if variant is not None:
            raise ValueError(f"variant is of a folder's files: leave it out of one file ({file})")
        like = sources.like(config, revision, offline, {"vae": None, "": None})
        return loading_parts.vae_of_file(file, like, dtype)
    if config is not None:
        raise ValueError(
            f"config is of one .safetensors file, which the source {shown(source)} is not"
        )
    folder = hub.resolve(
        source, variant=variant, dtype=dtype, revision=revision, offline=offline,
        wanted={"vae": base, "": base},
    )  # fmt: skip
    alone = not is_there(folder / "model_index.json") and is_there(folder / "config.json")
    part = SECOND_VAE if source is None else "" if alone else "vae"
    [chosen] = _variants(folder, {part: base}, variant, dtype).values()
    return net_files.net("vae", folder / part, chosen, dtype, held=_held_alone(folder))


def _check_arguments(source: Any, variant: Any, revision: Any, offline: Any) -> None:
    """TypeError or ValueError by name for what can be no name of a checkpoint."""
    if source is not None and not isinstance(source, (str, PathLike)):
        raise TypeError(f"source must be a Hub id, a folder or None, not {shown(source)}")
    if source == "":
        raise FileNotFoundError("source is empty: give a Hub id or a folder, or None")
    weight_files.check_variant(variant)
    if revision is not None and not isinstance(revision, str):
        raise TypeError(f"revision must be a str or None, not {shown(revision)}")
    for name, value in (("variant", variant), ("revision", revision)):
        if value is not None and len(value) > LONGEST:
            raise ValueError(f"{name} is longer than any file's name: {shown(value)}")
    flag("offline", offline)


def _variants(
    folder: Path, bases: Mapping[str, str], variant: str | None, dtype: str
) -> dict[str, str | None]:
    """The variant of each part's weights that is loaded (see `weight_files.choose`)."""
    there = {
        part: weight_files.found_in(folder / part, base, variant) for part, base in bases.items()
    }
    return weight_files.choose(folder, there, variant, dtype)


def _held_alone(folder: Path) -> Callable[[dict, str], str]:
    """In what a VAE is held that is loaded by itself: in a checkpoint, its family says it."""
    try:
        family = families.find(model_index.read(folder))
    except (FileNotFoundError, ValueError):  # of none that mdx has: as its own config says
        return vae.held_in
    return upcast if family.upcasts_vae else as_asked
