"""A model to files: a folder in the diffusers layout, or one file."""

import json
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

from mdx import casting, families, model_index, tokenizer_saving
from mdx.checks import shown
from mdx.families import NETS, Family, Model
from mdx.files import expanded, new_folder
from mdx.mapped import check_files, drop
from mdx.net import Net
from mdx.nets.clip import PROJECTED
from mdx.safetensors_file import Lazy, write_lazily
from mdx.single_file.writing import save_file
from mdx.sources import PICKLES, SUFFIX
from mdx.weights import DTYPES, check_dtype

__all__ = ["save"]

# Of files, the version of the library whose keys they have.
VERSION = "0.30.0"

CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "tokenizer": "CLIPTokenizer"}
LIBRARIES = {"clip": "transformers", "tokenizer": "transformers"}

# What pipelines of a family read of their index beside the parts.
BESIDE: dict[str, dict[str, Any]] = {
    "stable_diffusion": {
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
    },
    "stable_diffusion_xl": {"add_watermarker": None},
}
PIPELINES = {
    "stable_diffusion": "StableDiffusionPipeline",
    "stable_diffusion_xl": "StableDiffusionXLPipeline",
    "stable_diffusion_upscaler": "StableDiffusionUpscalePipeline",
}
REFINER = {"_class_name": "StableDiffusionXLImg2ImgPipeline", "requires_aesthetics_score": True}


def save(model: Model, path: str | PathLike, *, dtype: str | None = None) -> None:
    """Write a model as a folder in the diffusers layout, or as one .safetensors file.

    A folder says all of the model; one file holds its nets by the names that all programs read, and
    what it does not say is warned of. Either is there whole or not at all.

    Args:
        model: what `load` returned, with any of its parts exchanged.
        path: of the folder, which must be new or empty; or of the file, which is replaced.
        dtype: of the weights, "float32", "float16" or "bfloat16"; None: as each is held.

    Raises:
        TypeError, ValueError: for a model that lacks a part, and weights too large for the dtype.
        FileExistsError: for a folder that has files.
        OSError: where it cannot be written.
    """
    family = families.check_model(model)
    if model.index is not None and not isinstance(model.index, model_index.Index):
        raise TypeError(f"model.index must be an Index or None, not {type(model.index).__name__}")
    if dtype is not None:
        check_dtype(dtype)
    if not isinstance(path, str | PathLike) or not str(path):
        raise TypeError(f"path must name a folder or a .safetensors file, not {shown(path)}")
    target = expanded(path)
    if target.suffix.lower() in PICKLES:
        raise ValueError(f"mdx writes no pickled weights: name {target.stem}{SUFFIX} or a folder")
    places = [p for net in families.nets_of(model).values() for p in net.places.values()]
    check_files(places)
    try:
        _save(model, family, target, dtype)
    finally:
        drop(places)  # what was read of the files is not needed again before the next use


def _save(model: Any, family: Family, target: Path, dtype: str | None) -> None:
    """Write a model as one file or a folder, by the name of the target."""
    if target.suffix.lower() == SUFFIX:
        save_file(model, target, dtype)
        return
    with new_folder(target) as folder:
        _save_folder(model, family, folder, dtype)
        read = model_index.scheduler(model_index.read(folder))
    if other := [key for key, one in read.config.items() if model.scheduler.config[key] != one]:
        warnings.warn(
            f"{target} is a folder of a pipeline that reads its scheduler's {', '.join(other)} "
            "otherwise than the model has it: give generate the scheduler then",
            stacklevel=3,
        )


def _save_folder(model: Any, family: Family, folder: Path, dtype: str | None) -> None:
    for name, part in family.parts.items():
        value, place = getattr(model, name), folder / name
        if value is None:
            continue
        if part.kind == "tokenizer":
            tokenizer_saving.save(value, place)
        elif part.kind == "scheduler":
            config = {
                "_class_name": value.name,
                "_diffusers_version": VERSION,
                **{key: _json(one) for key, one in value.given},
            }
            _write(place / "scheduler_config.json", config)
        else:
            _write(place / "config.json", _config(part.kind, value))
            tensors = {key: _lazy(key, param, dtype) for key, param in value.params.items()}
            write_lazily(place / f"{NETS[part.kind].base}.safetensors", tensors)
    _write(folder / model_index.FILE, _index(model, family))


def _lazy(name: str, weight: Any, dtype: str | None) -> Lazy:
    def numbers() -> Any:
        try:
            return casting.stored(weight, dtype)[1]
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None

    own = dtype or str(weight.dtype).lower()
    return Lazy(DTYPES[own], tuple(weight.shape), numbers)


def _config(kind: str, net: Net) -> dict[str, Any]:
    """config.json of a net."""
    config = {key: _json(value) for key, value in net.config._asdict().items()}
    if kind == "clip":
        said = {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model"}
        return config | {key: config.get(key) or value for key, value in said.items()}
    return {"_class_name": CLASSES[kind], "_diffusers_version": VERSION, **config}


def _index(model: Any, family: Family) -> dict[str, Any]:
    """model_index.json."""
    said = model.index
    found: dict[str, Any] = {
        "_class_name": (said and said.pipeline) or PIPELINES.get(family.name),
        "_diffusers_version": VERSION,
        **BESIDE.get(family.name, {}),
    }
    if said is not None and said.zeros is not None:
        found["force_zeros_for_empty_prompt"] = said.zeros
    if said is not None and said.noise_level is not None:
        found["max_noise_level"] = said.noise_level
    if family.name == "stable_diffusion_xl" and model.text_encoder is None:
        found |= REFINER
    for name, part in family.parts.items():
        value = getattr(model, name)
        library = LIBRARIES.get(part.kind, "diffusers")
        found[name] = [None, None] if value is None else [library, _class(part.kind, value)]
    return found


def _class(kind: str, value: Any) -> str:
    if kind == "scheduler":
        return value.name
    if kind == "clip":
        return PROJECTED[0] if value.config.architectures == PROJECTED else "CLIPTextModel"
    return CLASSES[kind]


def _json(value: Any) -> Any:
    """A value of a config, whose lists are tuples, for JSON."""
    return [_json(one) for one in value] if isinstance(value, tuple) else value


def _write(file: Path, value: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
