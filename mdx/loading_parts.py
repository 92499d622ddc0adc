"""One part of a model from one file: a network, a VAE or a text encoder, whoever's names it has."""

from os import PathLike
from pathlib import Path

import mindspore

from mdx import families, net_files, sources, weights
from mdx.checks import shown
from mdx.families import Family, Model
from mdx.files import as_name, is_there, read_json
from mdx.net import Net
from mdx.nets import vae
from mdx.safetensors_file import entries
from mdx.single_file import configs, contents, nets
from mdx.single_file.contents import Held
from mdx.single_file.originals import BY_TENSOR, ORIGINALS
from mdx.single_file.recognising import recognised
from mdx.single_file.unet_names import Shapes

__all__ = ["load_part", "vae_of_file"]

# Of a UNet: its first weight, its last one and its time embedding, by whose names it has them.
ENDS = {
    "original": ("input_blocks.0.0.weight", "out.2.weight", "time_embed"),
    "diffusers": ("conv_in.weight", "conv_out.weight", "time_embedding"),
}


def load_part(
    file: str | PathLike, model: Model, part: str, *, dtype: str | mindspore.Type | None = None
) -> Net:
    """Load one net of a model from a file: use it as `model._replace(unet=load_part(...))`.

    The file may hold that net alone or a whole checkpoint, by diffusers' and transformers' names,
    by those of the first implementation, or by OpenCLIP's. Which net it is the model says: its
    config is the model's, but for the channels that a UNet reads.

    Args:
        file: a .safetensors file.
        model: what `load` returned, whose part the net is to replace.
        part: "unet", "vae", "text_encoder" or another net of the model.
        dtype: of the weights; None: that in which the model holds this part.

    Returns:
        The net.

    Raises:
        TypeError, ValueError: for a part that the model has not, and a file that holds no such net
            or one of other sizes.
        FileNotFoundError: for a file that is not there.
    """
    path, family = sources.one_file("file", file), families.check_model(model)
    there = families.nets_of(model)
    if not isinstance(part, str) or part not in there:
        raise ValueError(
            f"part must be a net that the model has, {', '.join(there)}, not {shown(part)}"
        )
    kind, replaced = family.parts[part].kind, there[part]
    own = weights.dtype_of(replaced.params) if dtype is None else net_files.dtype_name(dtype)
    shapes = {name: entry.shape for name, entry in entries(path).items()}
    held = _held(path, shapes, family, part, kind)
    config = replaced.config
    if kind == "unet":
        stripped = contents.stripped(shapes, held)
        try:
            config = config._replace(**configs.seen_of_unet(stripped, *ENDS[held.layout]))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    if kind == "vae" and dtype is not None and family.upcasts_vae and config.force_upcast:
        own = "float32"
    return nets.net(path, held, config, own, f"model.{part}.config")


def vae_of_file(file: Path, config: Path | None, dtype: str) -> Net:
    """The VAE in a file: that of a whole checkpoint, or one alone.

    Args:
        file: a safetensors file.
        config: a folder that is a VAE's, or has one in vae/; None: as the file says, or the
            config.json beside it.
        dtype: of the weights, but as its config says where its numbers overflow.

    Returns:
        The net.

    Raises:
        FileNotFoundError, ValueError: that say what to do.
    """
    shapes = {name: entry.shape for name, entry in entries(file).items()}
    what, held = recognised(shapes), contents.found("vae", shapes)
    if held is None:
        raise ValueError(f"{file} has no VAE that mdx knows: it is {what.title}")
    place = None if config is None else _config_file(config)
    if place is None and what.sort != "checkpoint" and held.layout == "diffusers":
        beside = file.with_name("config.json")
        place = beside if is_there(beside) else None
    try:
        if place is not None:
            json, who = read_json(place), str(place)
        elif what.sort == "checkpoint" and what.original is not None:
            own = contents.stripped(shapes, held)
            json, who = configs.of_vae(own, what.original.vae, held.layout), "its shapes"
        else:
            raise ValueError(
                "a VAE alone does not say by what its latents are scaled (scaling_factor; 0.18215 "
                "in SD, 0.13025 in SDXL): give config=, a folder or Hub id of a checkpoint with "
                'such a VAE, or use mdx.load_part(file, model, "vae")'
            )
        record = vae.from_json(json)
        own_dtype = vae.held_in(json, dtype)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return nets.net(file, held, record, own_dtype, who)


def _config_file(folder: Path) -> Path:
    """The config.json of the VAE that a folder is, or has."""
    inner = folder / "vae" / "config.json"
    return inner if is_there(inner) else folder / "config.json"


def _held(path: Path, shapes: Shapes, family: Family, part: str, kind: str) -> Held:
    """How a part lies in a file; ValueError for a file that has no such part."""
    known = [one for one in (*ORIGINALS, *BY_TENSOR.values()) if one.family == family.name]
    prefixes = [one.parts[part] for one in known if part in one.parts]
    alone = contents.ALONE[kind]
    held = contents.found(kind, shapes, (*prefixes, f"{part}.", *alone))
    if held is None:
        title = recognised(shapes).title
        raise ValueError(f"{path} has no {as_name(part)} of {family.title}: it is {title}")
    return held
