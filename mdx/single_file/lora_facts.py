"""What a LoRA's file says of itself: its ranks and what it changes, its base, its trigger words.

Trainers write what they did into the file's metadata: ss_* by kohya's scripts, modelspec.* by a
specification of Stability AI's.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from mdx.single_file.unet_names import Shapes

__all__ = ["LoraFacts", "facts"]

FEW = 20  # trigger words that are told

# The tensor of a pair whose rows are its ranks.
DOWN = re.compile(
    r"(?P<module>.+?)[._](lora_down|lora_A|lora\.down|lora_linear_layer\.down)(\.\w+)?\.weight",
    re.ASCII,
)
OTHER = re.compile(r"(?P<module>.+?)\.(hada_w1_b|lokr_w[12]_b)", re.ASCII)

# Values a token that the layers read which attend to the text, and whose they are.
BASES = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "SDXL"}
TEXT = re.compile(r"attn2[._]to_[kv]$", re.ASCII)

VERSIONS = {"sdxl": "SDXL", "sd_v1": "Stable Diffusion 1.x", "sd_v2": "Stable Diffusion 2.x"}
ENCODERS = ("lora_te", "text_encoder", "te1", "te2")


class LoraFacts(NamedTuple):
    """What is known of a LoRA."""

    ranks: tuple[int, ...]  # of its layers, each once
    layers: int  # that it changes
    text_encoder: bool  # whether it changes a text encoder, too
    base: str | None  # what it is for, by its shapes or else by what it says
    said_base: str | None  # what it says that it was trained on
    triggers: tuple[str, ...]  # words of its training's captions, the commonest first


def facts(shapes: Shapes, metadata: Mapping[str, str]) -> LoraFacts:
    """What is known of a LoRA.

    Args:
        shapes: of its tensors, by name.
        metadata: what its writer said.

    Returns:
        The LoraFacts.
    """
    ranks, modules, widths = set(), set(), set()
    for name, shape in shapes.items():
        match = DOWN.fullmatch(name) or OTHER.fullmatch(name)
        if match is None or not shape:
            continue
        modules.add(match["module"])
        ranks.add(shape[0])
        if TEXT.search(match["module"]) and len(shape) > 1:
            widths.add(shape[1])
    said = next(
        (
            metadata[key]
            for key in ("ss_base_model_version", "modelspec.architecture", "ss_sd_model_name")
            if metadata.get(key)
        ),
        None,
    )
    by_shape = BASES.get(widths.pop()) if len(widths) == 1 else None
    words = said or ""
    by_words = next((title for key, title in VERSIONS.items() if words.startswith(key)), None)
    return LoraFacts(
        ranks=tuple(sorted(ranks)),
        layers=len(modules),
        text_encoder=any(name.startswith(ENCODERS) for name in modules),
        base=by_shape or by_words,
        said_base=said,
        triggers=_triggers(metadata),
    )


def _triggers(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """What its author calls trigger words, else the commonest tags of its training."""
    if phrase := metadata.get("modelspec.trigger_phrase"):
        return tuple(filter(None, (part.strip() for part in phrase.split(","))))[:FEW]
    counts: Counter[str] = Counter()
    for tags in _object(metadata.get("ss_tag_frequency")).values():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if type(count) is int and tag.strip():
                counts[tag.strip()] += count
    return tuple(tag for tag, _ in counts.most_common(FEW))


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
