"""How large the pictures of a run are: what `generate` takes as `height` and `width`."""

import math
from typing import Any

from mdx.checks import check_fits, whole
from mdx.families import family_of
from mdx.nets import vae

__all__ = ["check_size", "shape", "trained"]


def trained(model: Any) -> tuple[int | None, int | None]:
    """Latents a side of the model's training, height and width; None where it does not say."""
    size = getattr(model, family_of(model).network).config.sample_size
    return size if isinstance(size, tuple) else (size, size)


def shape(
    model: Any, height: Any, width: Any, sides: tuple[int | None, int | None]
) -> tuple[int, int, int]:
    """(C, h, w) of an image's latents: as asked, in pixels, else of these sides, in latents.

    TypeError or ValueError by the argument's name for what is no size of a picture.
    """
    return (
        model.vae.config.latent_channels,
        _side("height", height, sides[0], model),
        _side("width", width, sides[1], model),
    )


def _side(name: str, pixels: Any, side: int | None, model: Any) -> int:
    factor = vae.factor(model.vae.config)
    if pixels is None:
        if side is None:
            raise ValueError(f"the checkpoint does not say its size: give {name}")
        return side
    pixels = whole(name, pixels, 1)
    if pixels % factor:
        below = max(pixels // factor * factor, factor)
        raise ValueError(
            f"{name} must be a multiple of {factor}, not {pixels}: try {below} or {below + factor}"
        )
    return pixels // factor


def check_size(
    model: Any, latents: tuple[int, int, int], count: int, state: int, decoded: bool, own: bool
) -> None:
    """MemoryError if the machine cannot hold what a run holds whatever `memory` is.

    That is the latents and pixels of all images, and the state of a batch: so many numbers of four
    bytes, and its first noise, of eight. `latents` is the shape of an image's; own: whether nobody
    asked for it, so that it is of the model's training.
    """
    sides = "height and width"
    if own:
        sides += f" (those of training, sample_size of {family_of(model).network}/config.json)"
    each = math.prod(latents)
    pixels = 3 * vae.factor(model.vae.config) ** 2 * math.prod(latents[1:])
    check_fits(
        f"prompt, images_per_prompt, {sides}",
        4 * count * (each + pixels * decoded) + each * state,
    )
