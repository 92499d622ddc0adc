"""A model as one file, by the names of the first implementation, which every program reads."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from numpy.typing import NDArray

from mdx import casting, families, schedulers
from mdx.families import Family
from mdx.files import replacing
from mdx.net import Net
from mdx.safetensors_file import Lazy, write_lazily
from mdx.single_file import configs, contents, vocabulary
from mdx.single_file.contents import Held
from mdx.single_file.layouts import names_for
from mdx.single_file.names import Source, source
from mdx.single_file.originals import BY_TENSOR, ORIGINALS, Original
from mdx.single_file.schedule import EDM, EDM_V, usual_config
from mdx.weights import DTYPES

__all__ = ["save_file"]

ATTENTION = ".mid.attn_1."  # of a VAE, whose linear layers are 1x1 convolutions there

# Keys of configs that no file says and that change no picture of the usual size.
SIZES = {"sample_size", "eos_token_id", "force_upcast", "projection_dim", "architectures"}


def save_file(model: Any, file: Path, dtype: str | None) -> None:
    """Write a model as one file.

    Args:
        model: what `load` returned.
        file: where.
        dtype: of the weights; None: as they are held.

    Raises:
        ValueError: for a model that no such file can hold.
        OSError: where it cannot be written.
    """
    family = families.family_of(model)
    original = _original(model, family)
    tensors: dict[str, Lazy] = {}
    for name, prefix in original.parts.items():
        kind = family.parts[name].kind
        tensors |= _tensors(kind, prefix, getattr(model, name), dtype)
    marks, metadata = _marks(model, original)
    if unsaid := _unsaid(model, original, tensors):
        warnings.warn(
            f"{file} does not say {', '.join(unsaid)}: load it with config=, a folder that does",
            stacklevel=4,
        )
    with replacing(file) as part:
        write_lazily(part, {**tensors, **marks}, metadata)


def _original(model: Any, family: Family) -> Original:
    """The kind of file that a model can be."""
    known = (*ORIGINALS, *BY_TENSOR.values())
    fitting = [one for one in known if one.family == family.name]
    if not fitting:
        raise ValueError(f"{family.title} has no form of one file that mdx writes: give a folder")
    nets = families.nets_of(model)
    there = [one for one in fitting if one.parts.keys() == nets.keys()]
    if not there:
        lacking = sorted({*fitting[0].parts} - nets.keys())
        raise ValueError(f"model.{lacking[0]} is None: one file holds a whole checkpoint")
    if len(there) == 1:
        return there[0]
    # SD 1.x and 2.x: their text encoders are CLIP's and OpenCLIP's, told by their activation.
    acts = nets["text_encoder"].config.hidden_act
    return next((one for one in there if one.text["text_encoder"]["hidden_act"] == acts), there[0])


def _is_open(prefix: str) -> bool:
    return prefix.endswith("model.") and "transformer" not in prefix


def _tensors(kind: str, prefix: str, net: Net, dtype: str | None) -> dict[str, Lazy]:
    """The tensors that hold a net, by their names in the file."""
    names = names_for(kind, net.config, kind == "clip" and _is_open(prefix))
    pieces: dict[str, list[tuple[Source, str]]] = {}
    for name in net.params:
        where = source(names, name)
        if where is None:
            raise ValueError(f"{name} of the model's {kind} has no name in files of one checkpoint")
        pieces.setdefault(where.key, []).append((where, name))
    found = {}
    for key, some in pieces.items():
        weights = [net.params[name] for _, name in sorted(some)]
        found[prefix + key] = _lazy(key, weights, some[0][0].transposed, dtype)
    return found


def _lazy(key: str, weights: list[mindspore.Tensor], transposed: bool, dtype: str | None) -> Lazy:
    """One stored tensor: its weight, or the rows of several under each other."""
    own = DTYPES[dtype or str(weights[0].dtype).lower()]
    first = tuple(weights[0].shape)
    shape = first[::-1] if transposed else (len(weights) * first[0], *first[1:])
    if ATTENTION in key and len(shape) == 2:
        shape = (*shape, 1, 1)

    def numbers() -> NDArray[Any]:
        try:
            arrays = [casting.stored(weight, dtype)[1] for weight in weights]
        except ValueError as error:
            raise ValueError(f"{key} {error}") from None
        whole = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        return (whole.T if transposed else whole).reshape(shape)

    return Lazy(own, shape, numbers)


def _marks(model: Any, original: Original) -> tuple[dict[str, Lazy], dict[str, str]]:
    """Marker tensors and metadata: what the model predicts, and at which levels."""
    config, vae = model.scheduler.config, model.vae.config
    marks: dict[str, NDArray[Any]] = {}
    predicts = schedulers.prediction(model.scheduler)
    if original.told is not None:
        if predicts == "v_prediction" and model.scheduler.name.startswith("EDM"):
            for name in ("sigma_max", "sigma_min"):
                marks[f"edm_vpred.{name}"] = np.float32(config[name]).reshape(())
        elif predicts == "v_prediction":
            marks["v_pred"] = np.zeros(0, np.float32)
        if config.get("rescale_betas_zero_snr"):
            marks["ztsnr"] = np.zeros(0, np.float32)
        if vae.latents_mean is not None:
            for name, numbers in (("edm_mean", vae.latents_mean), ("edm_std", vae.latents_std)):
                marks[name] = np.float32(numbers).reshape(1, -1, 1, 1)
    lazies = {
        name: Lazy("F32", numbers.shape, partial(np.asarray, numbers))
        for name, numbers in marks.items()
    }
    said = {"epsilon": "epsilon", "v_prediction": "v"}.get(predicts or "")
    return lazies, {"modelspec.prediction_type": said} if said else {}


def _unsaid(model: Any, original: Original, tensors: Mapping[str, Lazy]) -> list[str]:
    """What of a model its file does not say, and whoever loads it alone has otherwise."""
    if not original.complete:
        return ["all of the model's configs"]
    shapes = {name: lazy.shape for name, lazy in tensors.items()}
    predicts_v = schedulers.prediction(model.scheduler) == "v_prediction"
    found = []
    for name, prefix in original.parts.items():
        net = getattr(model, name)
        kind = name if name in ("unet", "vae") else "clip"
        layout = (
            "original" if kind != "clip" else "OpenCLIP" if _is_open(prefix) else "transformers"
        )
        held = Held(kind, prefix, layout)
        own = contents.stripped(shapes, held)
        read = {
            "unet": lambda own=own: configs.of_unet(own, original, predicts_v),
            "vae": lambda own=own: configs.of_vae(own, original.vae),
        }.get(kind, lambda own=own, held=held, name=name: _text(own, held, original, name))
        found += [f"model.{name}'s {key}" for key in _differing(kind, net, read)]
    if not _is_usual(model, original, predicts_v):
        found.append("model.scheduler")
    if original.zeros and model.index is not None and model.index.zeros is False:
        found.append("model.index.zeros")
    for name, pad in original.pads.items():
        words, usual = getattr(model, name), vocabulary.shipped(pad)
        same = words is not None and words[1:] == usual[1:]
        if words is None or not same or words.bpe.get_vocab() != usual.bpe.get_vocab():
            found.append(f"model.{name}")
    return found


def _is_usual(model: Any, original: Original, predicts_v: bool) -> bool:
    """Whether the model's scheduler is that which its file would be read as having."""
    own = model.scheduler
    if own.name.startswith("EDM"):
        levels = {name: own.config[name] for name in ("sigma_max", "sigma_min")}
        usual = {**EDM_V, **levels} if predicts_v else EDM
    else:
        usual = usual_config(original, predicts_v, bool(own.config.get("rescale_betas_zero_snr")))
    made = schedulers.from_config(usual)
    return made.name == own.name and made.config == own.config


def _text(own: Any, held: Held, original: Original, name: str) -> dict[str, Any]:
    return configs.of_text(own, held, original.text[name], original.text_layers)


def _differing(kind: str, net: Net, read: Callable[[], dict[str, Any]]) -> Iterable[str]:
    """The fields of a net's config that its file would be read as having otherwise."""
    try:
        config = families.NETS[kind].module.from_json(read())
    except ValueError:
        return ["config"]
    there = {"latents_mean", "latents_std"} if getattr(net.config, "latents_mean", None) else set()
    silent = SIZES | there | ({"scaling_factor"} if there else set())
    return [
        field
        for field in net.config._fields
        if field not in silent and _plain(config, field) != _plain(net.config, field)
    ]


def _plain(config: Any, field: str) -> Any:
    """A field's value; one number where a list says the same for every level."""
    value = getattr(config, field)
    if isinstance(value, tuple) and value and len({*value}) == 1 and field.endswith("per_block"):
        return value[0]
    return value
