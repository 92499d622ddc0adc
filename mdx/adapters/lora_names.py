"""What a LoRA may call each layer of a model: one table, made of the model's own parameters.

Nothing is taken apart and guessed. Each layer has a name in every dialect, with dots or with
underscores in their place, and a LoRA's layers are looked up by the whole name.
"""

from typing import Any, NamedTuple

from mdx.adapters.lora_ldm import ldm_names
from mdx.families import family_of
from mdx.net import Net

__all__ = ["Place", "table"]


class Place(NamedTuple):
    """A layer of a model."""

    part: str  # the folder of the net
    layer: str  # its name there, without .weight and .bias


# What a name begins with, of the network that denoises: diffusers, PEFT, LyCORIS, ComfyUI; nothing
# where attention processors were saved by themselves.
DOTTED = ("unet.", "", "base_model.model.", "base_model.model.unet.", "unet.base_model.model.")
ORIGINAL = ("diffusion_model.", "model.diffusion_model.")
SCORED = ("lora_unet_", "lycoris_", "lycoris_unet_")

# ComfyUI's names of the text encoders.
COMFY = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}

# Attention layers in diffusers' first files: what the name ends with, and what it ended with then.
PROCESSORS = {
    f".{attention}.{end}": f".{attention}.processor.{end.removesuffix('.0')}"
    for attention in ("attn1", "attn2")
    for end in ("to_q", "to_k", "to_v", "to_out.0")
}
OLD_TEXT = {".q_proj": ".to_q", ".k_proj": ".to_k", ".v_proj": ".to_v", ".out_proj": ".to_out"}


def table(model: Any) -> dict[str, Place]:
    """Every name that a layer of a model may have in a LoRA.

    A name that two layers would have is left out, and so is found by nobody.
    """
    family = family_of(model)
    found: dict[str, Place] = {}
    twice = set()
    encoders = family.encoders(model)
    for part in [family.network, *encoders]:
        net: Net = getattr(model, part)
        layers = dict.fromkeys(name.rpartition(".")[0] for name in net.params)
        if part == family.network:
            names = _network_names(net, list(layers))
        else:
            names = _text_names(part, list(layers), len(encoders) == 1)
        for name, layer in names:
            place = Place(part, layer)
            if found.setdefault(name, place) != place:
                twice.add(name)
    return {name: place for name, place in found.items() if name not in twice}


def _network_names(net: Net, layers: list[str]) -> list[tuple[str, str]]:
    """The names of a UNet's layers, each with the layer."""
    original = ldm_names(net.config, layers)
    found = []
    for layer in layers:
        both = [layer, original[layer]] if layer in original else [layer]
        dotted = [prefix + layer for prefix in DOTTED]
        dotted += [prefix + name for prefix in ORIGINAL for name in both]
        scored = [prefix + name.replace(".", "_") for prefix in SCORED for name in both]
        older = [
            prefix + layer.removesuffix(end) + old
            for end, old in PROCESSORS.items()
            if layer.endswith(end)
            for prefix in ("unet.", "")
        ]
        found += [(name, layer) for name in (*dotted, *scored, *older)]
    return found


def _text_names(part: str, layers: list[str], alone: bool) -> list[tuple[str, str]]:
    """The names of a text encoder's layers, each with the layer; alone: there is no other one."""
    number = part.removeprefix("text_encoder_") if part != "text_encoder" else "1"
    scored = [f"lora_te{number}_", *(["lora_te_"] if number == "1" or alone else [])]
    comfy = COMFY.get(part, "clip_l")
    dotted = [f"{part}.", f"{comfy}.transformer.", f"text_encoders.{comfy}.transformer."]
    if alone:
        dotted += ["text_encoder.", "base_model.model.", "base_model.model.text_encoder."]
    found = []
    for layer in layers:
        # transformers 5 leaves out what all names begin with.
        bare = layer.removeprefix("text_model.")
        old = [
            layer.removesuffix(end) + was for end, was in OLD_TEXT.items() if layer.endswith(end)
        ]
        names = [prefix + name for prefix in dotted for name in dict.fromkeys((layer, bare, *old))]
        names += [prefix + layer.replace(".", "_") for prefix in scored]
        found += [(name, layer) for name in names]
    return found
