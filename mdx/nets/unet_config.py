"""unet/config.json: what it says, and what of it mdx computes."""

from typing import NamedTuple

from mdx.nets import layers
from mdx.nets.config import check_divides, parse, per_block

CROSS_DOWN, DOWN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, UP = "CrossAttnUpBlock2D", "UpBlock2D"
MID = "UNetMidBlock2DCrossAttn"


class Config(NamedTuple):
    """unet/config.json, field for field; a value "per block" may also be a tuple over blocks."""

    sample_size: int | tuple | None = None  # latent height and width of training
    in_channels: int = 4
    out_channels: int = 4
    center_input_sample: bool = False  # model input 2x - 1
    flip_sin_to_cos: bool = True
    freq_shift: int = 0
    down_block_types: tuple = (CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN)
    up_block_types: tuple = (UP, CROSS_UP, CROSS_UP, CROSS_UP)
    mid_block_type: str | None = MID
    only_cross_attention: bool | tuple = False  # per block: the first attention reads the text too
    block_out_channels: tuple = (320, 640, 1280, 1280)
    layers_per_block: int | tuple = 2  # per block
    downsample_padding: int = 1
    mid_block_scale_factor: float = 1.0
    act_fn: str = "silu"
    norm_num_groups: int = 32
    norm_eps: float = 1e-5
    cross_attention_dim: int | tuple = 1280  # per block
    transformer_layers_per_block: int | tuple = 1  # per block
    attention_head_dim: int | tuple = 8  # per block; the number of heads, whatever the name says
    use_linear_projection: bool = False
    upcast_attention: bool = False
    resnet_time_scale_shift: str = "default"
    time_embedding_dim: int | None = None
    conv_in_kernel: int = 3
    conv_out_kernel: int = 3


ALLOWED = {
    "mid_block_type": (MID, None),
    "downsample_padding": (0, 1),
    "act_fn": layers.ACTIVATIONS,
    "resnet_time_scale_shift": ("default", "scale_shift"),
    "conv_in_kernel": (1, 3, 5, 7),
    "conv_out_kernel": (1, 3, 5, 7),
    "num_attention_heads": (None,),
    "reverse_transformer_layers_per_block": (None,),
    "encoder_hid_dim": (None,),
    "encoder_hid_dim_type": (None,),
    "dual_cross_attention": (False,),
    "class_embed_type": (None,),
    "addition_embed_type": (None,),
    "num_class_embeds": (None,),
    "resnet_skip_time_act": (False,),
    "resnet_out_scale_factor": (1.0,),
    "time_embedding_type": ("positional",),
    "time_embedding_act_fn": (None,),
    "timestep_post_act": (None,),
    "time_cond_proj_dim": (None,),
    "projection_class_embeddings_input_dim": (None,),
    "attention_type": ("default",),
    "class_embeddings_concat": (False,),
    "mid_block_only_cross_attention": (None, False),
    "cross_attention_norm": (None,),
}
# These say nothing unless another key, refused above, is set; dropout is for training only.
IGNORED = ("dropout", "addition_time_embed_dim", "addition_embed_type_num_heads")


def from_json(json: dict) -> Config:
    """unet/config.json as a Config. Raises ValueError naming what is not supported."""
    config = parse(Config, json, ALLOWED, IGNORED)
    down, up = config.down_block_types, config.up_block_types
    for kind, known in ((down, (CROSS_DOWN, DOWN)), (up, (CROSS_UP, UP))):
        for block in kind:
            if block not in known:
                raise ValueError(f"block type {block!r} is not supported: expected one of {known}")
    if not len(down) == len(up) == len(config.block_out_channels) > 0:
        raise ValueError(
            f"block_out_channels has {len(config.block_out_channels)} entries for {len(down)} "
            f"down_block_types and {len(up)} up_block_types: expected the same number, 1 or more"
        )
    for field in PER_BLOCK:
        per_block(getattr(config, field), len(down), field)
    check_divides(config.block_out_channels, config.norm_num_groups, "groups (norm_num_groups)")
    for level, channels in enumerate(config.block_out_channels):
        heads = at(config.attention_head_dim, level)
        check_divides((channels,), heads, "heads (attention_head_dim)")
    return config


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
