"""Names of a VAE's weights in files of the first implementation, and its blocks by those names.

The decoder's levels are numbered from the finest there, and attention is of 1x1 convolutions.
"""

import re
from typing import NamedTuple

from mdx.single_file.names import Names
from mdx.single_file.unet_names import Shapes

__all__ = ["VaeBlocks", "blocks", "names"]

RESIDUAL = {name: name for name in ("norm1", "conv1", "norm2", "conv2")}
RESIDUAL["conv_shortcut"] = "nin_shortcut"
ATTENTION = {
    "group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out",
}  # fmt: skip

BLOCK = re.compile(r"encoder\.down\.(\d{1,2})\.block\.(\d{1,2})\.", re.ASCII)


class VaeBlocks(NamedTuple):
    """What a VAE is built of."""

    levels: int  # of resolution
    layers: int  # residual blocks at each level of the encoder; the decoder has one more


def names(of: VaeBlocks) -> Names:
    """How a file calls the weights of a VAE of these blocks.

    Args:
        of: its blocks.

    Returns:
        The Names.
    """
    modules = {name: name for name in ("quant_conv", "post_quant_conv")}

    def residual(ours: str, theirs: str) -> None:
        for inner, other in RESIDUAL.items():
            modules[f"{ours}.{inner}"] = f"{theirs}.{other}"

    for half in ("encoder", "decoder"):
        for name, other in (("conv_in", "conv_in"), ("conv_norm_out", "norm_out")):
            modules[f"{half}.{name}"] = f"{half}.{other}"
        modules[f"{half}.conv_out"] = f"{half}.conv_out"
        for block in (0, 1):
            residual(f"{half}.mid_block.resnets.{block}", f"{half}.mid.block_{block + 1}")
        for inner, other in ATTENTION.items():
            modules[f"{half}.mid_block.attentions.0.{inner}"] = f"{half}.mid.attn_1.{other}"
    for level in range(of.levels):
        for layer in range(of.layers):
            ours = f"encoder.down_blocks.{level}.resnets.{layer}"
            residual(ours, f"encoder.down.{level}.block.{layer}")
        fine = of.levels - 1 - level
        for layer in range(of.layers + 1):
            residual(
                f"decoder.up_blocks.{level}.resnets.{layer}", f"decoder.up.{fine}.block.{layer}"
            )
        if level < of.levels - 1:
            down, up = f"encoder.down_blocks.{level}", f"decoder.up_blocks.{level}"
            modules[f"{down}.downsamplers.0.conv"] = f"encoder.down.{level}.downsample.conv"
            modules[f"{up}.upsamplers.0.conv"] = f"decoder.up.{fine}.upsample.conv"
    return Names(modules)


def blocks(shapes: Shapes) -> VaeBlocks:
    """The blocks of a VAE by a file's names, those of the VAE alone and without a prefix.

    Args:
        shapes: of its tensors, by name.

    Returns:
        The VaeBlocks. Of tensors that make no VAE they are blocks that lack some of them.
    """
    found = {(match[1], match[2]) for match in map(BLOCK.match, shapes) if match}
    # How many there are, not how they are numbered: a number alone could make a million names.
    levels = len({level for level, _ in found})
    return VaeBlocks(max(1, levels), max(1, len({layer for _, layer in found})))
