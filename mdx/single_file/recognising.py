"""What a file is, by the names and shapes of its tensors."""

import re
from typing import NamedTuple

from mdx.files import first_few
from mdx.single_file import contents
from mdx.single_file.contents import Held
from mdx.single_file.originals import BY_TENSOR, ORIGINALS, VARIATIONS, Original
from mdx.single_file.signs import BEFORE, LATER, OTHERS, Sign
from mdx.single_file.unet_names import Shapes

__all__ = ["What", "recognised"]

# Ends of names that changes to weights have: LoRA, LoHa, LoKr and their like.
CHANGES = re.compile(
    r"(.*[._])?(lora_(down|up|A|B|mid)(\.\w+)?\.weight|lora\.(down|up)\.weight"
    r"|lora_linear_layer\.(down|up)\.weight|(hada|lokr)_(w\d|t\d)(_[ab])?|lora_magnitude_vector"
    r"|dora_scale|oft_blocks|[ab]\d\.weight)",
    re.ASCII,
)
WORDS = {"emb_params", "clip_l", "clip_g", "t5xxl"}  # tensors of embeddings that stand for words
WIDTHS = (768, 1024, 1280)  # values a token, of text encoders
FEW = 4  # tensors of a file of embeddings


class What(NamedTuple):
    """What a file is."""

    sort: str  # "checkpoint", "unet", "vae", "text encoder", "lora", "embedding", ... or "unknown"
    title: str  # in sentences: "SDXL, for inpainting", "a LoRA"
    original: Original | None = None  # of a checkpoint that mdx knows, or of its network alone
    unet: Held | None = None  # how its UNet lies in it
    advice: str = LATER  # why mdx does not load it as a checkpoint, where it does not


def recognised(shapes: Shapes) -> What:
    """What a file is.

    Args:
        shapes: of its tensors, by name.

    Returns:
        What. Checkpoints are told by their text encoders, and networks alone by what they read.
    """
    if sign := _first(BEFORE, shapes):
        return What(sign.sort, sign.title, advice=sign.advice)
    if (held := contents.found("unet", shapes)) is not None:
        return _network(held, shapes)
    if changes := [name for name in shapes if CHANGES.fullmatch(name)]:
        return What("lora", _words_of_changes(changes), advice="which mdx.lora.load reads")
    if sign := _first(OTHERS, shapes):
        return What(sign.sort, sign.title, advice=sign.advice)
    if contents.found("vae", shapes) is not None:
        return What("vae", "a VAE alone", advice="which mdx.load_vae reads")
    if contents.found("clip", shapes) is not None:
        return What("text encoder", "a text encoder alone", advice="which mdx.load_part reads")
    if _is_embedding(shapes):
        title = "an embedding of words (textual inversion)"
        return What("embedding", title, advice="which mdx.textual_inversion.add reads")
    title = f"of a kind that mdx does not know; its tensors are {first_few(sorted(shapes))}"
    return What("unknown", title if shapes else "a file without tensors")


def _first(signs: tuple[Sign, ...], shapes: Shapes) -> Sign | None:
    """The first sign that a file has."""
    for sign in signs:
        if any(prefix + key in shapes for key in sign.keys for prefix in contents.PREFIXES):
            return sign
    return None


def _network(held: Held, shapes: Shapes) -> What:
    """What a file with a UNet is."""
    own = contents.stripped(shapes, held)
    original = _by_text(shapes) or _by_widths(own)
    original = next((one for key, one in BY_TENSOR.items() if key in own), original)
    is_told = original is not None and original.told is None and "label_emb.0.0.weight" in own
    refused = "whose UNet is told of a picture (unCLIP)" if is_told else None
    vae = contents.found("vae", shapes, ("first_stage_model.", "vae."))
    alone = vae is None and _by_text(shapes) is None
    sort = "unet" if alone else "checkpoint"
    if original is None:
        title = "a UNet that mdx does not know by what it reads"
        return What(sort, title, unet=held)
    if refused is not None:
        return What(sort, f"{original.title}, {refused}", unet=held)
    first = own.get("input_blocks.0.0.weight") or own.get("conv_in.weight") or ()
    channels = first[1] if len(first) == 4 and original.complete else 4
    title = original.title + VARIATIONS.get(channels, (f", of {channels} channels", ""))[0]
    if alone:
        return What(sort, f"the UNet of {title} alone", original, held, "which mdx.load_part reads")
    return What(sort, title, original, held)


def _by_text(shapes: Shapes) -> Original | None:
    """The kind of checkpoint whose text encoders a file has."""
    for original in ORIGINALS:
        prefixes = [original.parts[part] for part in original.text]
        if all(contents.found("clip", shapes, (prefix,)) for prefix in prefixes):
            return original
    return None


def _by_widths(own: Shapes) -> Original | None:
    """The kind of checkpoint whose UNet reads what this one does."""
    read = {
        shape[-1] for name, shape in own.items() if name.endswith("attn2.to_k.weight") and shape
    }
    told = own.get("label_emb.0.0.weight") or own.get("add_embedding.linear_1.weight")
    for original in ORIGINALS:
        if read == {original.context} and (told[-1] if told else None) == original.told:
            return original
    return None


def _words_of_changes(names: list[str]) -> str:
    if any("hada_" in name for name in names):
        return "a LoRA (LoHa)"
    if any("lokr_" in name for name in names):
        return "a LoRA (LoKr)"
    return "a LoRA"


def _is_embedding(shapes: Shapes) -> bool:
    if not shapes or len(shapes) > FEW:
        return False
    wide = all(
        "." not in name and len(shape) in (1, 2) and shape[-1] in WIDTHS
        for name, shape in shapes.items()
    )
    return shapes.keys() <= WORDS or wide
