"""unet/config.json: what it says, and what of it mdx computes."""

from typing import Annotated, Any, NamedTuple

from mdx import fields
from mdx.nets import layers
from mdx.nets.config import AVERAGED, check_blocks, check_divides

CROSS_DOWN, DOWN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, UP = "CrossAttnUpBlock2D", "UpBlock2D"
MID, PLAIN_MID = "UNetMidBlock2DCrossAttn", "UNetMidBlock2D"
TEXT_TIME = "text_time"

CHANNELS = fields.per_block(fields.SIZE)
LAYERS = fields.per_block(fields.DEPTH)
# Of transformers: where there are none in a block, its number counts for nothing and may be 0.
DEPTHS = fields.either(
    fields.whole(0, 1000),
    fields.listed(fields.whole(0, 1000), 1, 1001),
    words="a whole number from 0 to 1000, or a list of those for the layers of a block",
)
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
    # Two residual blocks with a transformer between them; one residual block alone; or nothing.
    mid_block_type: Annotated[str | None, fields.choice(MID, PLAIN_MID, None)] = MID
    # Per block: the first attention attends to the text too.
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
    # Per block, or for each of a block's transformers; those in the middle are the last block's.
    transformer_layers_per_block: Annotated[int | tuple, fields.per_block(DEPTHS)] = 1
    # The same for the blocks on the way up, in their order; None: as on the way down.
    reverse_transformer_layers_per_block: Annotated[
        tuple | None, fields.nullable(fields.each_block(DEPTHS))
    ] = None
    # Per block; the number of heads, whatever the name says.
    attention_head_dim: Annotated[int | tuple, CHANNELS] = 8
    use_linear_projection: fields.Flag = False
    upcast_attention: fields.Flag = False
    resnet_time_scale_shift: Annotated[str, fields.choice("default", "scale_shift")] = "default"
    time_embedding_dim: Annotated[int | None, fields.nullable(fields.SIZE)] = None
    # "text_time": the model is told a vector of the text, and numbers about the picture.
    addition_embed_type: Annotated[str | None, fields.choice(None, TEXT_TIME)] = None
    # Sines and cosines of each of those numbers; width of the vector and of all those together.
    addition_time_embed_dim: Annotated[int | None, fields.nullable(fields.SIZE)] = None
    projection_class_embeddings_input_dim: Annotated[int | None, fields.nullable(fields.SIZE)] = (
        None
    )
    # Sines and cosines of the guidance that a distilled model is told; None: it is told none.
    time_cond_proj_dim: Annotated[int | None, fields.nullable(fields.SIZE)] = None
    # Noise levels of the picture that an upscaler reads, each with a vector; None: it is told none.
    num_class_embeds: Annotated[int | None, fields.nullable(fields.SIZE)] = None
    conv_in_kernel: Kernel = 3
    conv_out_kernel: Kernel = 3


# Keys by which other kinds of UNet differ, with what they say of this one.
NEUTRAL = {
    "num_attention_heads": fields.choice(None),
    "encoder_hid_dim": fields.choice(None),
    "encoder_hid_dim_type": fields.choice(None),
    "dual_cross_attention": fields.choice(False, None),
    "class_embed_type": fields.choice(None),
    "resnet_skip_time_act": fields.choice(False, None),
    "resnet_out_scale_factor": fields.choice(1.0, None),
    "time_embedding_type": fields.choice("positional"),
    "time_embedding_act_fn": fields.choice(None),
    "timestep_post_act": fields.choice(None),
    "attention_type": fields.choice("default", None),
    "class_embeddings_concat": fields.choice(False, None),
    "mid_block_only_cross_attention": fields.choice(None, False),
    "cross_attention_norm": fields.choice(None),
}
# These say nothing unless another key, refused above, is set; dropout is for training only.
SILENT = ("dropout", "addition_embed_type_num_heads", *AVERAGED)


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
        heads = per_level(config.attention_head_dim, level)
        check_divides((count,), heads, "heads (block_out_channels, attention_head_dim)")
    _check_depths(config)
    _check_waves(channels[0], config.freq_shift, "the first of block_out_channels")
    if config.addition_embed_type is not None:
        _check_addition(config)
    told = config.time_cond_proj_dim
    if told is not None and (told < 4 or told % 2):
        raise ValueError(f"time_cond_proj_dim {told} is not supported, only an even number from 4")
    return config


def _check_depths(config: Config) -> None:
    """Raise ValueError unless there is a number for each transformer."""
    down, up = config.transformer_layers_per_block, config.reverse_transformer_layers_per_block
    levels = len(config.block_out_channels)
    if up is None and isinstance(down, tuple) and any(isinstance(one, tuple) for one in down):
        raise ValueError(
            "reverse_transformer_layers_per_block null is not supported where "
            "transformer_layers_per_block has lists within it, only a list for the way up"
        )
    for level in range(levels):
        count = per_level(config.layers_per_block, level)
        if config.down_block_types[level] == CROSS_DOWN:
            check_blocks(
                per_level(down, level), count, f"transformer_layers_per_block[{level}]", "layers"
            )
        number = levels - 1 - level
        if up is not None and config.up_block_types[number] == CROSS_UP:
            name = f"reverse_transformer_layers_per_block[{number}]"
            check_blocks(up[number], count + 1, name, "layers")


def _check_addition(config: Config) -> None:
    """Raise ValueError unless the widths of what is told beside the text are there, and fit."""
    waves, width = config.addition_time_embed_dim, config.projection_class_embeddings_input_dim
    if waves is None:
        raise ValueError("addition_time_embed_dim null is not supported with addition_embed_type")
    if width is None:
        raise ValueError(
            "projection_class_embeddings_input_dim null is not supported with addition_embed_type"
        )
    _check_waves(waves, config.freq_shift, "addition_time_embed_dim")
    if width <= waves:
        raise ValueError(
            f"projection_class_embeddings_input_dim {width} is not supported, only more than "
            f"addition_time_embed_dim, {waves}: it is that of each number and a vector of text"
        )


def _check_waves(channels: int, shift: int, name: str) -> None:
    """Raise ValueError unless so many channels are sines and cosines; shift: freq_shift."""
    check_divides((channels,), 2, f"halves for sines and cosines ({name})")
    if shift >= channels // 2:
        raise ValueError(
            f"freq_shift {shift} is not supported, only below half of {name}, {channels}"
        )


def depth(config: Config) -> int:
    """The number of residual and transformer layers, each of which has weights of its own."""
    total = {MID: 2 + transformer_depth(config, "mid"), PLAIN_MID: 1, None: 0}[
        config.mid_block_type
    ]
    for level in range(len(config.block_out_channels)):
        count = per_level(config.layers_per_block, level)
        total += count + sum(
            transformer_depth(config, "down", level, layer) for layer in range(count)
        )
        total += (
            count
            + 1
            + sum(transformer_depth(config, "up", level, layer) for layer in range(count + 1))
        )
    return total


PER_BLOCK = (
    "only_cross_attention",
    "layers_per_block",
    "cross_attention_dim",
    "transformer_layers_per_block",
    "reverse_transformer_layers_per_block",
    "attention_head_dim",
)


def has_transformers(config: Config, part: str, level: int = 0) -> bool:
    """Whether there are transformers in a part: "down" or "up" at a level, or "mid"."""
    if part == "mid":
        return config.mid_block_type == MID
    if part == "down":
        return config.down_block_types[level] == CROSS_DOWN
    return config.up_block_types[len(config.block_out_channels) - 1 - level] == CROSS_UP


def transformer_depth(config: Config, part: str, level: int = 0, layer: int = 0) -> int:
    """The layers of one transformer; 0 where `has_transformers` says that there is none."""
    if not has_transformers(config, part, level):
        return 0
    down, up = config.transformer_layers_per_block, config.reverse_transformer_layers_per_block
    last = len(config.block_out_channels) - 1
    if part == "mid":
        return per_level(per_level(down, last), 0)
    if part == "up" and up is not None:
        return per_level(up[last - level], layer)
    return per_level(per_level(down, level), layer)


def per_level(value: Any, level: int) -> Any:
    """The entry for one level of a value that may be the same for all."""
    return value[level] if isinstance(value, (list, tuple)) else value
