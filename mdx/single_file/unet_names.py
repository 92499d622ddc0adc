"""Names of a UNet's weights in files of the first implementation, and its blocks by those names.

The way down is one list there (input_blocks: the first convolution, residual blocks with their
transformers, and convolutions that halve), the way up another one (output_blocks).
High-resolution image synthesis with latent diffusion models, arXiv 2112.10752.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from mdx.single_file.names import Names

__all__ = ["Blocks", "Level", "blocks", "names"]

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

# The residual blocks at one resolution: of each the layers of the transformer that follows it, None
# where none does.
Level: TypeAlias = tuple[int | None, ...]

RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj",
    "class_embedding": "label_emb",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}

PLACE = re.compile(r"(input_blocks|output_blocks)\.(\d{1,3})\.(\d)\.(.+)", re.ASCII)
LAYER = re.compile(r"transformer_blocks\.(\d{1,4})\.", re.ASCII)


class Blocks(NamedTuple):
    """What a UNet is built of."""

    down: tuple[Level, ...]  # by resolution, the finest first
    mid: Level  # of one or two residual blocks, the transformer after the first; or of none
    up: tuple[Level, ...]  # the coarsest first


def names(of: Blocks) -> Names:
    """How a file calls the weights of a UNet of these blocks.

    Args:
        of: its blocks.

    Returns:
        The Names.
    """
    modules = dict(OUTSIDE)

    def residual(ours: str, theirs: str) -> None:
        for inner, other in RESIDUAL.items():
            modules[f"{ours}.{inner}"] = f"{theirs}.{other}"

    number = 1
    for level, layers in enumerate(of.down):
        for layer, depth in enumerate(layers):
            residual(f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{number}.0")
            if depth is not None:
                name = f"down_blocks.{level}.attentions.{layer}"
                modules[name] = f"input_blocks.{number}.1"
            number += 1
        if level < len(of.down) - 1:
            modules[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
            number += 1
    if of.mid:
        residual("mid_block.resnets.0", "middle_block.0")
    if len(of.mid) > 1:
        modules["mid_block.attentions.0"] = "middle_block.1"
        residual("mid_block.resnets.1", "middle_block.2")
    number = 0
    for level, layers in enumerate(of.up):
        for layer, depth in enumerate(layers):
            residual(f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{number}.0")
            if depth is not None:
                modules[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{number}.1"
            if layer == len(layers) - 1 and level < len(of.up) - 1:
                place = 1 if depth is None else 2
                name = f"up_blocks.{level}.upsamplers.0.conv"
                modules[name] = f"output_blocks.{number}.{place}.conv"
            number += 1
    return Names(modules)


def blocks(shapes: Shapes) -> Blocks:
    """The blocks of a UNet by a file's names, those of the UNet alone and without a prefix.

    Args:
        shapes: of its tensors, by name.

    Returns:
        The Blocks. Of tensors that make no UNet they are blocks that lack some of them.
    """
    depths: dict[tuple[str, int], int | None] = {}
    changes: set[tuple[str, int]] = set()  # where the resolution changes
    for name in shapes:
        match = PLACE.fullmatch(name)
        if match is None or (match[1] == "input_blocks" and int(match[2]) == 0):
            continue
        place, part, inner = (match[1], int(match[2])), match[3], match[4]
        if inner.startswith(("op.", "conv.")):
            changes.add(place)
        if part == "0" and not inner.startswith("op."):
            depths.setdefault(place, None)
        elif part == "1" and not inner.startswith("conv."):
            layer = LAYER.match(inner)
            depth = int(layer[1]) + 1 if layer else 0
            depths[place] = max(depth, depths.get(place) or 0)
    return Blocks(
        _levels("input_blocks", depths, changes),
        _mid(shapes),
        _levels("output_blocks", depths, changes),
    )


def _levels(
    way: str, depths: Mapping[tuple[str, int], int | None], changes: set[tuple[str, int]]
) -> tuple[Level, ...]:
    """The levels of one way; each ends where the resolution changes."""
    found: list[list[int | None]] = [[]]
    numbers = {number for one, number in (*depths, *changes) if one == way}
    for number in sorted(numbers):
        if (way, number) in depths:
            found[-1].append(depths[way, number])
        if (way, number) in changes:
            found.append([])
    return tuple(tuple(level) for level in found)


def _mid(shapes: Shapes) -> Level:
    if "middle_block.0.in_layers.2.weight" not in shapes:
        return ()
    inner = [name for name in shapes if name.startswith("middle_block.1.")]
    if not inner:
        return (None,)
    matches = [LAYER.match(name.removeprefix("middle_block.1.")) for name in inner]
    return (max((int(match[1]) + 1 for match in matches if match), default=0), None)
