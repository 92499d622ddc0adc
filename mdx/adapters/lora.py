"""LoRAs: changes to a model's weights, as values."""

import os
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from mdx import hub
from mdx.adapters import lora_file, lora_merge, sources
from mdx.adapters.lora_file import Lora
from mdx.families import Model

__all__ = ["Lora", "load", "merge"]

PACKAGED = hub.PACKAGED.parent / "loras"
STRIPED = "striped.safetensors"

Weighted: TypeAlias = Lora | tuple[Lora, float]
# What `mdx.generate` takes: one for all images, or an entry for each.
Worn: TypeAlias = Weighted | Sequence[Weighted | Sequence[Weighted] | None]
Scale: TypeAlias = float | Mapping[str, float]


def load(
    source: str | os.PathLike[str] | None = None,
    *,
    file: str | None = None,
    revision: str | None = None,
    offline: bool = False,
) -> Lora:
    """Read a LoRA, of any kind and in any dialect of names that mdx knows.

    Args:
        source: a safetensors file, a folder that holds one, or a Hub id. None is one in the
            package, for its small checkpoint: striped grounds, whatever the prompt says, or, with
            file="black.safetensors", black ones.
        file: its path within the folder or the repository, where that holds several.
        revision: a Hub branch, tag or commit.
        offline: whether only what is cached is used.

    Returns:
        The Lora, a value that knows no model yet: `merge` looks for its layers in one.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, ValueError: that say what to do; for
            adapters that are no LoRA, by their name.
    """
    if source is None:
        source, file = PACKAGED, STRIPED if file is None else file
    path = sources.found(source, file=file, revision=revision, offline=offline)
    return lora_file.read(path)


def merge(
    model: Model,
    lora: Lora | Sequence[Lora | tuple[Lora, Scale]],
    scale: Scale = 1.0,
) -> Model:
    """Add what LoRAs have learned to a model's weights.

    W becomes W + sum s_i dW_i, computed in float32 or better, added once and cast once. The model
    that is given stays as it is; what no LoRA touches is shared with it, and stays mapped.

    Args:
        model: what `mdx.load` returned, of whatever dtype.
        lora: what `load` returned, or a list of several, each by itself or with a scale of its own.
        scale: of all of them, times their own: a number, which may be negative, or numbers by the
            parts of the model, or by what the names of layers begin with, such as
            {"text_encoder": 0, "unet.up_blocks": 0.5}: the longest counts, and others are 1.

    Returns:
        A model of the same family.

    Raises:
        TypeError, ValueError: for what is no LoRA and no strength; for one that does not fit, with
            what it was made for and what the model is; for sums too large for the weights' dtype.
    """
    return lora_merge.merged(model, lora, scale)
