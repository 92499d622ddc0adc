"""Large pictures by a model that was trained on small ones: drawn small, enlarged, drawn on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mdx import run_shapes
from mdx.checks import entries, finite, one_of, shown
from mdx.compile_cache import run
from mdx.families import Model, check_model
from mdx.generation import Prompts, generate
from mdx.nets import vae
from mdx.tasks.pictures import resized

__all__ = ["UPSCALES", "hires"]

UPSCALES = ("latent", "pixels")
TAKEN = ("image", "mask", "inpaint", "start")


@run()
def hires(
    model: Model,
    prompt: Prompts,
    *,
    size: tuple[int, int] | float,
    strength: float = 0.5,
    upscale: str = "latent",
    output: str = "pil",
    **options: Any,
) -> list[Image.Image] | NDArray[np.float32]:
    """Make large pictures of prompts in two runs, so that their parts agree with each other.

    The first is of the size that the model knows; what it draws is enlarged, and the second run
    begins with that and noise, as `generate` does with an `image`.

    Args:
        model: what `load` returned.
        prompt: as for `generate`.
        size: height and width in pixels, or a factor by which those of the first run grow.
        strength: how far the enlarged picture is drawn anew: of N steps int(N * strength) are run.
        upscale: "latent" enlarges latents between their neighbours, which blurs, and wants a
            strength of about one half to be drawn sharp again; "pixels" enlarges what was decoded
            by Lanczos' filter, and takes smaller ones.
        output: as for `generate`.
        options: of `generate`, for both runs; height and width are those of the first.

    Returns:
        What `generate` does.

    Raises:
        ValueError, TypeError: for arguments that do not fit.
        MemoryError, FloatingPointError: as for `generate`.
    """
    check_model(model)
    one_of("upscale", upscale, UPSCALES)
    finite("strength", strength)
    for name in TAKEN:
        if options.get(name) is not None:
            raise ValueError(f"{name} is not for hires, whose runs begin by themselves")
    given = options
    small = run_shapes.shape(
        model, given.get("height"), given.get("width"), run_shapes.trained(model)
    )
    factor = vae.factor(model.vae.config)
    height, width = _size(size, small, factor)
    large = run_shapes.shape(model, height, width, (None, None))
    first: Any = generate(model, prompt, output="np" if upscale == "pixels" else "latent", **given)
    if upscale == "pixels":
        image: Any = [resized(one, large[1] * factor, large[2] * factor) for one in first]
    else:
        image = between(first, large[1], large[2])
    again = {**given, "height": height, "width": width}
    return generate(model, prompt, image=image, strength=strength, output=output, **again)


def _size(size: Any, small: tuple[int, int, int], factor: int) -> tuple[Any, Any]:
    """Height and width in pixels; TypeError or ValueError by name for what is none."""
    listed = entries(size)
    if listed is None:
        by = finite("size", size)
        if not 1 < by <= 64:
            raise ValueError(f"size must be a factor above 1, or height and width, not {by:g}")
        return round(small[1] * by) * factor, round(small[2] * by) * factor
    if len(listed) != 2:
        raise ValueError(f"size must be height and width, or a factor, not {shown(size)}")
    return listed[0], listed[1]


def between(latents: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Latents (B, C, h, w) at another size, each linear between its nearest four."""
    for axis, side in ((2, height), (3, width)):
        own = latents.shape[axis]
        place = np.clip((np.arange(side) + 0.5) * own / side - 0.5, 0, own - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, own - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = side
        share = (place - low).reshape(shape)
        latents = (1 - share) * latents.take(low, axis) + share * latents.take(high, axis)
    return latents.astype(np.float32)
