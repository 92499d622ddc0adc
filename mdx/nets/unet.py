"""The UNet that predicts noise from noisy latents, the time and the text (SD 1.x, 2.x, SDXL).

High-resolution image synthesis with latent diffusion models, arXiv 2112.10752; the UNet itself
follows arXiv 2006.11239 and 2105.05233.
"""

import mindspore
import numpy as np
from mindspore import Tensor, ops

from mdx import kernels
from mdx.nets import layers, unet_changes, unet_stages
from mdx.nets.params import Conditioning, Params
from mdx.nets.unet_changes import NOTHING, Changes, Own, Scaled
from mdx.nets.unet_config import CROSS_DOWN, CROSS_UP, Config, depth, from_json
from mdx.nets.unet_stages import Inputs, Stage

__all__ = [
    "CROSS_DOWN", "CROSS_UP", "Changes", "Config", "Scaled", "apply", "conditioning_names", "depth",
    "embed", "from_json", "head", "shapes",
]  # fmt: skip


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter, by its name in the checkpoint."""
    found = embed_shapes(config)
    # In the middle both blocks before the transformer: tests' random weights follow this order.
    stages = unet_stages.stages(config)
    late = [i + 1.5 * (stage.mid and stage.kind == "transformer") for i, stage in enumerate(stages)]
    for i in np.argsort(late):
        found.update(unet_stages.shapes(config, stages[i]))
    return {**found, **head_shapes(config)}


def conditioning_names(config: Config) -> tuple[str, ...]:
    """What `apply` is told beside the sample and the time: see there."""
    names = ("context",)
    if config.addition_embed_type is not None:
        names = (*names, "pooled", "ids")
    if config.time_cond_proj_dim is not None:
        names = (*names, "guidance")
    if config.num_class_embeds is not None:
        names = (*names, "labels")
    return names


def embed_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Of the parameters that `embed` reads."""
    first, size = config.block_out_channels[0], unet_stages.embedding_size(config)
    found = {
        **layers.convolution_shapes("conv_in", config.in_channels, first, config.conv_in_kernel),
        **layers.linear_shapes("time_embedding.linear_1", first, size),
        **layers.linear_shapes("time_embedding.linear_2", size, size),
    }
    if config.time_cond_proj_dim is not None:
        width = config.time_cond_proj_dim
        found.update(layers.linear_shapes("time_embedding.cond_proj", width, first, False))
    if config.projection_class_embeddings_input_dim is not None and config.addition_embed_type:
        width = config.projection_class_embeddings_input_dim
        found.update(layers.linear_shapes("add_embedding.linear_1", width, size))
        found.update(layers.linear_shapes("add_embedding.linear_2", size, size))
    if config.num_class_embeds is not None:
        found["class_embedding.weight"] = (config.num_class_embeds, size)
    return found


def head_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Of the parameters that `head` reads."""
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
    changes: Changes = NOTHING,
) -> Tensor:
    """The model's output for noisy latents; runs inside mindspore.jit.

    Args:
        config: the net's record, a constant of the graph.
        params: the weights by their names in the checkpoint, as `shapes` lists them.
        x: latents (B, in_channels, h, w), scaled as the sampler says.
        t: times (B,), of training's steps.
        conditioning: "context", the text (B, T, D); where `conditioning_names` has them also
            "pooled", a vector of the text (B, P), "ids", numbers about the picture (B, N), and
            "guidance", the scale w (B,) that a distilled model is told. All float32; and "labels",
            int32 (B,), of num_class_embeds. "channels" (B, C, h, w), where in_channels counts them,
            lie behind those of x.
        part_bytes: bounds the attention scores, and those of a transformer's hidden layer, that
            exist at once; the result is the same whatever it is.
        changes: what is done otherwise inside, a constant of the graph; what it reads is in the
            conditioning and the params by the names that unet_changes.py has.

    Returns:
        float32 (B, out_channels, h, w): noise, velocity or the clean latents, as the checkpoint was
        trained.
    """
    x, inputs = embed(config, params, x, t, conditioning)
    stages, owns, skips = _stages(config), _owns(config, changes), _skips(config)

    def run(number: int, x: Tensor, skip: Tensor) -> Tensor:
        stage, own, told = stages[number], owns[number], inputs
        if skips[number] in inputs:
            told = unet_changes.with_skip(inputs, skips[number])
        return unet_stages.apply(config, stage, params, x, skip, told, part_bytes, own)

    return head(config, params, unet_stages.fold(stages, run, x))


@ops.constexpr
def _stages(fields: Config) -> tuple[Stage, ...]:
    """The list of stages while a graph is compiled, where a record has become a tuple."""
    return unet_stages.stages(Config(*fields))


@ops.constexpr
def _skips(fields: Config) -> tuple[str, ...]:
    """`unet_stages.skips` while a graph is compiled."""
    return unet_stages.skips(Config(*fields))


@ops.constexpr
def _owns(fields: Config, changes: Changes) -> tuple[Own, ...]:
    """What each stage has of the changes, while a graph is compiled."""
    scaled = tuple(Scaled(*one) for one in changes[2])
    return unet_stages.owns(Config(*fields), Changes(*changes)._replace(scaled=scaled))


def embed(
    config: Config, params: Params, x: Tensor, t: Tensor, conditioning: Conditioning
) -> tuple[Tensor, Inputs]:
    """The first feature map (B, C, h, w), and what the stages read beside the running one.

    The arguments are those of `apply`. All of the result has the dtype in which the net computes.
    """
    weight = params["conv_in.weight"]
    if config.center_input_sample:
        x = 2.0 * x - 1.0
    if "channels" in conditioning:
        x = ops.Concat(1)((x, conditioning["channels"]))
    x = kernels.as_input(x, weight)
    waves, kind = _time(config, params, t, conditioning), config.act_fn
    h = layers.linear(params, "time_embedding.linear_1", waves, kind=kind)
    h = layers.linear(params, "time_embedding.linear_2", h)
    if config.num_class_embeds is not None:
        h = h + kernels.looked_up(params["class_embedding.weight"], conditioning["labels"])
    if config.addition_embed_type is not None:
        h = h + _addition(config, params, conditioning["pooled"], conditioning["ids"])
    # Every residual block starts from the activated embedding: once here instead of in each.
    embedding = layers.activation(config.act_fn, h)
    inputs = {"embedding": embedding}
    inputs.update(conditioning)
    inputs["context"] = kernels.as_input(conditioning["context"], weight)
    return layers.convolution(params, "conv_in", x), inputs


def _time(config: Config, params: Params, t: Tensor, conditioning: Conditioning) -> Tensor:
    """What the time embedding is made of (B, C): waves of the time, and of guidance if it is told.

    The second as in latent consistency models, arXiv 2310.04378, section 4.3.
    """
    weight, channels = params["conv_in.weight"], config.block_out_channels[0]
    features = layers.time_features(t, channels, config.flip_sin_to_cos, config.freq_shift)
    features = kernels.as_input(features, weight)
    if config.time_cond_proj_dim is None:
        return features
    moved = (conditioning["guidance"] - 1.0) * 1000.0
    waves = layers.time_features(moved, config.time_cond_proj_dim, False, 1)
    waves = kernels.as_input(waves, weight)
    return features + layers.linear(params, "time_embedding.cond_proj", waves)


def _addition(config: Config, params: Params, pooled: Tensor, ids: Tensor) -> Tensor:
    """What is added to the time embedding (B, E) for a text (B, P) and numbers (B, N).

    Micro-conditioning of SDXL, arXiv 2307.01952, section 2.2.
    """
    batch, width = ids.shape[0], config.addition_time_embed_dim
    flip, shift = config.flip_sin_to_cos, config.freq_shift
    # There is a width, by `from_json`, where there are numbers.
    waves = layers.time_features(ids.reshape((-1,)), width, flip, shift)  # pyright: ignore[reportArgumentType]
    both = ops.Concat(1)((ops.cast(pooled, mindspore.float32), waves.reshape((batch, -1))))
    h = kernels.as_input(both, params["conv_in.weight"])
    h = layers.linear(params, "add_embedding.linear_1", h, kind="silu")
    return layers.linear(params, "add_embedding.linear_2", h)


def head(config: Config, params: Params, x: Tensor) -> Tensor:
    """The last feature map to the model's output, float32."""
    norm = layers.groups_of(params, "conv_norm_out", config.norm_num_groups, config.norm_eps)
    x = layers.group_standardize(x, norm)
    x = layers.norm_act_conv(params, norm, "conv_out", x, config.act_fn)
    return ops.cast(x, mindspore.float32)
