"""The families of checkpoints that mdx runs, and which of them a checkpoint or a model is of."""

from typing import TYPE_CHECKING, Any, TypeAlias

from mdx import deprecated
from mdx.families import stable_diffusion, stable_diffusion_upscaler, stable_diffusion_xl
from mdx.families.family import Asked, Family, Part
from mdx.families.kinds import NETS
from mdx.families.stable_diffusion import StableDiffusion
from mdx.families.stable_diffusion_upscaler import StableDiffusionUpscaler
from mdx.families.stable_diffusion_xl import StableDiffusionXL
from mdx.fields import shown
from mdx.model_index import ESSENTIAL, Index
from mdx.net import Net
from mdx.schedulers import Scheduler
from mdx.tokenizer import Tokenizer

__all__ = [
    "FAMILIES", "NETS", "Asked", "Family", "Model", "Part", "StableDiffusion",
    "StableDiffusionUpscaler", "StableDiffusionXL", "check_encoders", "check_model", "family_of",
    "find", "nets_of",
]  # fmt: skip

FAMILIES = (stable_diffusion.FAMILY, stable_diffusion_xl.FAMILY, stable_diffusion_upscaler.FAMILY)

if TYPE_CHECKING:
    # The record of any family.
    Model: TypeAlias = StableDiffusion | StableDiffusionXL | StableDiffusionUpscaler
else:
    # It was a record when there was one family, and programs made them.
    Model = deprecated.callable_union(
        "mdx.Model",
        "mdx.families.StableDiffusion",
        (StableDiffusion, StableDiffusionXL, StableDiffusionUpscaler),
    )


def find(index: Index) -> Family:
    """The family of a checkpoint, by its parts.

    Args:
        index: what its model_index.json says.

    Returns:
        The Family.

    Raises:
        ValueError: that names the parts, for one of none.
    """
    there = index.parts.keys()

    def apart(family: Family) -> tuple[int, int]:
        differing = len(_beyond(family, index) + _lacking(family, index))
        return differing, -len(there & family.parts.keys())

    nearest = min(FAMILIES, key=apart)
    if extra := _beyond(nearest, index):
        raise ValueError(
            f"{index.file.parent} is a {shown(index.pipeline or 'checkpoint')[1:-1]} with "
            f"{', '.join(extra)}; mdx runs {_titles()}"
        )
    if lacking := _lacking(nearest, index):
        raise ValueError(
            f"{index.file} has no {lacking[0]}; mdx runs {_titles()}, and {nearest.title} has the "
            f"parts {', '.join(nearest.parts)}"
        )
    # Nets before tokenizers: they say most of what a checkpoint is.
    for name in sorted(nearest.parts, key=lambda name: nearest.parts[name].kind == "tokenizer"):
        known = nearest.parts[name].classes
        if known and name in there and index.parts[name] not in known:
            raise ValueError(
                f"{index.file.parent} is a {shown(index.pipeline or 'checkpoint')[1:-1]} with a "
                f"{name} of class {shown(index.parts[name])}, where mdx has only "
                f"{' or '.join(sorted(known))}; mdx runs {_titles()}"
            )
    return nearest


def _beyond(family: Family, index: Index) -> list[str]:
    """The parts of a checkpoint without which its picture is another, and that the family lacks."""
    return sorted((ESSENTIAL & index.parts.keys()) - family.parts.keys())


def _lacking(family: Family, index: Index) -> list[str]:
    """The parts of the family that a checkpoint lacks; `scheduler` is looked for by its file."""
    return [
        name
        for name, part in family.parts.items()
        if part.required and name not in ("scheduler", *index.parts)
    ]


def _titles() -> str:
    *some, last = (family.title for family in FAMILIES)
    return f"{', '.join(some)} and {last}" if some else last


def family_of(model: Any) -> Family:
    """The family of a model, by its record.

    Args:
        model: what `load` returned.

    Returns:
        The Family.

    Raises:
        TypeError: for what is no family's record.
    """
    for family in FAMILIES:
        if isinstance(model, family.record):
            return family
    raise TypeError(f"model must be what mdx.load returns, not {type(model).__name__}")


def check_model(model: Any) -> Family:
    """The family of a model whose parts are what its fields say.

    Args:
        model: what `load` returned, with any of its parts exchanged.

    Returns:
        The Family.

    Raises:
        TypeError: that names the part that is something else, and for what is no model.
    """
    family = family_of(model)
    for name, part in family.parts.items():
        found: Any = getattr(model, name)
        if found is None and (part.kind in ("clip", "tokenizer") or not part.required):
            continue
        kind = {"tokenizer": Tokenizer, "scheduler": Scheduler}.get(part.kind, Net)
        if not isinstance(found, kind):
            what = "Net of that kind" if kind is Net else kind.__name__
            raise TypeError(f"model.{name} must be a {what}, not {type(found).__name__}")
        if isinstance(found, Net) and not isinstance(found.config, NETS[part.kind].module.Config):
            kind_found = type(found.config).__module__.rpartition(".")[2].removesuffix("_config")
            raise TypeError(f"model.{name} must be a Net of {part.kind}, not of {kind_found}")
    return family


def check_encoders(model: Any) -> None:
    """See that a model has the parts by which its checkpoint encodes prompts.

    Args:
        model: what `load` returned.

    Raises:
        ValueError: that names the part that is None.
    """
    for name, part in family_of(model).parts.items():
        had = part.required or (model.index is not None and name in model.index.parts)
        if part.kind in ("clip", "tokenizer") and had and getattr(model, name) is None:
            raise ValueError(
                f"model.{name} is None, which encodes prompts: give a mdx.Conditioning that was "
                "made with it, in the place of texts"
            )


def nets_of(model: Any) -> dict[str, Net]:
    """The nets of a model, those that it has.

    Args:
        model: what `load` returned.

    Returns:
        Them by their folders in the checkpoint.

    Raises:
        TypeError: for what is no family's record.
    """
    parts = ((name, getattr(model, name)) for name in family_of(model).parts)
    return {name: part for name, part in parts if isinstance(part, Net)}
