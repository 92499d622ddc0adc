"""A checkpoint's folder to one immutable record of nets, tokenizer and scheduler."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import mindspore

from mdx import hub, model_index, schedulers, tokenizer, weight_files, weights
from mdx.checks import flag, one_of, shown
from mdx.files import how_to_complete, is_there, read_json
from mdx.net import Net, summary
from mdx.nets import clip, unet, vae
from mdx.safetensors_file import entries

__all__ = ["Model", "Net", "check_model", "check_weights", "load", "load_vae"]


class Model(NamedTuple):
    """Everything that turns a prompt into a picture; exchange a part with _replace.

    Copies and pickles as its parts do: see `Net`.
    """

    tokenizer: tokenizer.Tokenizer  # text to ids
    text_encoder: Net  # ids to text states
    unet: Net  # noisy latents, time and text states to the model output
    vae: Net  # latents to pixels and back
    scheduler: Any  # the checkpoint's own Scheduler

    def __repr__(self) -> str:
        """Its parts, one a line; what they hold is in their fields."""
        try:
            check_model(self)
            nets = (f"{part}: {summary(getattr(self, part))}" for part in NETS)
            ids = f"tokenizer: {self.tokenizer.size} ids, {self.tokenizer.length} a prompt"
            return "\n    ".join(["Model(", ids, *nets, f"scheduler: {self.scheduler.name})"])
        except (AttributeError, TypeError, ValueError):
            return "Model(of parts that make none)"


# The nets of a checkpoint, and the names under which their weights were once saved.
NETS: dict[str, tuple[ModuleType, Callable[[str], str] | None]] = {
    "text_encoder": (clip, weights.new_text_names),
    "unet": (unet, None),
    "vae": (vae, weights.old_vae_names),
}

SECOND_VAE = "vae-ft-mse"  # the folder in the packaged checkpoint

LONGEST = 255  # characters of a file's name

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
    """Load a checkpoint: None for the packaged one, a folder in the diffusers layout, or a Hub id.

    `dtype` is that of the weights, "float32" or "float16"; `variant` chooses files such as
    "fp16" of each part that has them, and of other parts the plain ones. Without it float16 takes
    a part's fp16 files where there are any, which are used as they lie. `revision` is a Hub branch,
    tag or commit; `offline` uses only what is cached.
    Raises FileNotFoundError, PermissionError, ConnectionError or ValueError that say what to do.
    """
    dtype = dtype_name(dtype)
    _check_arguments(source, variant, revision, offline)
    folder = hub.resolve(source, variant=variant, dtype=dtype, revision=revision, offline=offline)
    index = model_index.read(folder)
    model_index.check(index)
    part = _variants(folder, hub.BASES, variant, dtype)
    model = Model(
        tokenizer=tokenizer.load(folder / "tokenizer"),
        text_encoder=_net("text_encoder", folder / "text_encoder", part["text_encoder"], dtype),
        unet=_net(
            "unet", folder / "unet", part["unet"], dtype, partial(model_index.unet_json, index)
        ),
        vae=_net("vae", folder / "vae", part["vae"], dtype),
        scheduler=model_index.scheduler(index),
    )
    _check_fit(folder, model)
    return model


def load_vae(
    source: str | PathLike | None = None,
    *,
    dtype: str | mindspore.Type = "float32",
    variant: str | None = None,
    revision: str | None = None,
    offline: bool = False,
) -> Net:
    """Load a VAE alone, from a repository or folder that is one or has one in vae/.

    None is the second VAE of the packaged checkpoint: the first one's encoder, and a decoder
    trained further on the squared error alone. Other arguments and errors as `load`. Use it as
    `model._replace(vae=load_vae(...))`.
    """
    dtype = dtype_name(dtype)
    _check_arguments(source, variant, revision, offline)
    folder = hub.resolve(
        source, variant=variant, dtype=dtype, revision=revision, offline=offline, parts=("vae", "")
    )
    alone = not is_there(folder / "model_index.json") and is_there(folder / "config.json")
    part = SECOND_VAE if source is None else "" if alone else "vae"
    [chosen] = _variants(folder, {part: hub.BASES["vae"]}, variant, dtype).values()
    return _net("vae", folder / part, chosen, dtype)


def dtype_name(dtype: Any) -> str:
    """The name of a dtype of weights, given by name or as MindSpore's; ValueError for others."""
    named = str(dtype).lower() if type(dtype) is type(mindspore.float32) else dtype
    return one_of("dtype", named, tuple(weights.DTYPES))


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


def check_model(model: Any) -> None:
    """TypeError unless it is a Model, and its parts are what the fields say."""
    if not isinstance(model, Model):
        raise TypeError(f"model must be what mdx.load returns, not {type(model).__name__}")
    for part, kind in (("tokenizer", tokenizer.Tokenizer), ("scheduler", schedulers.Scheduler)):
        if not isinstance(getattr(model, part), kind):
            found = type(getattr(model, part)).__name__
            raise TypeError(f"model.{part} must be a {kind.__name__}, not {found}")
    for part, (module, _) in NETS.items():
        net = getattr(model, part)
        if not isinstance(net, Net) or not isinstance(net.config, module.Config):
            raise TypeError(f"model.{part} must be a Net of that kind, not {type(net).__name__}")


def check_weights(*nets: Net) -> None:
    """Raise FloatingPointError that names the weights that hold NaN or infinity, if any do."""
    if spoilt := [name for net in nets for name in weights.not_finite(net.params)]:
        more = f", ... ({len(spoilt)} in all)" if len(spoilt) > 10 else ""
        raise FloatingPointError(
            f"weights hold NaN or infinity: {', '.join(spoilt[:10])}{more}; "
            "their file is damaged or their training diverged"
        )


def _variants(
    folder: Path, bases: Mapping[str, str], variant: str | None, dtype: str
) -> dict[str, str | None]:
    """The variant of each part's weights that is loaded (see `weight_files.choose`)."""
    there = {
        part: weight_files.found_in(folder / part, base, variant) for part, base in bases.items()
    }
    return weight_files.choose(folder, there, variant, dtype)


def _net(
    part: str,
    folder: Path,
    variant: str | None,
    dtype: str,
    meant: Callable[[dict], dict] = dict,
) -> Net:
    """The net of a part, one of NETS, in a folder; `meant` makes of its config what is read."""
    module, rename = NETS[part]
    if not folder.is_dir():
        raise FileNotFoundError(f"the checkpoint has no folder {folder}" + how_to_complete(folder))
    file = folder / "config.json"
    json = read_json(file)
    try:
        config = module.from_json(meant(json))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    files = weight_files.find(folder, hub.BASES[part], variant)
    _check_depth(file, module.depth(config), files)
    params, places = weights.read_in_place(files, module.shapes(config), dtype, rename=rename)
    again = partial(_net, part, folder.absolute(), variant, dtype, meant)
    return Net(config, mindspore.mutable(params), MappingProxyType(places), again)


def _check_depth(file: Path, layers: int, files: Sequence[Path]) -> None:
    """Raise ValueError for a config of more layers than its weights' files hold tensors.

    Every layer has one at least; to list the names of millions that are not there takes minutes.
    """
    if layers > FEW_LAYERS and layers > (held := sum(len(entries(one)) for one in files)):
        raise ValueError(
            f"{file} asks for {layers} layers (num_hidden_layers, layers_per_block, "
            f"transformer_layers_per_block), but the weights beside it are {held} tensors"
        )


def _check_fit(folder: Path, model: Model) -> None:
    """Raise ValueError where one part's output is not what the next one takes."""
    text, latent = model.text_encoder.config, model.vae.config.latent_channels
    width, channels = model.unet.config.cross_attention_dim, model.unet.config.in_channels
    widths = set(width) if isinstance(width, tuple | list) else {width}
    if widths != {text.hidden_size}:
        raise ValueError(
            f"{folder}: the text encoder gives {text.hidden_size} values a token "
            f"(hidden_size), but the unet takes {width} (cross_attention_dim)"
        )
    if channels != latent:
        hint = "; inpainting and depth checkpoints are not supported" if channels > latent else ""
        raise ValueError(
            f"{folder}: the vae's latents have {latent} channels (latent_channels), but the unet "
            f"takes {channels} (in_channels){hint}"
        )
    if (out := model.unet.config.out_channels) != channels:
        raise ValueError(
            f"{folder}: the unet takes {channels} channels (in_channels) and gives {out} "
            "(out_channels): mdx runs those that give as many as they take"
        )
    if model.tokenizer.size > text.vocab_size:
        raise ValueError(
            f"{folder}: the tokenizer has ids up to {model.tokenizer.size - 1}, but the text "
            f"encoder embeds {text.vocab_size} (vocab_size)"
        )
    if model.tokenizer.length > text.max_position_embeddings:
        raise ValueError(
            f"{folder}: the tokenizer makes rows of {model.tokenizer.length} ids "
            "(model_max_length), but the text encoder has "
            f"{text.max_position_embeddings} positions (max_position_embeddings)"
        )
