"""Pictures four times as large, by a checkpoint that was taught to: Stable Diffusion's upscaler."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mdx import conditioning
from mdx.checks import whole
from mdx.conditioning import Conditioning
from mdx.families import Model, check_model
from mdx.families import stable_diffusion_upscaler as upscaler
from mdx.generation import Prompts, generate
from mdx.prompt_schedule import Schedule, each
from mdx.prompts import encode_prompt
from mdx.tasks.pictures import Pictures

__all__ = ["upscale"]


def upscale(
    model: Model,
    prompt: Prompts,
    image: Pictures,
    *,
    noise_level: int = 20,
    output: str = "pil",
    **options: Any,
) -> list[Image.Image] | NDArray[np.float32]:
    """Make pictures four times as large, with what a prompt says of what they show.

    It is `generate` with an `image`, whose conditioning tells the network the noise level.

    Args:
        model: an upscaler, as `load` returns it.
        prompt: as for `generate`.
        image: the small pictures, as for `generate`.
        noise_level: of the small picture, which is noised by so much before the network reads it:
            more lets it draw more of its own. The checkpoint says the largest.
        output: as for `generate`.
        options: of `generate`.

    Returns:
        What `generate` does.

    Raises:
        ValueError, TypeError: for a model that is no upscaler, and arguments that do not fit.
        OSError, MemoryError, FloatingPointError: as for `generate`.
    """
    if check_model(model).name != upscaler.NAME:
        raise ValueError(
            "model is no upscaler, whose checkpoint has a low_res_scheduler: for others see "
            "mdx.hires, and image of mdx.generate"
        )
    level = whole("noise_level", noise_level, 0, upscaler.largest(model))
    given = options
    positive: Any = prompt
    if not isinstance(prompt, Conditioning | Schedule):
        read: dict[str, Any] = {
            name: given[name] for name in ("prompt_syntax", "clip_skip") if name in given
        }
        positive = encode_prompt(model, prompt, **read)

    def told(one: Conditioning) -> Conditioning:
        levels = np.full(one.batch, level, np.int32)
        return conditioning.make(one.family, {**one.arrays, upscaler.LEVEL: levels})

    negative = given.get("negative_prompt")
    if isinstance(negative, Conditioning | Schedule):
        given = {**given, "negative_prompt": each(negative, told)}
    return generate(model, each(positive, told), image=image, output=output, **given)
