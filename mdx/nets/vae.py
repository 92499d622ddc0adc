"""The autoencoder between pictures and latents (AutoencoderKL).

Auto-encoding variational Bayes, arXiv 1312.6114; as used here, arXiv 2112.10752, section 3.1.
Pictures are (B, 3, H, W) in [-1, 1]; latents are (B, C, H/f, W/f) as the UNet sees them, moved and
scaled as the config says, but for `encode`'s.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import mindspore
import numpy as np
from mindspore import Tensor, ops

from mdx import fields, kernels
from mdx.nets import layers, resnet, vae_strips
from mdx.nets.config import AVERAGED, check_divides
from mdx.nets.params import Params, Shapes
from mdx.nets.resnet import Resnet

DOWN, UP = "DownEncoderBlock2D", "UpDecoderBlock2D"
NORM_EPSILON = 1e-6


class Config(NamedTuple):
    """vae/config.json, field for field."""

    in_channels: Annotated[int, fields.choice(3)] = 3  # of pictures: red, green, blue
    out_channels: Annotated[int, fields.choice(3)] = 3
    down_block_types: Annotated[tuple, fields.each_block(fields.choice(DOWN))] = (DOWN,)
    up_block_types: Annotated[tuple, fields.each_block(fields.choice(UP))] = (UP,)
    block_out_channels: Annotated[tuple, fields.each_block(fields.SIZE)] = (64,)
    layers_per_block: Annotated[int, fields.DEPTH] = 1
    act_fn: Annotated[str, fields.choice(*layers.ACTIVATIONS)] = "silu"
    latent_channels: fields.Size = 4
    norm_num_groups: fields.Size = 32
    sample_size: Annotated[int | tuple, fields.SIDES] = 32  # picture height and width of training
    # The UNet's latents = (latents - shift) * scaling, or, with a mean and a deviation for each of
    # their channels, (latents - mean) * (scaling / deviation).
    scaling_factor: Annotated[float, fields.number(0, above=True)] = 0.18215
    shift_factor: Annotated[float | None, fields.nullable(fields.number())] = None
    latents_mean: Annotated[tuple | None, fields.nullable(fields.listed(fields.number(), 1))] = None
    latents_std: Annotated[
        tuple | None, fields.nullable(fields.listed(fields.number(0, above=True), 1))
    ] = None
    # Whether its numbers overflow in half precision; what computes it reads this.
    force_upcast: fields.Flag = True
    use_quant_conv: fields.Flag = True
    use_post_quant_conv: fields.Flag = True
    mid_block_add_attention: fields.Flag = True


SILENT = AVERAGED


def from_json(json: dict) -> Config:
    """vae/config.json as a Config. Raises ValueError naming what is not supported."""
    config = fields.read(Config, json, {}, SILENT)
    levels = len(config.block_out_channels)
    for field in ("down_block_types", "up_block_types"):
        if len(blocks := getattr(config, field)) != levels:
            raise ValueError(
                f"{field} has {len(blocks)} entries for {levels} block_out_channels: expected the "
                "same number"
            )
    check_divides(
        config.block_out_channels,
        config.norm_num_groups,
        "groups (block_out_channels, norm_num_groups)",
    )
    _check_statistics(config)
    return config


def held_in(json: Mapping[str, Any], dtype: str) -> str:
    """The dtype to hold the weights in, and so to compute in, where `dtype` is asked for.

    It is float32 where vae/config.json says force_upcast: numbers of such a VAE, SDXL's, go beyond
    float16, and have more digits than bfloat16. Raises ValueError where that key is no yes or no.
    """
    upcast = fields.value("force_upcast", json.get("force_upcast"), fields.FLAG)
    return "float32" if upcast else dtype


def _check_statistics(config: Config) -> None:
    """Raise ValueError unless latents have a mean and a deviation, one each channel, or neither."""
    mean, deviation, count = config.latents_mean, config.latents_std, config.latent_channels
    if (mean is None) != (deviation is None):
        there, missing = "latents_mean", "latents_std"
        if mean is None:
            there, missing = missing, there
        raise ValueError(f"{there} is not supported without {missing}")
    if mean is None or deviation is None:
        return
    for name, values in (("latents_mean", mean), ("latents_std", deviation)):
        if len(values) != count:
            raise ValueError(
                f"{name} has {len(values)} entries for {count} latent_channels: expected the same "
                "number"
            )
    if config.shift_factor:
        raise ValueError(
            f"shift_factor {config.shift_factor} is not supported with latents_mean, which says "
            "the same of each channel"
        )


def depth(config: Config) -> int:
    """The number of residual layers, each of which has weights of its own."""
    return len(config.block_out_channels) * (2 * config.layers_per_block + 1) + 4


def factor(config: Config) -> int:
    """How many picture pixels, along one side, one latent stands for."""
    return 2 ** (len(config.block_out_channels) - 1)


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter, by its name in the checkpoint."""
    channels, latent = config.block_out_channels, config.latent_channels
    found = {
        **layers.convolution_shapes("encoder.conv_in", config.in_channels, channels[0]),
        **layers.convolution_shapes("encoder.conv_out", channels[-1], 2 * latent),
        **layers.convolution_shapes("decoder.conv_in", latent, channels[-1]),
        **layers.convolution_shapes("decoder.conv_out", channels[0], config.out_channels),
        **layers.norm_shapes("encoder.conv_norm_out", channels[-1]),
        **layers.norm_shapes("decoder.conv_norm_out", channels[0]),
        **_mid_shapes(config, "encoder.mid_block"),
        **_mid_shapes(config, "decoder.mid_block"),
    }
    if config.use_quant_conv:
        found.update(layers.convolution_shapes("quant_conv", 2 * latent, 2 * latent, 1))
    if config.use_post_quant_conv:
        found.update(layers.convolution_shapes("post_quant_conv", latent, latent, 1))
    for part, block, order, count, sampler in (
        ("encoder", "down_blocks", channels, config.layers_per_block, "downsamplers"),
        ("decoder", "up_blocks", channels[::-1], config.layers_per_block + 1, "upsamplers"),
    ):
        running = order[0]
        for level, outputs in enumerate(order):
            name = f"{part}.{block}.{level}"
            for layer in range(count):
                one = f"{name}.resnets.{layer}"
                found.update(resnet.shapes(one, _resnet(config), running, outputs))
                running = outputs
            if level < len(order) - 1:
                found.update(
                    layers.convolution_shapes(f"{name}.{sampler}.0.conv", running, running)
                )
    return found


def encode(
    config: Config, params: Params, images: Tensor, part_bytes: int = kernels.PART_BYTES
) -> tuple[Tensor, Tensor]:
    """Mean and log-variance, (B, C, h, w) each, of the latents of images (B, 3, H, W) in [-1, 1].

    Runs inside mindspore.jit; float32. These are the autoencoder's own latents: see `sample`.
    part_bytes bounds the attention scores that exist at once.
    """
    settings = _resnet(config)
    levels = len(config.block_out_channels)
    x = kernels.as_input(images, params["encoder.conv_in.weight"])
    x = layers.convolution(params, "encoder.conv_in", x)
    for level in range(levels):
        block = "encoder.down_blocks." + str(level)
        for layer in range(config.layers_per_block):
            x = resnet.apply(settings, params, block + ".resnets." + str(layer), x)
        if level < levels - 1:
            x = layers.convolution(params, block + ".downsamplers.0.conv", x, 2, (0, 1, 0, 1))
    x = _mid(config, params, "encoder.mid_block", x, part_bytes)
    x = _last(config, params, "encoder", x)
    if config.use_quant_conv:
        x = layers.convolution(params, "quant_conv", x)
    x = ops.cast(x, mindspore.float32)
    channels = config.latent_channels
    return x[:, :channels], ops.clamp(x[:, channels:], -30.0, 20.0)


def sample(config: Config, mean: Tensor, log_variance: Tensor, noise: Tensor | float) -> Tensor:
    """The UNet's latents, drawn from `encode`'s posterior with noise (B, C, h, w); 0 for its mean.

    arXiv 1312.6114, equation 10, then the config's shift and scale.
    """
    latents = mean + ops.exp(log_variance * 0.5) * noise
    if config.latents_mean is not None:
        return (latents - _by_channel(config.latents_mean)) * _by_channel(
            config.latents_std, config.scaling_factor, -1
        )
    if config.shift_factor is not None:
        latents = latents - config.shift_factor
    return latents * config.scaling_factor


@ops.constexpr
def _by_channel(values: tuple[float, ...] | None, factor: float = 1.0, power: int = 1) -> Tensor:
    """A config's numbers of channels to a power, times a factor, as (1, C, 1, 1) float32."""
    found = factor * np.asarray(values, np.float64) ** power
    return Tensor(found.astype(np.float32)[None, :, None, None])


def decode(
    config: Config, params: Params, latents: Tensor, part_bytes: int = kernels.PART_BYTES
) -> Tensor:
    """Pictures (B, 3, H, W), float32, about [-1, 1], of latents (B, C, h, w).

    Runs inside mindspore.jit. part_bytes bounds the attention scores that exist at once.
    """
    return decode_up(config, params, decode_mid(config, params, latents, part_bytes))


def decode_mid(
    config: Config, params: Params, latents: Tensor, part_bytes: int = kernels.PART_BYTES
) -> Tensor:
    """The part of `decode` at the latents' size, attention included -> (B, C', h, w)."""
    if config.latents_mean is not None:
        deviation = _by_channel(config.latents_std, 1.0 / config.scaling_factor)
        x = latents * deviation + _by_channel(config.latents_mean)
    else:
        x = latents * (1.0 / config.scaling_factor)
        if config.shift_factor is not None:
            x = x + config.shift_factor
    x = kernels.as_input(x, params["decoder.conv_in.weight"])
    if config.use_post_quant_conv:
        x = layers.convolution(params, "post_quant_conv", x)
    x = layers.convolution(params, "decoder.conv_in", x)
    return _mid(config, params, "decoder.mid_block", x, part_bytes)


def decode_up(config: Config, params: Params, x: Tensor) -> Tensor:
    """The rest of `decode`: what `decode_mid` returns -> pictures (B, 3, H, W)."""
    settings = _resnet(config)
    levels = len(config.block_out_channels)
    for level in range(levels):
        block = "decoder.up_blocks." + str(level)
        for layer in range(config.layers_per_block + 1):
            x = resnet.apply(settings, params, block + ".resnets." + str(layer), x)
        if level < levels - 1:
            name = block + ".upsamplers.0.conv"
            if level == levels - 2 and kernels.enlarges_in_bands(x, params[name + ".weight"]):
                return vae_strips.end(config, settings, params, name, x)
            x = layers.upsample_conv(params, name, x, 2 * x.shape[2], 2 * x.shape[3])
    return ops.cast(_last(config, params, "decoder", x), mindspore.float32)


def _last(config: Config, params: Params, part: str, x: Tensor) -> Tensor:
    """Norm, activation and convolution at the end of the encoder or the decoder."""
    norm = layers.groups_of(params, part + ".conv_norm_out", config.norm_num_groups, NORM_EPSILON)
    x = layers.group_standardize(x, norm)
    return layers.norm_act_conv(params, norm, part + ".conv_out", x, config.act_fn)


def _resnet(config: Config) -> Resnet:
    return Resnet(config.act_fn, config.norm_num_groups, NORM_EPSILON)


def _mid_shapes(config: Config, name: str) -> Shapes:
    channels = config.block_out_channels[-1]
    found = {
        **resnet.shapes(name + ".resnets.0", _resnet(config), channels, channels),
        **resnet.shapes(name + ".resnets.1", _resnet(config), channels, channels),
    }
    if config.mid_block_add_attention:
        found.update(layers.norm_shapes(name + ".attentions.0.group_norm", channels))
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            found.update(layers.linear_shapes(f"{name}.attentions.0.{part}", channels, channels))
    return found


def _mid(config: Config, params: Params, name: str, x: Tensor, part_bytes: int) -> Tensor:
    settings = _resnet(config)
    x = resnet.apply(settings, params, name + ".resnets.0", x)
    if config.mid_block_add_attention:
        x = x + _attention(config, params, name + ".attentions.0", x, part_bytes)
    return resnet.apply(settings, params, name + ".resnets.1", x)


def _attention(config: Config, params: Params, name: str, x: Tensor, part_bytes: int) -> Tensor:
    """All pixels attend to each other, one head."""
    h = layers.group_norm(params, name + ".group_norm", x, config.norm_num_groups, NORM_EPSILON)
    tokens = kernels.to_tokens(h)
    names = (name + ".to_q", name + ".to_k", name + ".to_v", name + ".to_out.0")
    attended = layers.attention(params, names, tokens, tokens, 1, scores=(False, part_bytes))
    return kernels.from_tokens(attended, x.shape[2], x.shape[3])
