"""One file to a model: its nets as they lie, and what it does not hold from the package's data.

Or from another checkpoint's folder, for what is like no other.
"""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mdx import families, model_index, net_files, schedulers, tokenizer
from mdx.families import Family, Model
from mdx.files import first_few, read_json
from mdx.model_index import Index
from mdx.safetensors_file import Header, header
from mdx.schedulers import Scheduler
from mdx.single_file import configs, contents, nets, vocabulary
from mdx.single_file.contents import Held
from mdx.single_file.originals import NETS, VARIATIONS, Original
from mdx.single_file.recognising import What, recognised
from mdx.single_file.schedule import Schedule, schedule
from mdx.single_file.unet_names import Shapes

__all__ = ["checkpoint", "load", "scheduler"]

log = logging.getLogger("mdx")


class Said(NamedTuple):
    """What is known of a checkpoint beside its weights."""

    model_index: Index  # what model_index.json says, or would
    configs: Mapping[str, Mapping[str, Any]]  # of its nets, by folder
    who: Mapping[str, str]  # who says each, for errors
    tokenizers: Mapping[str, Any]  # by folder
    schedulers: Mapping[str, Scheduler]  # by folder


def checkpoint(file: Path) -> tuple[Header, What, Original]:
    """A checkpoint's header, and what it is.

    Args:
        file: a safetensors file.

    Returns:
        The header, what it is, and the kind of checkpoint.

    Raises:
        FileNotFoundError, ValueError: for a file that is damaged, and for one that is no checkpoint
            of a family that mdx has: what it is.
    """
    found = header(file)
    what = recognised({name: entry.shape for name, entry in found.entries.items()})
    if what.sort != "checkpoint" or what.original is None:
        advice = "" if what.sort == "unknown" else f", {what.advice}"
        raise ValueError(f"{file} is {what.title}{advice}")
    return found, what, what.original


def load(file: Path, dtype: str, config: Path | None, prediction_type: str | None) -> Model:
    """The model that a file is.

    Args:
        file: a safetensors file.
        dtype: of the weights, one of `weights.DTYPES`.
        config: the folder of a checkpoint whose configs, tokenizers and scheduler it has; None:
            those of its kind.
        prediction_type: what its network predicts, where the file does not say, or wrongly.

    Returns:
        The record of its family.

    Raises:
        FileNotFoundError, ValueError: that say what to do.
    """
    found, what, original = checkpoint(file)
    shapes = {name: entry.shape for name, entry in found.entries.items()}
    family = _family(original)
    held = _parts(file, shapes, what, original)
    own = {name: _own(shapes, one) for name, one in held.items()}
    try:
        if config is None:
            said = _of_kind(file, found, what, original, held, own, prediction_type)
        else:
            said = _of_folder(config, family, prediction_type)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    _report(file, shapes, held)
    parts: dict[str, Any] = {}
    for name, part in family.parts.items():
        if part.kind == "tokenizer":
            parts[name] = said.tokenizers.get(name)
        elif part.kind == "scheduler":
            parts[name] = said.schedulers[name]
        elif name not in said.configs:
            parts[name] = None
        elif name not in held:
            raise ValueError(f"{file} is {what.title} and has no {name}, which {config} has")
        else:
            who = said.who.get(name, "its shapes")
            upcasts = part.kind == "vae" and family.upcasts_vae
            record, own_dtype = _config(file, held[name], said.configs[name], dtype, who, upcasts)
            parts[name] = nets.net(file, held[name], record, own_dtype, who, found.entries)
    model = family.record(**parts, index=said.model_index)
    try:
        family.check(model)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return model


def scheduler(file: Path, config: Path | None, prediction_type: str | None) -> Scheduler:
    """The scheduler of the model that a file is. Arguments and errors are those of `load`."""
    found, what, original = checkpoint(file)
    try:
        if config is not None:
            said = _of_folder(config, _family(original), prediction_type)
            return said.schedulers["scheduler"]
        return _stated(file, what, _plan(found, what, original, prediction_type))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _family(original: Original) -> Family:
    return next(one for one in families.FAMILIES if one.name == original.family)


def _parts(file: Path, shapes: Shapes, what: What, original: Original) -> dict[str, Held]:
    """How each net of a checkpoint lies in a file."""
    found = {}
    for name, prefix in original.parts.items():
        kind = name if name in NETS else "clip"
        prefixes = {"vae": (prefix, "vae.")}.get(kind, (prefix,))
        held = what.unet if kind == "unet" else contents.found(kind, shapes, prefixes)
        if held is None:
            raise ValueError(
                f"{file} is {what.title} without its {name} ({prefix}...): load a whole checkpoint "
                "and take its network from this file with mdx.load_part"
            )
        found[name] = held
    return found


def _own(shapes: Shapes, held: Held) -> dict[str, tuple[int, ...]]:
    return contents.stripped(shapes, held)


def _config(
    file: Path, held: Held, json: Mapping[str, Any], dtype: str, who: str, upcasts: bool
) -> tuple[Any, str]:
    """The record of a part, by its config.json, and the dtype in which it is held."""
    try:
        config = families.NETS[held.kind].module.from_json(dict(json))
        return config, net_files.upcast(dict(json), dtype) if upcasts else dtype
    except ValueError as error:
        raise ValueError(f"{file}: by {who} its {held.kind} has {error}") from None


def _of_kind(
    file: Path,
    found: Header,
    what: What,
    original: Original,
    held: Mapping[str, Held],
    own: Mapping[str, Shapes],
    prediction_type: str | None,
) -> Said:
    """What a file's kind and its own names and shapes say."""
    plan = _plan(found, what, original, prediction_type)
    json: dict[str, Mapping[str, Any]] = {
        "unet": configs.of_unet(own["unet"], original, plan.predicts_v),
        "vae": configs.of_vae(own["vae"], {**original.vae, **plan.vae}, layout=held["vae"].layout),
    }
    for name, known in original.text.items():
        json[name] = configs.of_text(own[name], held[name], known, original.text_layers)
    _check_widths(json["unet"], what, original)
    scheduler = _stated(file, what, plan)
    channels = json["unet"]["in_channels"]
    end = VARIATIONS.get(channels, VARIATIONS[4])[1]
    pipeline = original.pipeline
    if channels != 4:
        pipeline = pipeline.replace("Img2ImgPipeline", "Pipeline").removesuffix("Pipeline") + end
    classes = {**original.classes, "scheduler": scheduler.name}
    tokenizers = {name: vocabulary.shipped(pad) for name, pad in original.pads.items()}
    index = Index(file, pipeline, classes, original.zeros)
    return Said(index, json, {}, tokenizers, {"scheduler": scheduler})


def _plan(found: Header, what: What, original: Original, prediction_type: str | None) -> Schedule:
    """How a file's kind and its marks say that it is sampled; ValueError where they do not."""
    if not original.complete:
        raise ValueError(
            f"it is {what.title}: give config=, a folder or a Hub id of one, for a file says too "
            "little of it"
        )
    if (unet := what.unet) is None or unet.layout != "original":
        raise ValueError(
            f"it is {what.title} by diffusers' names in one file, which says too little of its "
            "blocks: give config=, a folder or a Hub id of a checkpoint like it"
        )
    return schedule(found.entries, found.metadata, original, unet, prediction_type)


def _stated(file: Path, what: What, plan: Schedule) -> Scheduler:
    """The scheduler of a plan, of which the log says who chose it."""
    made = schedulers.from_config(plan.scheduler)
    log.info(
        "%s: %s; it predicts %s by %s, and its scheduler is %s, which the file does not say",
        file, what.title, "v" if plan.predicts_v else "noise", plan.why, made.name,
    )  # fmt: skip
    return made


def _check_widths(unet: Mapping[str, Any], what: What, original: Original) -> None:
    """ValueError for a checkpoint of sizes whose number of heads nobody knows."""
    read, told = unet["cross_attention_dim"], unet.get("projection_class_embeddings_input_dim")
    if (read, told) != (original.context, original.told):
        wide = "" if told is None else f" and {told} of text and sizes"
        usual = "" if original.told is None else f" and {original.told}"
        raise ValueError(
            f"it is {what.title} by its names, but its UNet reads {read} values a token{wide} "
            f"instead of {original.context}{usual}: give config=, a folder or a Hub id of a "
            "checkpoint like it"
        )


def _of_folder(folder: Path, family: Family, prediction_type: str | None) -> Said:
    """What a checkpoint's folder says, whose weights are not read."""
    index = model_index.read(folder)
    theirs = families.find(index)
    if theirs.name != family.name:
        raise ValueError(
            f"it is of the family {family.title}, but config is a checkpoint of {theirs.title}: "
            f"{folder}"
        )
    json, who, tokenizers, planned = {}, {}, {}, {}
    for name, part in family.parts.items():
        if part.kind == "scheduler":
            planned[name] = model_index.scheduler(index, name)
        if name not in index.parts:
            continue
        if part.kind == "tokenizer":
            tokenizers[name] = tokenizer.load(folder / name)
        elif part.kind in families.NETS:
            place = folder / name / "config.json"
            meant = partial(family.meant, index) if part.kind == "unet" else dict
            json[name], who[name] = meant(read_json(place)), str(place)
    if prediction_type is not None:
        own = schedulers.from_config(planned["scheduler"], prediction_type=prediction_type)
        planned["scheduler"] = own
    return Said(index, json, who, tokenizers, planned)


def _report(file: Path, shapes: Shapes, held: Mapping[str, Held]) -> None:
    """Say what of a file is left aside."""
    prefixes = tuple(one.prefix for one in held.values())
    rest = [name for name in shapes if not name.startswith(prefixes)]
    averages = {name for name in rest if name.startswith(contents.AVERAGES)}
    if averages:
        log.info("%s: means over training (%s...) are left aside", file, contents.AVERAGES)
    strange = [name for name in rest if name not in averages and not contents.says_nothing(name)]
    if strange:
        log.warning(
            "%s: %d of its tensors are of no part that mdx knows, and are not read: %s",
            file, len(strange), first_few(sorted(strange)),
        )  # fmt: skip
