"""Names of a CLIP text encoder's weights: transformers' own, and OpenCLIP's.

OpenCLIP's attention has the rows of queries, keys and values in one tensor, and its projection of
texts has rows where ours has columns. Reproducible scaling laws, arXiv 2212.07143.
"""

import re

from mdx.single_file.names import Names, Source
from mdx.single_file.unet_names import Shapes

__all__ = ["BARE", "OWN", "depth", "layer", "open_clip"]

# As transformers has them, and as its version 5 and early merges do.
OWN = Names({"": ""})
BARE = Names({"text_model": "", "text_projection": "text_projection"})

LAYER = re.compile(
    r"(?:(?:text_model\.)?encoder\.layers|transformer\.resblocks)\.(\d{1,3})\.", re.ASCII
)


def open_clip(layers: int) -> Names:
    """How a file of OpenCLIP's calls the weights of a text encoder of so many layers.

    Args:
        layers: of the transformer.

    Returns:
        The Names.
    """
    embeddings = "text_model.embeddings"
    modules = {
        f"{embeddings}.token_embedding": "token_embedding",
        "text_model.final_layer_norm": "ln_final",
    }
    stacked = {}
    for layer in range(layers):
        ours, theirs = f"text_model.encoder.layers.{layer}", f"transformer.resblocks.{layer}"
        modules[f"{ours}.layer_norm1"] = f"{theirs}.ln_1"
        modules[f"{ours}.layer_norm2"] = f"{theirs}.ln_2"
        modules[f"{ours}.self_attn.out_proj"] = f"{theirs}.attn.out_proj"
        modules[f"{ours}.mlp.fc1"] = f"{theirs}.mlp.c_fc"
        modules[f"{ours}.mlp.fc2"] = f"{theirs}.mlp.c_proj"
        for block, name in enumerate(("q_proj", "k_proj", "v_proj")):
            stacked[f"{ours}.self_attn.{name}"] = (f"{theirs}.attn.in_proj", block)
    tensors = {
        f"{embeddings}.position_embedding.weight": Source("positional_embedding"),
        "text_projection.weight": Source("text_projection", transposed=True),
    }
    return Names(modules, stacked, tensors)


def layer(name: str) -> int | None:
    """The layer that a file's tensor is of.

    Args:
        name: of the tensor, without a prefix.

    Returns:
        Its number; None for what is of none.
    """
    match = LAYER.match(name)
    return int(match[1]) if match else None


def depth(shapes: Shapes) -> int:
    """The layers of a text encoder by a file's names, its own alone and without a prefix.

    Args:
        shapes: of its tensors, by name.

    Returns:
        How many.
    """
    return 1 + max((found for name in shapes if (found := layer(name)) is not None), default=-1)
