"""A net's folder in the diffusers layout to the net."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mindspore

from mdx import weight_files, weights
from mdx.families import NETS
from mdx.files import how_to_complete, read_json
from mdx.net import Net
from mdx.nets import clip, vae
from mdx.safetensors_file import entries

__all__ = ["FEW_LAYERS", "as_asked", "dtype_name", "net", "upcast"]

LAYER = re.compile(r"text_model\.encoder\.layers\.(\d{1,9})\.", re.ASCII)

# More layers than any net of this package has are counted before their weights are listed.
FEW_LAYERS = 1000


def dtype_name(dtype: Any) -> str:
    """The name of a dtype of weights, given by name or as MindSpore's; ValueError for others."""
    named = str(dtype).lower() if isinstance(dtype, mindspore.Type) else dtype
    weights.check_dtype(named)
    return named


def as_asked(json: dict, dtype: str) -> str:
    """The dtype of a net that can be held in any."""
    return dtype


def upcast(json: dict, dtype: str) -> str:
    """The dtype of a VAE whose family upcasts those that do not say otherwise."""
    return vae.held_in({"force_upcast": True, **json}, dtype)


def net(
    kind: str,
    folder: Path,
    variant: str | None,
    dtype: str,
    meant: Callable[[dict], dict] = dict,
    held: Callable[[dict, str], str] = as_asked,
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
    again = partial(net, kind, folder.absolute(), variant, dtype, meant, held)
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
