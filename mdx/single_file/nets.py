"""A part of one file to the net: by its config, the names of its family, and the file as it lies.

What a file has as the net reads it stays there, mapped, a third of a tensor's rows too; only what
lies transposed is copied.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mindspore

from mdx import weights
from mdx.families import NETS
from mdx.files import first_few
from mdx.net import Net
from mdx.net_files import FEW_LAYERS
from mdx.safetensors_file import BITS, Entry, entries
from mdx.single_file import contents, text_names
from mdx.single_file.contents import Held
from mdx.single_file.names import Source, read_by, source

__all__ = ["net", "own_entries", "shapes_of"]

PROJECTIONS = ("text_projection", "text_projection.weight")  # read where the config says so


def own_entries(
    file: Path, held: Held, listed: Mapping[str, Entry] | None = None
) -> dict[str, Entry]:
    """The tensors of one part of a file.

    Args:
        file: the file.
        held: how the part lies in it.
        listed: all of its tensors, if they are known.

    Returns:
        Them, by their names without its prefix; those by diffusers' names of old by today's.

    Raises:
        FileNotFoundError, ValueError: as `safetensors_file.entries`.
    """
    rename = NETS[held.kind].rename if held.layout in ("diffusers", "transformers") else None
    begin = held.prefix
    listed = entries(file) if listed is None else listed
    found = {name[len(begin) :]: one for name, one in listed.items() if name.startswith(begin)}
    if rename is None:
        return found
    renamed = {rename(name): entry for name, entry in found.items()}
    if len(renamed) < len(found):
        raise ValueError(f"{file}: its {_title(held)} has a tensor twice, by old names and by new")
    return renamed


def net(
    file: Path,
    held: Held,
    config: Any,
    dtype: str,
    said: str,
    listed: Mapping[str, Entry] | None = None,
) -> Net:
    """The net that one part of a file is.

    Args:
        file: the file.
        held: how the part lies in it.
        config: the net's record.
        dtype: of the weights.
        said: who says the config, for errors: "its shapes", or a file.
        listed: all of the file's tensors, if they are known.

    Returns:
        The Net.

    Raises:
        FileNotFoundError, ValueError: for a file that is damaged, and one that does not fit the
            config, with the names.
    """
    module, own = NETS[held.kind].module, own_entries(file, held, listed)
    if (layers := module.depth(config)) > FEW_LAYERS and layers > len(own):
        raise ValueError(f"{said} asks for {layers} layers, but {file} has {len(own)} tensors")
    shapes = module.shapes(config)
    names = contents.names_of(held, shapes_of(own))
    sources = {name: source(names, name) for name in shapes}
    found: dict[str, Entry] = {}
    for name, where in sources.items():
        if where is not None and where.key in own:
            found[name] = _piece(own[where.key], where)
    read = {where.key for where in sources.values() if where is not None}
    problems = [weights.misfits(found, shapes)]
    if unread := [key for key in own if key not in read and not _is_beside(held, config, key)]:
        known = read_by(names, unread)
        theirs = [key for key in unread if not known[key]] or unread
        problems.append(f"{len(unread)} that are not read: {first_few(theirs)}")
    if text := "; ".join(filter(None, problems)):
        raise ValueError(f"{file}: its {_title(held)} does not fit {said}: {text}")
    turned = [name for name, where in sources.items() if where is not None and where.transposed]
    params, places = weights.read_entries(found, shapes, dtype, turned)
    again = partial(net, file.absolute(), held, config, dtype, said)
    return Net(config, mindspore.mutable(params), MappingProxyType(places), again)


def _piece(entry: Entry, where: Source) -> Entry:
    """The part of a stored tensor that one weight is; its shape is that of the weight."""
    shape = entry.shape
    if where.transposed:
        return entry._replace(shape=shape[::-1])
    if where.blocks == 1 or not shape or shape[0] % where.blocks:
        return entry
    rows = shape[0] // where.blocks
    size = math.prod((rows, *shape[1:])) * BITS[entry.dtype] // 8
    return entry._replace(shape=(rows, *shape[1:]), start=entry.start + where.block * size)


def _is_beside(held: Held, config: Any, key: str) -> bool:
    """Whether a tensor of a part is one that the net has no use for, and that says nothing."""
    if contents.is_beside(held.kind, key):
        return True
    if held.kind != "clip":
        return False
    # Checkpoints whose text encoder is read at a lower layer have those above it, too.
    layer = text_names.layer(key)
    return key in PROJECTIONS or (layer is not None and layer >= config.num_hidden_layers)


def _title(held: Held) -> str:
    kind = "text encoder" if held.kind == "clip" else held.kind
    return f"{kind} ({held.prefix}...)" if held.prefix else kind


def shapes_of(own: Mapping[str, Entry]) -> dict[str, tuple[int, ...]]:
    """The shapes of tensors by name."""
    return {name: entry.shape for name, entry in own.items()}
