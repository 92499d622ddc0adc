"""A checkpoint's folder to one immutable record of its nets, tokenizers and scheduler."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mindspore

from mdx import families, hub, model_index, tokenizer, weight_files, weights
from mdx.checks import flag, shown
from mdx.families import NETS, Model
from mdx.files import how_to_complete, is_there, read_json
from mdx.model_index import Index
from mdx.net import Net
from mdx.nets import clip, vae
from mdx.safetensors_file import entries

__all__ = ["dtype_name", "found", "load", "load_vae"]

log = logging.getLogger("mdx")

SECOND_VAE = "vae-ft-mse"  # the folder in the packaged checkpoint

LONGEST = 255  # characters of a file's name

LAYER = re.compile(r"text_model\.encoder\.layers\.(\d{1,9})\.", re.ASCII)

# More layers than any net of this package has are counted before their weights are listed.
FEW_LAYERS = 1000


def load(
    source: str | PathLike | None = None,
    *,
    dtype: str | mindspore.Type = "float32",
    variant: str | None = None,
    revision: str | None = None,
    offline: bool = False,
) -> Model:
    """Load a checkpoint of any family that mdx has.

    Args:
        source: None for the packaged one, a folder in the diffusers layout, or a Hub id.
        dtype: of the weights, "float32", "float16" or "bfloat16".
        variant: chooses files such as "fp16" of each part that has them, and of other parts the
            plain ones. Without it float16 takes a part's fp16 files where there are any, and
            bfloat16 its bf16 files, which are used as they lie.
        revision: a Hub branch, tag or commit.
        offline: whether only what is cached is used.

    Returns:
        The record of the checkpoint's family: its parts by their folders.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, ValueError: that say what to do.
    """
    dtype = dtype_name(dtype)
    _check_arguments(source, variant, revision, offline)
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
            parts[name] = model_index.scheduler(index)
        else:
            meant = partial(family.meant, index) if part.kind == "unet" else dict
            held = _upcast if part.kind == "vae" and family.upcasts_vae else _as_asked
            parts[name] = _net(part.kind, folder / name, chosen[name], dtype, meant, held)
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
    """The folder of a checkpoint; one of the Hub is fetched first. Arguments and errors of `load`.

    Nothing but its index is fetched of one whose family mdx does not have.
    """
    return hub.resolve(
        source, variant=variant, dtype=dtype, revision=revision, offline=offline, wanted=_wanted
    )


def _has(index: Index, name: str, part: families.Part) -> bool:
    """Whether a checkpoint has a part: its scheduler is there whether the index names it or not."""
    return name in index.parts or part.kind == "scheduler"


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
) -> Net:
    """Load a VAE alone: use it as `model._replace(vae=load_vae(...))`.

    Args:
        source: a repository or folder that is one or has one in vae/. None is the second VAE of the
            packaged checkpoint: the first one's encoder, and a decoder trained further on the
            squared error alone.
        dtype: as for `load`; but one whose numbers overflow, as its config (force_upcast) or the
            family of its checkpoint says, is held in float32 whatever the dtype.
        variant, revision, offline: as for `load`.

    Returns:
        The net.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, ValueError: as for `load`.
    """
    dtype = dtype_name(dtype)
    _check_arguments(source, variant, revision, offline)
    base = NETS["vae"].base
    folder = hub.resolve(
        source, variant=variant, dtype=dtype, revision=revision, offline=offline,
        wanted={"vae": base, "": base},
    )  # fmt: skip
    alone = not is_there(folder / "model_index.json") and is_there(folder / "config.json")
    part = SECOND_VAE if source is None else "" if alone else "vae"
    [chosen] = _variants(folder, {part: base}, variant, dtype).values()
    return _net("vae", folder / part, chosen, dtype, held=_held_alone(folder))


def dtype_name(dtype: Any) -> str:
    """The name of a dtype of weights, given by name or as MindSpore's; ValueError for others."""
    named = str(dtype).lower() if isinstance(dtype, mindspore.Type) else dtype
    weights.check_dtype(named)
    return named


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


def _upcast(json: dict, dtype: str) -> str:
    """The dtype of a VAE whose family upcasts those that do not say otherwise."""
    return vae.held_in({"force_upcast": True, **json}, dtype)


def _held_alone(folder: Path) -> Callable[[dict, str], str]:
    """In what a VAE is held that is loaded by itself: in a checkpoint, its family says it."""
    try:
        family = families.find(model_index.read(folder))
    except (FileNotFoundError, ValueError):  # of none that mdx has: as its own config says
        return vae.held_in
    return _upcast if family.upcasts_vae else _as_asked


def _as_asked(json: dict, dtype: str) -> str:
    return dtype


def _net(
    kind: str,
    folder: Path,
    variant: str | None,
    dtype: str,
    meant: Callable[[dict], dict] = dict,
    held: Callable[[dict, str], str] = _as_asked,
) -> Net:
    """The net of a kind, one of NETS, in a folder.

    `meant` makes of its config what is read; `held` says by the config in which dtype weights are
    held where `dtype` is asked for.
    """
    module, base, rename = NETS[kind]
    if not folder.is_dir():
        raise FileNotFoundError(f"the checkpoint has no folder {folder}" + how_to_complete(folder))
    file = folder / "config.json"
    json = read_json(file)
    try:
        config, own = module.from_json(meant(json)), held(json, dtype)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    files = weight_files.find(folder, base, variant)
    _check_depth(file, module.depth(config), files)
    names = partial(_text_name, config) if kind == "clip" else rename
    params, places = weights.read_in_place(files, module.shapes(config), own, rename=names)
    again = partial(_net, kind, folder.absolute(), variant, dtype, meant, held)
    return Net(config, mindspore.mutable(params), MappingProxyType(places), again)


def _text_name(config: clip.Config, stored: str) -> str | None:
    """The name of a text encoder's weight; None where its config leaves the layer out.

    People made clip skip by a lower num_hidden_layers, beside all of the weights.
    """
    name = weights.new_text_names(stored)
    match = LAYER.match(name)
    return None if match and int(match[1]) >= config.num_hidden_layers else name


def _check_depth(file: Path, layers: int, files: Sequence[Path]) -> None:
    """Raise ValueError for a config of more layers than its weights' files hold tensors.

    Every layer has one at least; to list the names of millions that are not there takes minutes.
    """
    if layers > FEW_LAYERS and layers > (held := sum(len(entries(one)) for one in files)):
        raise ValueError(
            f"{file} asks for {layers} layers (num_hidden_layers, layers_per_block, "
            f"transformer_layers_per_block), but the weights beside it are {held} tensors"
        )
