"""The UNet that predicts noise from noisy latents, the time and the text (SD 1.x and 2.x).

High-resolution image synthesis with latent diffusion models, arXiv 2112.10752; the UNet itself
follows arXiv 2006.11239 and 2105.05233.
"""

import mindspore
import numpy as np
from mindspore import ops

from mdx import kernels
from mdx.nets import layers, unet_stages
from mdx.nets.unet_config import CROSS_DOWN, CROSS_UP, Config, depth, from_json

__all__ = [
    "CROSS_DOWN", "CROSS_UP", "Config", "apply", "depth", "enter", "from_json", "leave", "shapes",
]  # fmt: skip


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter, by its name in the checkpoint."""
    found = entry_shapes(config)
    # In the middle both blocks before the transformer: tests' random weights follow this order.
    stages = unet_stages.stages(config)
    late = [i + 1.5 * (stage.mid and stage.kind == "read") for i, stage in enumerate(stages)]
    for i in np.argsort(late):
        found.update(unet_stages.shapes(config, stages[i]))
    return {**found, **exit_shapes(config)}


def entry_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Of the parameters that `enter` reads."""
    first, size = config.block_out_channels[0], unet_stages.embedding_size(config)
    return {
        **layers.convolution_shapes("conv_in", config.in_channels, first, config.conv_in_kernel),
        **layers.linear_shapes("time_embedding.linear_1", first, size),
        **layers.linear_shapes("time_embedding.linear_2", size, size),
    }


def exit_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Of the parameters that `leave` reads."""
    last, size = config.block_out_channels[0], config.conv_out_kernel
    return {
        **layers.norm_shapes("conv_norm_out", last),
        **layers.convolution_shapes("conv_out", last, config.out_channels, size),
    }


def apply(config: Config, params, x, t, context, part_bytes=kernels.PART_BYTES):
    """The model's output for latents x (B, C, h, w) at times t (B,), given text (B, T, D).

    Runs inside mindspore.jit. Returns float32 (B, out_channels, h, w): noise, velocity or the
    clean latents, as the checkpoint was trained. part_bytes bounds the attention scores, and those
    of a transformer's hidden layer, that exist at once; the result is the same whatever it is.
    """
    x, embedding, context = enter(config, params, x, t, context)
    kept = (x,)
    for stage in _stages(config):
        known = x
        if unet_stages.looks_back(stage):
            known = kept[-1]
        x = unet_stages.apply(config, stage, params, x, known, embedding, context, part_bytes)
        if stage.takes:
            kept = kept[:-1]
        if stage.keeps:
            kept = (*kept, x)
    return leave(config, params, x)


@ops.constexpr
def _stages(fields):
    """The list of stages while a graph is compiled, where a record has become a tuple."""
    return unet_stages.stages(Config(*fields))


def enter(config, params, x, t, context):
    """The first feature map, the activated embedding of t (B, E), and the text, in one dtype."""
    weight = params["conv_in.weight"]
    x = kernels.as_input(x, weight)
    if config.center_input_sample:
        x = 2.0 * x - 1.0
    channels = config.block_out_channels[0]
    features = layers.time_features(t, channels, config.flip_sin_to_cos, config.freq_shift)
    h = layers.linear(params, "time_embedding.linear_1", kernels.as_input(features, weight))
    h = layers.linear(params, "time_embedding.linear_2", layers.activation(config.act_fn, h))
    # Every residual block starts from the activated embedding: once here instead of in each.
    embedding = layers.activation(config.act_fn, h)
    return layers.convolution(params, "conv_in", x), embedding, kernels.as_input(context, weight)


def leave(config, params, x):
    """The last feature map to the model's output, float32."""
    x = layers.group_norm(params, "conv_norm_out", x, config.norm_num_groups, config.norm_eps)
    x = layers.convolution(params, "conv_out", layers.activation(config.act_fn, x))
    return ops.cast(x, mindspore.float32)
