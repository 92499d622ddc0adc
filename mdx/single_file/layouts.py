"""Names of a net's weights in the first implementation's files, by its config: for writing them."""

from typing import Any

from mdx.nets.unet_config import Config, has_transformers, per_level, transformer_depth
from mdx.single_file import text_names, unet_names, vae_names
from mdx.single_file.names import Names
from mdx.single_file.unet_names import Blocks
from mdx.single_file.vae_names import VaeBlocks

__all__ = ["names_for"]


def names_for(kind: str, config: Any, open_clip: bool = False) -> Names:
    """How a file of the first implementation calls the weights of a net.

    Args:
        kind: of net: "unet", "vae" or "clip".
        config: the net's record.
        open_clip: whether a text encoder has OpenCLIP's names, else transformers'.

    Returns:
        The Names.
    """
    if kind == "vae":
        return vae_names.names(VaeBlocks(len(config.block_out_channels), config.layers_per_block))
    if kind == "clip":
        return text_names.open_clip(config.num_hidden_layers) if open_clip else text_names.OWN
    return unet_names.names(_blocks(config))


def _blocks(config: Config) -> Blocks:
    last = len(config.block_out_channels) - 1

    def level(part: str, number: int) -> tuple[int | None, ...]:
        count = per_level(config.layers_per_block, number) + (part == "up")
        if not has_transformers(config, part, number):
            return (None,) * count
        return tuple(transformer_depth(config, part, number, layer) for layer in range(count))

    down = tuple(level("down", number) for number in range(last + 1))
    up = tuple(level("up", number) for number in range(last, -1, -1))
    if config.mid_block_type is None:
        return Blocks(down, (), up)
    middle = (
        (transformer_depth(config, "mid"), None) if has_transformers(config, "mid") else (None,)
    )
    return Blocks(down, middle, up)
