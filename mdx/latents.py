"""Pictures to the latents that a UNet works on, and back."""

import functools
from collections.abc import Sequence
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray
from PIL import Image

from mdx import images as pictures
from mdx.kernels import ONE_AT_A_TIME
from mdx.model import Model
from mdx.nets import vae

__all__ = ["OUTPUTS", "decode", "encode"]

OUTPUTS = ("pil", "np", "latent")


def encode(
    model: Model, images: Image.Image | Sequence[Image.Image] | NDArray[np.floating]
) -> NDArray[np.float32]:
    """Latents (B, C, h, w), float32, of pictures: what `generate` begins with or is given to keep.

    `images` is a PIL image, a list of them of one size, or pixels (B, H, W, 3) in [0, 1], as
    `generate` returns them. The latents are the mean of what the VAE thinks possible (arXiv
    1312.6114), so the same picture has the same latents. Sizes must be multiples of the VAE's
    factor: ValueError if they are not, for pictures of several sizes, and for other pixels.
    """
    pixels = _pixels(images)
    factor = vae.factor(model.vae.config)
    height, width = pixels.shape[2:]
    if height % factor or width % factor:
        raise ValueError(
            f"pictures must have sides that are multiples of {factor}, not {width} by {height}"
        )
    found = []
    # One at a time: a picture's memory does not grow with the batch, nor do graphs multiply.
    for i in range(len(pixels)):
        with ONE_AT_A_TIME:
            latents: Any = _encoder(model.vae.config)(model.vae.params, Tensor(pixels[i : i + 1]))
            found.append(latents.asnumpy())
    return np.concatenate(found)


def decode(model: Model, latents: NDArray[np.floating], *, output: str = "pil") -> Any:
    """Pictures of latents (B, C, h, w): PIL images, or with output "np" float32 pixels in [0, 1].

    Those are (B, H, W, 3). ValueError for another shape, or values that are not finite.
    """
    if output not in ("pil", "np"):
        raise ValueError(f"output must be pil or np, not {output!r}")
    values, channels = np.asarray(latents, np.float32), model.vae.config.latent_channels
    if values.ndim != 4 or values.shape[1] != channels or not len(values):
        raise ValueError(f"latents must have the shape (B, {channels}, h, w), not {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("the latents hold NaN or infinity")
    found = []
    for i in range(len(values)):
        with ONE_AT_A_TIME:
            pixels: Any = _decoder(model.vae.config)(model.vae.params, Tensor(values[i : i + 1]))
            found.append(pixels.asnumpy())
    pixels = np.concatenate(found)
    if output == "pil":
        return pictures.to_pil(pixels)
    return np.clip(pixels.transpose(0, 2, 3, 1) / 2 + 0.5, 0, 1)


def _pixels(images: Any) -> NDArray[np.float32]:
    """Pixels (B, 3, H, W) in [-1, 1]."""
    if isinstance(images, Image.Image):
        images = [images]
    if isinstance(images, (list, tuple)):
        if not images or not all(isinstance(image, Image.Image) for image in images):
            raise TypeError("images must be a PIL image, a list of them, or pixels (B, H, W, 3)")
        sizes = sorted({image.size for image in images})
        if len(sizes) > 1:
            raise ValueError(f"the pictures must have one size, not {sizes}")
        images = np.stack([np.asarray(image.convert("RGB"), np.float32) / 255 for image in images])
    pixels = np.asarray(images, np.float32)
    if pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise ValueError(f"pixels must have the shape (B, H, W, 3), not {pixels.shape}")
    if not (pixels.size and pixels.min() >= 0 and pixels.max() <= 1):  # NaN is neither
        raise ValueError("pixels must be numbers from 0, black, to 1")
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2) * 2 - 1)


# One compiled function a config: MindSpore keeps a graph for each shape it is called with.


@functools.cache
def _encoder(config):
    @mindspore.jit
    def encode(params, pixels):
        mean, log_variance = vae.encode(config, params, pixels)
        return vae.sample(config, mean, log_variance, 0.0)

    return encode


@functools.cache
def _decoder(config):
    @mindspore.jit
    def decode(params, latents):
        return vae.decode(config, params, latents)

    return decode
