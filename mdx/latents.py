"""Pictures to the latents that a UNet works on, and back."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray
from PIL import Image

from mdx import images as pictures
from mdx.checks import check_fits, floats, one_of
from mdx.compile_cache import compiled, run
from mdx.families import Model, check_model
from mdx.mapped import check_files
from mdx.memory import Memory, checked, release
from mdx.net import Net, check_weights
from mdx.nets import vae
from mdx.nets.params import Params
from mdx.tiles import blended

__all__ = ["OUTPUTS", "decode", "encode", "unscaled"]

DECODED = ("pil", "np")
OUTPUTS = (*DECODED, "latent")


@run()
def encode(
    model: Model,
    images: Image.Image | Sequence[Image.Image] | NDArray[np.floating] | NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Latents of pictures: what `generate` begins with or is given to keep.

    The latents are the mean of what the VAE thinks possible (arXiv 1312.6114), so the same picture
    has the same latents; diffusers draws them from it, which moves them by what the VAE does not
    know, little beside the noise that any run adds.

    Args:
        model: what `load` returned.
        images: a PIL image, a list of them of one size, or pixels (B, H, W, 3): floats in [0, 1],
            as `generate` returns them, or uint8. `images.to_array` says what each mode of PIL
            means and what is refused; a picture whose EXIF says that the camera was turned is
            turned upright. Sides must be multiples of the VAE's factor.

    Returns:
        float32 (B, C, h, w).

    Raises:
        ValueError, TypeError: for pictures that are refused.
        FloatingPointError: where the latents are not finite.
    """
    check_model(model)
    pixels = _pixels(images)
    factor = vae.factor(model.vae.config)
    height, width = pixels.shape[2:]
    if height % factor or width % factor:
        raise ValueError(
            f"pictures must have sides that are multiples of {factor}, not {width} by {height}"
        )
    check_files(model.vae.places.values())
    found = []
    # One at a time: a picture's memory does not grow with the batch, nor do graphs multiply.
    for i in range(len(pixels)):
        latents = _encoder(model.vae.config)(model.vae.params, Tensor(pixels[i : i + 1]))
        found.append(latents.asnumpy())
    return _finite(model.vae, np.concatenate(found), "latents")


def _finite(net: Net, numbers: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    """The numbers that a VAE made; FloatingPointError that says why, where they are none."""
    if not np.isfinite(numbers).all():
        check_weights(net)
        raise FloatingPointError(
            f"the {what} hold NaN or infinity: the VAE's numbers overflow in its dtype "
            "(load it in float32)"
        )
    return numbers


@overload
def decode(
    model: Model,
    latents: NDArray[np.floating],
    *,
    output: Literal["pil"] = "pil",
    memory: Memory | None = None,
) -> list[Image.Image]: ...
@overload
def decode(
    model: Model,
    latents: NDArray[np.floating],
    *,
    output: Literal["np"],
    memory: Memory | None = None,
) -> NDArray[np.float32]: ...
@overload
def decode(
    model: Model, latents: NDArray[np.floating], *, output: str, memory: Memory | None = None
) -> list[Image.Image] | NDArray[np.float32]: ...
@run()
def decode(
    model: Model,
    latents: NDArray[np.floating],
    *,
    output: str = "pil",
    memory: Memory | None = None,
) -> list[Image.Image] | NDArray[np.float32]:
    """Pictures of latents, as PIL images or pixels.

    Args:
        model: what `load` returned.
        latents: (B, C, h, w), clean ones, as `generate` and `encode` return them.
        output: "pil" or "np": see below.
        memory: what is held in memory at once, see `Memory`; None for what is quickest.

    Returns:
        A list of B PIL images; with output "np" float32 pixels (B, H, W, 3) in [0, 1].

    Raises:
        ValueError, TypeError: for what is no such array, and for values that are not finite.
        FloatingPointError: where the pixels are not finite.
    """
    check_model(model)
    memory, config = checked(memory), model.vae.config
    one_of("output", output, DECODED)
    values, channels = floats("latents", latents), config.latent_channels
    if values.ndim != 4 or values.shape[1] != channels or not values.size:
        raise ValueError(f"latents must have the shape (B, {channels}, h, w), not {values.shape}")
    check_fits("latents", 12 * vae.factor(config) ** 2 * values[:, 0].size)
    if not np.isfinite(values).all():
        raise ValueError("the latents hold NaN or infinity")
    check_files(model.vae.places.values())
    # One at a time: a picture's memory does not grow with the batch, nor do graphs multiply.
    ones = [_decoded(model.vae, values[i : i + 1], memory) for i in range(len(values))]
    pixels = _finite(model.vae, np.concatenate(ones), "pixels")
    release(model.vae, memory)
    if output == "pil":
        return pictures.to_pil(pixels)
    return np.clip(pixels.transpose(0, 2, 3, 1) / 2 + 0.5, 0, 1)


def unscaled(config: vae.Config, latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Latents as the autoencoder has them, of those that the UNet works on."""
    own = latents.astype(np.float64) / config.scaling_factor
    if config.latents_mean is not None:
        mean, deviation = (
            np.array(each).reshape((-1, 1, 1)) for each in (config.latents_mean, config.latents_std)
        )
        return (own * deviation + mean).astype(np.float32)
    return (own + (config.shift_factor or 0)).astype(np.float32)


def _pixels(images: Any) -> NDArray[np.float32]:
    """Pixels (B, 3, H, W) in [-1, 1]."""
    return np.ascontiguousarray(pictures.to_array(images).transpose(0, 3, 1, 2) * 2 - 1)


def _decoded(net: Net, latents: NDArray[np.float32], memory: Memory) -> NDArray[np.float32]:
    """Pixels (1, 3, H, W) of latents (1, C, h, w)."""

    def made(function: Callable[..., Tensor], x: NDArray[np.float32]) -> NDArray[np.float32]:
        return function(net.params, Tensor(x)).asnumpy()

    if memory.tile is None or max(latents.shape[2:]) <= memory.tile:
        return made(_decoder(net.config, memory.part_bytes), latents)
    begun = made(_beginner(net.config, memory.part_bytes), latents)
    enlarge = functools.partial(made, _enlarger(net.config))
    return blended(enlarge, begun, memory.tile, vae.factor(net.config))


# One compiled function a config: MindSpore keeps a graph for each shape it is called with.


@functools.cache
def _encoder(config: vae.Config) -> Callable[..., Tensor]:
    def encode(params: Params, pixels: Tensor) -> Tensor:
        mean, log_variance = vae.encode(config, params, pixels)
        return vae.sample(config, mean, log_variance, 0.0)

    return compiled(encode)


@functools.cache
def _decoder(config: vae.Config, part_bytes: int) -> Callable[..., Tensor]:
    def decode(params: Params, latents: Tensor) -> Tensor:
        return vae.decode(config, params, latents, part_bytes)

    return compiled(decode)


@functools.cache
def _beginner(config: vae.Config, part_bytes: int) -> Callable[..., Tensor]:
    def begin(params: Params, latents: Tensor) -> Tensor:
        return vae.decode_mid(config, params, latents, part_bytes)

    return compiled(begin)


@functools.cache
def _enlarger(config: vae.Config) -> Callable[..., Tensor]:
    def enlarge(params: Params, x: Tensor) -> Tensor:
        return vae.decode_up(config, params, x)

    return compiled(enlarge)
