"""Which layers of a model a LoRA changes, and what it says that no layer has."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mdx.adapters.lora_file import Layer, Lora
from mdx.adapters.lora_names import Place, table
from mdx.families import family_of
from mdx.families.fitting import width_of
from mdx.files import as_name, first_few

__all__ = ["Fitted", "fitted", "misfit"]

FIRST = 10  # names that a warning lists

# Values a token of the text that each base reads, as the weights of a LoRA show it.
BASES = {768: "SD 1.x", 1024: "SD 2.x", 1280: "SDXL's refiner", 2048: "SDXL"}

# What only the names of other networks have.
ELSEWHERE = {
    "double_blocks": "FLUX",
    "single_blocks": "FLUX",
    "single_transformer_blocks": "FLUX",
    "joint_blocks": "SD 3",
    "transformer.transformer_blocks": "SD 3",
    "noise_refiner": "Lumina or Z-Image",
}


class Fitted(NamedTuple):
    """A LoRA's layers by the model's."""

    lora: Lora
    layers: Mapping[Place, tuple[Layer, ...]]  # those of a file that has one layer by two names add


def fitted(model: Any, some: Iterable[Lora], warned: bool = False) -> list[Fitted]:
    """Each LoRA's layers, by the layers of a model.

    Raises ValueError for one of which nothing fits, that names what both are made for; warns of
    what is left over, unless that was said.
    """
    known = table(model)
    found = []
    for lora in some:
        layers: dict[Place, tuple[Layer, ...]] = {}
        left = list(lora.unread)
        for name, layer in lora.layers.items():
            if (place := known.get(name)) is None:
                left.append(name)
            else:
                layers[place] = (*layers.get(place, ()), layer)
        if not layers:
            raise ValueError(
                f"nothing of {as_name(lora.name)} fits the model: it {_is_for(lora)}, and the "
                f"model is {_base_of(model)}; its first names are {first_few(left)}"
            )
        if left and not warned:
            more = f", ... ({len(left)} in all)" if len(left) > FIRST else ""
            warnings.warn(
                f"{len(left)} names of {as_name(lora.name)} are no layer's of this model, and are "
                f"left out: {', '.join(map(as_name, left[:FIRST]))}{more}",
                stacklevel=4,
            )
        found.append(Fitted(lora, layers))
    return found


def misfit(model: Any, lora: Lora, place: Place, why: object) -> ValueError:
    """The error for a layer whose shapes are not those of the model's weight."""
    return ValueError(
        f"{as_name(lora.name)} does not fit the model: {place.part}.{as_name(place.layer)} {why}; "
        f"it {_is_for(lora)}, and the model is {_base_of(model)}"
    )


def _is_for(lora: Lora) -> str:
    said = f"says that it was trained on {lora.base}" if lora.base else ""
    seen = _seen(lora)
    if said and seen:
        return f"{said} and looks made for {seen}"
    return said or (f"looks made for {seen}" if seen else "does not show what it is for")


def _seen(lora: Lora) -> str:
    """The base that a LoRA's names and shapes are of; "" where they show none."""
    for part, base in ELSEWHERE.items():
        plain = part.replace(".", "_")
        if any(part in name or plain in name for name in lora.layers):
            return base
    for name, layer in lora.layers.items():
        plain = name.replace(".", "_")
        if plain.endswith(("attn2_to_k", "attn2_processor_to_k")) and "down" in layer.tensors:
            width = layer.tensors["down"].shape[-1]
            return BASES.get(width, f"a network that reads text of {width} values a token")
    return "SDXL" if any(name.startswith("lora_te2_") for name in lora.layers) else ""


def _base_of(model: Any) -> str:
    family = family_of(model)
    width = width_of(getattr(model, family.network))
    named = BASES.get(width or 0, "")
    return f"{named or family.title} (text of {width} values a token)"
