"""The UNet that predicts noise from noisy latents, the time and the text (SD 1.x and 2.x).

High-resolution image synthesis with latent diffusion models, arXiv 2112.10752; the UNet itself
follows arXiv 2006.11239 and 2105.05233.
"""

from typing import NamedTuple

import mindspore
from mindspore import ops

from mdx import kernels
from mdx.nets import layers, resnet, transformer
from mdx.nets.config import check_divides, parse, per_block
from mdx.nets.resnet import Resnet
from mdx.nets.transformer import Transformer

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
        heads = _transformer(config, level).heads
        check_divides((channels,), heads, "heads (attention_head_dim)")
    return config


PER_BLOCK = (
    "only_cross_attention",
    "layers_per_block",
    "cross_attention_dim",
    "transformer_layers_per_block",
    "attention_head_dim",
)


def _resnet(config):
    scale_shift = config.resnet_time_scale_shift == "scale_shift"
    return Resnet(config.act_fn, config.norm_num_groups, config.norm_eps, scale_shift)


def _at(value, level):
    return value[level] if isinstance(value, (list, tuple)) else value


def _transformer(config, level, mid=False, score_bytes=kernels.SCORE_BYTES):
    return Transformer(
        config.block_out_channels[level],
        _at(config.attention_head_dim, level),
        _at(config.transformer_layers_per_block, level),
        _at(config.cross_attention_dim, level),
        config.norm_num_groups,
        config.use_linear_projection,
        not mid and _at(config.only_cross_attention, level),
        config.upcast_attention,
        score_bytes,
    )


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter, by its name in the checkpoint."""
    channels = config.block_out_channels
    levels = len(channels)
    size = config.time_embedding_dim or 4 * channels[0]
    settings = _resnet(config)
    found = {
        **layers.convolution_shapes(
            "conv_in", config.in_channels, channels[0], config.conv_in_kernel
        ),
        **layers.linear_shapes("time_embedding.linear_1", channels[0], size),
        **layers.linear_shapes("time_embedding.linear_2", size, size),
    }
    skips = [channels[0]]  # channels of each feature map kept for the way up
    for level, kind in enumerate(config.down_block_types):
        block, outputs = f"down_blocks.{level}", channels[level]
        for layer in range(_at(config.layers_per_block, level)):
            name = f"{block}.resnets.{layer}"
            inputs = outputs if layer else skips[-1]
            found.update(resnet.shapes(name, settings, inputs, outputs, size))
            if kind == CROSS_DOWN:
                name = f"{block}.attentions.{layer}"
                found.update(transformer.shapes(name, _transformer(config, level)))
            skips.append(outputs)
        if level < levels - 1:
            name = f"{block}.downsamplers.0.conv"
            found.update(layers.convolution_shapes(name, outputs, outputs))
            skips.append(outputs)
    if config.mid_block_type is not None:
        for name in ("mid_block.resnets.0", "mid_block.resnets.1"):
            found.update(resnet.shapes(name, settings, channels[-1], channels[-1], size))
        mid = _transformer(config, levels - 1, True)
        found.update(transformer.shapes("mid_block.attentions.0", mid))
    running = channels[-1]
    for index, kind in enumerate(config.up_block_types):
        level = levels - 1 - index
        block, outputs = f"up_blocks.{index}", channels[level]
        for layer in range(_at(config.layers_per_block, level) + 1):
            name = f"{block}.resnets.{layer}"
            inputs = running + skips.pop()
            found.update(resnet.shapes(name, settings, inputs, outputs, size))
            running = outputs
            if kind == CROSS_UP:
                name = f"{block}.attentions.{layer}"
                found.update(transformer.shapes(name, _transformer(config, level)))
        if level > 0:
            name = f"{block}.upsamplers.0.conv"
            found.update(layers.convolution_shapes(name, outputs, outputs))
    return {
        **found,
        **layers.norm_shapes("conv_norm_out", channels[0]),
        **layers.convolution_shapes(
            "conv_out", channels[0], config.out_channels, config.conv_out_kernel
        ),
    }


def apply(config: Config, params, x, t, context, score_bytes=kernels.SCORE_BYTES):
    """The model's output for latents x (B, C, h, w) at times t (B,), given text (B, T, D).

    Runs inside mindspore.jit. Returns float32 (B, out_channels, h, w): noise, velocity or the
    clean latents, as the checkpoint was trained. score_bytes bounds the attention scores that exist
    at once; whatever it is, the result is the same but for the order of sums.
    """
    levels = len(config.block_out_channels)
    blocks = _resnet(config)
    weight = params["conv_in.weight"]
    x = kernels.as_input(x, weight)
    context = kernels.as_input(context, weight)
    embedding = _time_embedding(config, params, t, weight)
    if config.center_input_sample:
        x = 2.0 * x - 1.0
    x = layers.convolution(params, "conv_in", x)
    skips = (x,)
    for level in range(levels):
        block = "down_blocks." + str(level)
        attends = config.down_block_types[level] == CROSS_DOWN
        for layer in range(_at(config.layers_per_block, level)):
            x = resnet.apply(blocks, params, block + ".resnets." + str(layer), x, embedding)
            if attends:
                name = block + ".attentions." + str(layer)
                x = transformer.apply(
                    _transformer(config, level, False, score_bytes), params, name, x, context
                )
            skips = (*skips, x)
        if level < levels - 1:
            padding = (1, 1, 1, 1) if config.downsample_padding == 1 else (0, 1, 0, 1)
            x = layers.convolution(params, block + ".downsamplers.0.conv", x, 2, padding)
            skips = (*skips, x)
    if config.mid_block_type is not None:
        scale = config.mid_block_scale_factor
        x = resnet.apply(blocks, params, "mid_block.resnets.0", x, embedding, scale)
        mid = _transformer(config, levels - 1, True, score_bytes)
        x = transformer.apply(mid, params, "mid_block.attentions.0", x, context)
        x = resnet.apply(blocks, params, "mid_block.resnets.1", x, embedding, scale)
    for index in range(levels):
        level = levels - 1 - index
        block = "up_blocks." + str(index)
        attends = config.up_block_types[index] == CROSS_UP
        for layer in range(_at(config.layers_per_block, level) + 1):
            x = ops.concat((x, skips[-1]), 1)
            skips = skips[:-1]
            x = resnet.apply(blocks, params, block + ".resnets." + str(layer), x, embedding)
            if attends:
                name = block + ".attentions." + str(layer)
                x = transformer.apply(
                    _transformer(config, level, False, score_bytes), params, name, x, context
                )
        if level > 0:
            # An odd size was halved upwards on the way down: the skip that comes next has it.
            x = kernels.upsample(x, skips[-1].shape[2], skips[-1].shape[3])
            x = layers.convolution(params, block + ".upsamplers.0.conv", x)
    x = layers.group_norm(params, "conv_norm_out", x, config.norm_num_groups, config.norm_eps)
    x = layers.convolution(params, "conv_out", layers.activation(config.act_fn, x))
    return ops.cast(x, mindspore.float32)


def _time_embedding(config, params, t, weight):
    channels = config.block_out_channels[0]
    features = layers.time_features(t, channels, config.flip_sin_to_cos, config.freq_shift)
    h = layers.linear(params, "time_embedding.linear_1", kernels.as_input(features, weight))
    h = layers.linear(params, "time_embedding.linear_2", layers.activation(config.act_fn, h))
    # Every residual block starts from the activated embedding: once here instead of in each.
    return layers.activation(config.act_fn, h)
