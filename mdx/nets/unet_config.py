"""unet/config.json: what it says, and what of it mdx computes."""

from typing import Annotated, NamedTuple

from mdx import fields
from mdx.nets import layers
from mdx.nets.config import AVERAGED, check_blocks, check_divides

CROSS_DOWN, DOWN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, UP = "CrossAttnUpBlock2D", "UpBlock2D"
MID = "UNetMidBlock2DCrossAttn"

CHANNELS = fields.per_block(fields.SIZE)
LAYERS = fields.per_block(fields.DEPTH)
Kernel = Annotated[int, fields.choice(1, 3, 5, 7)]


class Config(NamedTuple):
    """unet/config.json, field for field; a value "per block" may also be a tuple over blocks."""

    # Latent height and width of training.
    sample_size: Annotated[int | tuple | None, fields.SIDES] = None
    in_channels: fields.Size = 4
    out_channels: fields.Size = 4
    center_input_sample: fields.Flag = False  # model input 2x - 1
    flip_sin_to_cos: fields.Flag = True
    freq_shift: Annotated[int, fields.whole(0, 1000)] = 0
    down_block_types: Annotated[tuple, fields.each_block(fields.choice(CROSS_DOWN, DOWN))] = (
        CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN,
    )  # fmt: skip
    up_block_types: Annotated[tuple, fields.each_block(fields.choice(CROSS_UP, UP))] = (
        UP, CROSS_UP, CROSS_UP, CROSS_UP,
    )  # fmt: skip
    mid_block_type: Annotated[str | None, fields.choice(MID, None)] = MID
    # Per block: the first attention reads the text too.
    only_cross_attention: Annotated[bool | tuple, fields.per_block(fields.FLAG)] = False
    block_out_channels: Annotated[tuple, fields.each_block(fields.SIZE)] = (
        320,
        640,
        1280,
        1280,
    )
    layers_per_block: Annotated[int | tuple, LAYERS] = 2  # per block
    downsample_padding: Annotated[int, fields.choice(0, 1)] = 1
    mid_block_scale_factor: Annotated[float, fields.number(0, above=True)] = 1.0
    act_fn: Annotated[str, fields.choice(*layers.ACTIVATIONS)] = "silu"
    norm_num_groups: fields.Size = 32
    norm_eps: Annotated[float, fields.number(0, 1)] = 1e-5
    cross_attention_dim: Annotated[int | tuple, CHANNELS] = 1280  # per block
    transformer_layers_per_block: Annotated[int | tuple, LAYERS] = 1  # per block
    # Per block; the number of heads, whatever the name says.
    attention_head_dim: Annotated[int | tuple, CHANNELS] = 8
    use_linear_projection: fields.Flag = False
    upcast_attention: fields.Flag = False
    resnet_time_scale_shift: Annotated[str, fields.choice("default", "scale_shift")] = "default"
    time_embedding_dim: Annotated[int | None, fields.nullable(fields.SIZE)] = None
    conv_in_kernel: Kernel = 3
    conv_out_kernel: Kernel = 3


# Keys by which other kinds of UNet differ, with what they say of this one.
NEUTRAL = {
    "num_attention_heads": fields.choice(None),
    "reverse_transformer_layers_per_block": fields.choice(None),
    "encoder_hid_dim": fields.choice(None),
    "encoder_hid_dim_type": fields.choice(None),
    "dual_cross_attention": fields.choice(False, None),
    "class_embed_type": fields.choice(None),
    "addition_embed_type": fields.choice(None),
    "num_class_embeds": fields.choice(None),
    "resnet_skip_time_act": fields.choice(False, None),
    "resnet_out_scale_factor": fields.choice(1.0, None),
    "time_embedding_type": fields.choice("positional"),
    "time_embedding_act_fn": fields.choice(None),
    "timestep_post_act": fields.choice(None),
    "time_cond_proj_dim": fields.choice(None),
    "projection_class_embeddings_input_dim": fields.choice(None),
    "attention_type": fields.choice("default", None),
    "class_embeddings_concat": fields.choice(False, None),
    "mid_block_only_cross_attention": fields.choice(None, False),
    "cross_attention_norm": fields.choice(None),
}
# These say nothing unless another key, refused above, is set; dropout is for training only.
SILENT = ("dropout", "addition_time_embed_dim", "addition_embed_type_num_heads", *AVERAGED)


def from_json(json: dict) -> Config:
    """unet/config.json as a Config. Raises ValueError naming what is not supported."""
    config = fields.read(Config, json, NEUTRAL, SILENT)
    channels, down, up = config.block_out_channels, config.down_block_types, config.up_block_types
    if not len(down) == len(up) == len(channels):
        raise ValueError(
            f"block_out_channels has {len(channels)} entries for {len(down)} down_block_types and "
            f"{len(up)} up_block_types: expected the same number"
        )
    for field in PER_BLOCK:
        check_blocks(getattr(config, field), len(down), field)
    check_divides(channels, config.norm_num_groups, "groups (block_out_channels, norm_num_groups)")
    for level, count in enumerate(channels):
        heads = at(config.attention_head_dim, level)
        check_divides((count,), heads, "heads (block_out_channels, attention_head_dim)")
    check_divides(channels[:1], 2, "halves for sines and cosines of the time (block_out_channels)")
    if config.freq_shift >= channels[0] // 2:
        raise ValueError(
            f"freq_shift {config.freq_shift} is not supported, only below half the first of "
            f"block_out_channels, {channels[0]}"
        )
    return config


def depth(config: Config) -> int:
    """The number of residual and transformer layers, each of which has weights of its own."""
    levels = range(len(config.block_out_channels))
    inner = [at(config.transformer_layers_per_block, level) for level in levels]
    count = [at(config.layers_per_block, level) for level in levels]
    down = [kind == CROSS_DOWN for kind in config.down_block_types]
    up = [kind == CROSS_UP for kind in reversed(config.up_block_types)]
    total = sum(
        count[i] * (1 + down[i] * inner[i]) + (count[i] + 1) * (1 + up[i] * inner[i])
        for i in levels
    )
    return total + (2 + inner[-1] if config.mid_block_type else 0)


PER_BLOCK = (
    "only_cross_attention",
    "layers_per_block",
    "cross_attention_dim",
    "transformer_layers_per_block",
    "attention_head_dim",
)


def at(value, level):
    """The entry for one level of a value that may be the same for all."""
    return value[level] if isinstance(value, (list, tuple)) else value
