"""The UNet that predicts noise from noisy latents, the time and the text (SD 1.x and 2.x).

High-resolution image synthesis with latent diffusion models, arXiv 2112.10752; the UNet itself
follows arXiv 2006.11239 and 2105.05233.
"""

import mindspore
import numpy as np
from mindspore import Tensor, ops

from mdx import kernels
from mdx.nets import layers, unet_stages
from mdx.nets.params import Conditioning, Params
from mdx.nets.unet_config import CROSS_DOWN, CROSS_UP, Config, depth, from_json
from mdx.nets.unet_stages import Inputs, Stage

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


def apply(
    config: Config,
    params: Params,
    x: Tensor,
    t: Tensor,
    conditioning: Conditioning,
    part_bytes: int = kernels.PART_BYTES,
) -> Tensor:
    """The model's output for noisy latents; runs inside mindspore.jit.

    Args:
        config: the net's record, a constant of the graph.
        params: the weights by their names in the checkpoint, as `shapes` lists them.
        x: latents (B, in_channels, h, w), scaled as the sampler says.
        t: times (B,), of training's steps.
        conditioning: "context", the text (B, T, D).
        part_bytes: bounds the attention scores, and those of a transformer's hidden layer, that
            exist at once; the result is the same whatever it is.

    Returns:
        float32 (B, out_channels, h, w): noise, velocity or the clean latents, as the checkpoint was
        trained.
    """
    x, inputs = enter(config, params, x, t, conditioning)
    stages = _stages(config)

    def run(number, x, known):
        return unet_stages.apply(config, stages[number], params, x, known, inputs, part_bytes)

    return leave(config, params, unet_stages.fold(stages, run, x))


@ops.constexpr
def _stages(fields: Config) -> tuple[Stage, ...]:
    """The list of stages while a graph is compiled, where a record has become a tuple."""
    return unet_stages.stages(Config(*fields))


def enter(
    config: Config, params: Params, x: Tensor, t: Tensor, conditioning: Conditioning
) -> tuple[Tensor, Inputs]:
    """The first feature map (B, C, h, w), and what the stages read beside the running one.

    The arguments are those of `apply`. All of the result has the dtype in which the net computes.
    """
    weight = params["conv_in.weight"]
    if config.center_input_sample:
        x = 2.0 * x - 1.0
    x = kernels.as_input(x, weight)
    channels = config.block_out_channels[0]
    features = layers.time_features(t, channels, config.flip_sin_to_cos, config.freq_shift)
    h = layers.linear(params, "time_embedding.linear_1", kernels.as_input(features, weight))
    h = layers.linear(params, "time_embedding.linear_2", layers.activation(config.act_fn, h))
    # Every residual block starts from the activated embedding: once here instead of in each.
    embedding = layers.activation(config.act_fn, h)
    inputs = {"embedding": embedding, "context": kernels.as_input(conditioning["context"], weight)}
    return layers.convolution(params, "conv_in", x), inputs


def leave(config: Config, params: Params, x: Tensor) -> Tensor:
    """The last feature map to the model's output, float32."""
    x = layers.group_norm(params, "conv_norm_out", x, config.norm_num_groups, config.norm_eps)
    x = layers.convolution(params, "conv_out", layers.activation(config.act_fn, x))
    return ops.cast(x, mindspore.float32)
