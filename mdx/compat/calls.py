"""What a pipeline is called with, by the names that scripts use."""

from typing import Any, NamedTuple

from mdx.checks import did_you_mean, whole
from mdx.compat.unmapped import Neutral, neutral

__all__ = ["IMAGE", "INPAINT", "TEXT", "XL", "XL_IMAGE", "Call", "bound"]


class Call(NamedTuple):
    """The arguments of a call; None is what the pipeline does unasked."""

    prompt: Any = None  # a text or a list of them
    prompt_2: Any = None  # what the second text encoder reads
    image: Any = None  # pictures to begin with, or latents
    mask_image: Any = None  # white where they are drawn anew
    strength: Any = None  # how far from them, 0 to 1
    height: Any = None  # of the pictures in pixels
    width: Any = None
    num_inference_steps: Any = None  # 50
    timesteps: Any = None  # (N,) model times in the place of the scheduler's
    sigmas: Any = None  # (N+1,) sigma / alpha, the last one included, likewise
    guidance_scale: Any = None
    negative_prompt: Any = None
    negative_prompt_2: Any = None
    num_images_per_prompt: Any = None  # 1
    eta: Any = None  # of DDIM and TCD: how much noise they add; 0
    generator: Any = None  # a numpy.random.Generator, or one an image
    latents: Any = None  # (B, C, h, w) unit noise in the place of the generator's
    prompt_embeds: Any = None  # (P, S, D) in the place of texts
    negative_prompt_embeds: Any = None
    pooled_prompt_embeds: Any = None  # (P, D) of SDXL
    negative_pooled_prompt_embeds: Any = None
    original_size: Any = None  # height and width, of SDXL: see mdx.Sizes
    crops_coords_top_left: Any = None
    target_size: Any = None
    negative_original_size: Any = None
    negative_crops_coords_top_left: Any = None
    negative_target_size: Any = None
    aesthetic_score: Any = None
    negative_aesthetic_score: Any = None
    denoising_start: Any = None  # what part of the noise levels others have run, 0 to 1
    denoising_end: Any = None  # where others go on
    padding_mask_crop: Any = None  # pixels around the mask that are drawn at full size
    clip_skip: Any = None  # layers of the text encoders left out, of the prompt alone
    output_type: Any = "pil"  # "pil", "np", "ms" or "latent"
    return_dict: Any = None  # what comes back is both, whatever it says
    callback_on_step_end: Any = None  # (pipeline, step, timestep, tensors) -> tensors
    callback_on_step_end_tensor_inputs: Any = None  # which tensors; ["latents"]
    callback: Any = None  # of former years: (step, timestep, latents)
    callback_steps: Any = None  # after every how many steps; 1
    cross_attention_kwargs: Any = None  # {"scale": s}, of LoRAs


# What pipelines take: all of them; those of SDXL; those that begin with a picture; both; and those
# that draw a part of one anew.
TEXT = frozenset(
    (
        "prompt", "height", "width", "num_inference_steps", "timesteps", "sigmas",
        "guidance_scale", "negative_prompt", "num_images_per_prompt", "eta", "generator",
        "latents", "prompt_embeds", "negative_prompt_embeds", "clip_skip", "output_type",
        "return_dict", "callback_on_step_end", "callback_on_step_end_tensor_inputs", "callback",
        "callback_steps", "cross_attention_kwargs",
    )
)  # fmt: skip
XL = frozenset(
    (
        "prompt_2", "negative_prompt_2", "pooled_prompt_embeds", "negative_pooled_prompt_embeds",
        "original_size", "crops_coords_top_left", "target_size", "negative_original_size",
        "negative_crops_coords_top_left", "negative_target_size", "denoising_end",
    )
)  # fmt: skip
IMAGE = frozenset(("image", "strength"))
XL_IMAGE = frozenset(("denoising_start", "aesthetic_score", "negative_aesthetic_score"))
INPAINT = frozenset(("mask_image", "padding_mask_crop"))

# Arguments that ask for nothing where they have one of these values, and what else is mdx's way.
ONLY: dict[str, Neutral] = {
    "guidance_rescale": ((None, 0), "a function of two denoisers may be the guidance_scale"),
    "ip_adapter_image": ((None,), "there is no IP-Adapter"),
    "ip_adapter_image_embeds": ((None,), "there is no IP-Adapter"),
    "masked_image_latents": ((None,), "give image and mask_image"),
    "control_image": ((None,), "there is no ControlNet"),
    "original_inference_steps": ((None, 50), "give timesteps"),
}


def bound(cls: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Call:
    """The arguments of a call of a pipeline's class, which says what it takes.

    TypeError or ValueError by name for what it does not take, and for what is not mapped.
    """
    where, places = cls.__name__, cls.places
    if len(given) > len(places):
        raise TypeError(
            f"{where} takes {len(places)} arguments without a name, {', '.join(places)}, "
            f"and {len(given)} are given: name the others"
        )
    asked = dict(zip(places, given, strict=False))
    for name, value in named.items():
        if name in asked:
            raise TypeError(f"{where} is given {name} twice")
        if name in ONLY:
            neutral(f"{where}: {name}", value, ONLY[name])
        elif name in cls.arguments:
            asked[name] = value
        else:
            meant = did_you_mean(name, cls.arguments)
            raise TypeError(f"{where} has no argument {name!r}{meant}")
    call = Call(**asked)
    number = call.num_images_per_prompt
    number = 1 if number is None else whole("num_images_per_prompt", number, 1)
    return call._replace(num_images_per_prompt=number)
