"""Pictures, masks and latents that a call begins with, as `mdx.generate` takes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

import mdx
from mdx.checks import shown
from mdx.compat.calls import Call
from mdx.compat.levels import Levels, factor
from mdx.compat.texts import array
from mdx.families import family_of
from mdx.nets import vae

__all__ = ["asked", "start"]

HALF = 0.5  # what is as bright is drawn anew


def asked(pipe: Any, model: Any, call: Call) -> dict[str, Any]:
    """The arguments of `mdx.generate` that are about pictures; none of a pipeline of prompts."""
    if pipe.task == "text" or call.denoising_start is not None:
        return {"height": call.height, "width": call.width}
    if call.image is None:
        raise ValueError(f"image is missing: {type(pipe).__name__} begins with one")
    times = call.num_images_per_prompt
    strength = pipe.usual_strength if call.strength is None else call.strength
    image = _pictures("image", call.image, model.vae.config.latent_channels)
    found = {"strength": strength, "height": call.height, "width": call.width}
    if pipe.task == "image":
        return {**found, "image": _each(image, times)}
    if call.mask_image is None:
        raise ValueError(f"mask_image is missing: {type(pipe).__name__} draws where it is white")
    if isinstance(image, np.ndarray):
        raise ValueError("image must be a picture where a part of it is drawn, and not its latents")
    masks = [_hard(one) for one in _listed("mask_image", call.mask_image, _mask)]
    found |= _sides(model, call)
    if call.padding_mask_crop is None:
        size = found["width"], found["height"]
        image = [_stretched(one, size) for one in image]
        masks = [_hard(_stretched(one, size)) for one in masks]
    plain = model.unet.config.in_channels == model.vae.config.latent_channels
    method = "steps" if plain else None
    inpaint = mdx.Inpaint(only_masked=call.padding_mask_crop, method=method)
    return {**found, "image": _each(image, times), "mask": _each(masks, times), "inpaint": inpaint}


def start(model: Any, call: Call, run: Levels, sampler: str, count: int) -> Any:
    """The latents with which a run goes on that others began."""
    image = array("image", call.image)
    channels = model.vae.config.latent_channels
    if image.ndim != 4 or image.shape[1] != channels:
        raise ValueError(
            "denoising_start goes on with latents, as output_type='latent' gives them: image must "
            f"be (B, {channels}, h, w), not {shown(call.image)}"
        )
    if len(image) != count:
        image = np.repeat(image, call.num_images_per_prompt, 0)
    return np.float32(image) / factor(sampler, run.table.alpha[0])


def _each(some: Any, times: int) -> Any:
    """One entry an image: each prompt's picture as often as pictures are made of it."""
    if isinstance(some, np.ndarray):
        return np.repeat(some, times, 0) if len(some) > 1 else some
    return [one for one in some for _ in range(times)] if len(some) > 1 else some


def _sides(model: Any, call: Call) -> dict[str, int]:
    """Height and width of what is inpainted: those of training where nobody says."""
    size = getattr(model, family_of(model).network).config.sample_size
    both = size if isinstance(size, tuple) else (size, size)
    sides = {}
    for name, trained in zip(("height", "width"), both, strict=True):
        own = getattr(call, name)
        if own is None and trained is None:
            raise ValueError(f"the checkpoint does not say its size: give {name}")
        sides[name] = trained * vae.factor(model.vae.config) if own is None else own
    return sides


def _stretched(one: Any, size: tuple[int, int]) -> Any:
    """A PIL image at a size, whatever its sides are to each other; arrays are of it already."""
    if not isinstance(one, Image.Image) or one.size == size:
        return one
    return one.resize(size, Image.Resampling.LANCZOS)


def _pictures(name: str, value: Any, channels: int) -> Any:
    """PIL images and pixels (H, W, 3), one an entry; latents (B, C, h, w) as they are."""
    if not isinstance(value, Image.Image | str | list | tuple):
        found = array(name, value)
        if found.ndim == 4 and found.shape[1] == channels and found.shape[-1] != 3:
            return np.float32(found)
    return _listed(name, value, _picture)


def _listed(name: str, value: Any, read: Callable[[str, Any], list[Any]]) -> list[Any]:
    some = value if isinstance(value, list | tuple) else [value]
    return [one for entry in some for one in read(name, entry)]


def _picture(name: str, value: Any) -> list[Any]:
    if isinstance(value, Image.Image | str):
        return [value]
    found = array(name, value)
    if found.ndim in (3, 4) and found.shape[-1] != 3 and found.shape[-3] == 3:
        found = np.moveaxis(found, -3, -1)  # (B, 3, H, W), as tensors lie
    return list(found) if found.ndim == 4 else [found]


def _mask(name: str, value: Any) -> list[Any]:
    if isinstance(value, Image.Image):
        return [value]
    if isinstance(value, str):
        return [Image.open(value)]
    found = array(name, value)
    if found.ndim == 4 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim not in (2, 3):
        raise ValueError(f"{name} must be (H, W), (B, H, W) or (B, 1, H, W), not {found.shape}")
    return list(found) if found.ndim == 3 else [found]


def _hard(mask: Any) -> Any:
    """White where a mask is at least half white, as scripts' pipelines have it, and black."""
    if isinstance(mask, Image.Image):
        return mask.convert("L").point([255 * (value >= 255 * HALF) for value in range(256)])
    return np.where(np.asarray(mask, np.float32) >= HALF, np.float32(1), np.float32(0))
