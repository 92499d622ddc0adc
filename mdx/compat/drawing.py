"""A pipeline's call as one call of `mdx.generate`."""

from typing import Any

import numpy as np
from mindspore import Tensor

import mdx
from mdx import schedulers
from mdx.checks import entries, finite, one_of, shown
from mdx.compat import images, levels, texts, watching
from mdx.compat.calls import Call
from mdx.compat.texts import array
from mdx.families import family_of

__all__ = ["drawn"]

# Arguments of `mdx.generate`, as its errors begin with them, by the names that scripts have.
NAMES = {
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "images_per_prompt": "num_images_per_prompt",
    "mask": "mask_image",
    "sizes.original": "original_size",
    "sizes.crop": "crops_coords_top_left",
    "sizes.target": "target_size",
    "sizes.aesthetic": "aesthetic_score",
}
# mdx's words for what pictures come as; "ms" are tensors (B, 3, H, W) of what "np" is.
OUTPUTS = {"pil": "pil", "np": "np", "ms": "np", "latent": "latent"}


def drawn(pipe: Any, call: Call) -> Any:
    """The pictures of a call: ValueError or TypeError by name for what does not fit."""
    output = OUTPUTS[one_of("output_type", call.output_type, tuple(OUTPUTS))]
    model, sampler = pipe._model(_lora_scale(call.cross_attention_kwargs)), pipe.scheduler
    guidance = pipe.usual_guidance if call.guidance_scale is None else call.guidance_scale
    if guidance is None:
        guidance = family_of(model).guidance(model)
    pipe._begin(guidance, call.clip_skip)
    guided = _is_guided(model, guidance)
    said = texts.made(model, call, encoded=watching.encoded(call))
    count = said.prompts * call.num_images_per_prompt
    run = levels.chosen(model, sampler, call)
    watch = watching.Watch(pipe, model, call, said, guided, sampler.value.name)
    look = watching.after(watch)
    if look is not None and guided and not callable(guidance):
        guidance = watching.guide(pipe)
    asked = {
        "negative_prompt": said.negative,
        "scheduler": run.scheduler,
        "steps": run.steps,
        "guidance": guidance,
        "seed": _seed(call.generator, count),
        **images.asked(pipe, model, call),
        "images_per_prompt": call.num_images_per_prompt,
        "sizes": said.sizes,
        "start": _start(model, call, run, sampler.value.name, count),
        "progress": False if pipe._progress_disabled else None,
        "after": look,
        "memory": pipe.memory,
    }
    try:
        found: Any = mdx.generate(model, said.positive, output=output, **asked)
        if output == "latent":
            table = run.table
            found = found * levels.factor(sampler.value.name, table.alpha[-1])
    except (TypeError, ValueError) as error:
        if (words := _renamed(error)) is None:
            raise
        raise type(error)(words) from None
    except watching.Stopped as stopped:
        found = stopped.latents
        if output != "latent":
            found = mdx.decode(model, found, output=output, memory=pipe.memory)
    if call.output_type == "ms":
        found = np.ascontiguousarray(found.transpose(0, 3, 1, 2))
    return Tensor(found) if call.output_type in ("ms", "latent") else found


def _renamed(error: TypeError | ValueError) -> str | None:
    """An error's words that begin with an argument, by the name that scripts have; else None."""
    if type(error) not in (TypeError, ValueError):
        return None
    first, space, rest = str(error).partition(" ")
    return f"{NAMES[first]}{space}{rest}" if first in NAMES else None


def _is_guided(model: Any, guidance: Any) -> bool:
    """Whether there is a negative half; a list or a function is looked at by `mdx.generate`."""
    if family_of(model).embeds_guidance(model):
        return False
    return not isinstance(guidance, int | float | np.number) or bool(guidance > 1)


def _seed(generator: Any, count: int) -> Any:
    """The generators of a call, checked by the name that scripts have for them."""
    several = entries(generator)
    for one in [generator] if several is None else several:
        if one is not None and not isinstance(one, np.random.Generator):
            raise TypeError(
                "generator must be a numpy.random.Generator, or a list of one an image, not "
                f"{shown(one)}: make one with np.random.Generator(np.random.PCG64(seed))"
            )
    if several is not None and len(several) != count:
        raise ValueError(
            f"generator is a list of {len(several)}, and {count} images are asked: give one each"
        )
    return generator if several is None else several


def _start(model: Any, call: Call, run: levels.Levels, sampler: str, count: int) -> Any:
    """Where a run begins, if not with the generators' noise: with what is given."""
    if call.denoising_start is not None:
        return images.start(model, call, run, sampler, count)
    if call.latents is None:
        return None
    noise = array("latents", call.latents)
    channels = getattr(model, family_of(model).network).config.in_channels
    if noise.ndim != 4 or noise.shape[:2] != (count, channels):
        raise ValueError(
            f"latents must be of {count} images and {channels} channels, ({count}, {channels}, h, "
            f"w), not {noise.shape}"
        )
    return schedulers.init(run.table, noise)


def _lora_scale(asked: Any) -> float:
    """What cross_attention_kwargs say of LoRAs; ValueError for what else they say."""
    asked = {} if asked is None else asked
    if not isinstance(asked, dict) or not asked.keys() <= {"scale"}:
        raise ValueError(
            f"cross_attention_kwargs must be {{'scale': a number}}, of LoRAs, not {shown(asked)}"
        )
    return finite("cross_attention_kwargs['scale']", asked.get("scale", 1.0))
