"""The names that a UNet's layers have in the original code (LDM), which many LoRAs go by.

Of any arrangement of blocks: input_blocks, middle_block and output_blocks number what the list of
stages has in its order.
"""

from collections.abc import Iterable

from mdx.nets import unet_stages
from mdx.nets.unet_config import Config

__all__ = ["ldm_names"]

ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}

# Of a residual block.
INSIDE = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def ldm_names(config: Config, layers: Iterable[str]) -> dict[str, str]:
    """The name in the original code of each of a UNet's layers.

    config: the UNet's; layers: their names in diffusers' layout.
    """
    blocks = _blocks(config)
    found = {}
    for layer in layers:
        if layer in ENDS:
            found[layer] = ENDS[layer]
            continue
        stage = next((name for name in blocks if layer == name or layer.startswith(name + ".")), "")
        inner = layer[len(stage) + 1 :]
        if stage:
            own = INSIDE.get(inner, inner) if ".resnets." in stage else inner
            found[layer] = f"{blocks[stage]}.{own}" if own else blocks[stage]
    return found


def _blocks(config: Config) -> dict[str, str]:
    """The original name of each stage of a UNet."""
    found = {}
    down, middle, up, part = 0, -1, -1, 0
    for stage in unet_stages.stages(config):
        if stage.name.startswith("mid_block"):
            middle += 1
            found[stage.name] = f"middle_block.{middle}"
            continue
        if stage.name.startswith("down_blocks"):
            down += stage.kind in ("resnet", "downsample")
            block = f"input_blocks.{down}"
        else:
            up += stage.kind == "resnet"
            block = f"output_blocks.{up}"
        part = 0 if stage.kind in ("resnet", "downsample") else part + 1
        last = {"downsample": ".op", "upsample": ".conv"}.get(stage.kind, "")
        found[stage.name] = f"{block}.{part}{last}"
    return found
