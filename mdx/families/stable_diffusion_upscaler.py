"""Stable Diffusion's upscaler: a UNet that reads a small picture beside the text, and its noise.

High-resolution image synthesis with latent diffusion models, arXiv 2112.10752, section 4.4; the
small picture is noised as in cascaded diffusion models, arXiv 2106.15282, section 4.1.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.conditioning import Conditioning, make
from mdx.families import stable_diffusion
from mdx.families.channels import UPSCALE, layout
from mdx.families.family import CLIP_TEXT, CLIP_TOKENIZER, Asked, Family, Part
from mdx.families.fitting import check_arrays, check_latents, check_text, check_width, width_of
from mdx.families.showing import described
from mdx.model_index import Index
from mdx.net import Net
from mdx.nets import unet
from mdx.tokenizer import Tokenizer

__all__ = ["FAMILY", "LEVEL", "NAME", "StableDiffusionUpscaler", "largest", "levels"]

NAME = "stable_diffusion_upscaler"

LEVEL = "noise_level"  # of a conditioning, int32 (B,): how noisy the small picture is
USUAL = 20

SCALING = 0.08333  # of its latents

TOLD = ("context", "labels")  # what the UNet reads beside the sample and the time


class StableDiffusionUpscaler(NamedTuple):
    """A checkpoint of Stable Diffusion's upscaler; exchange a part with _replace.

    Copies and pickles as its parts do: see `Net`.
    """

    tokenizer: Tokenizer | None  # text to ids
    text_encoder: Net | None  # ids to text states
    unet: Net  # noisy latents, the small picture, time and text states to the model output
    vae: Net  # latents to pixels and back
    low_res_scheduler: Any  # the Scheduler by which the small picture is noised
    scheduler: Any  # the checkpoint's own Scheduler
    # What model_index.json says; a tuple's own `index` is nobody's here.
    index: Index | None = None  # pyright: ignore[reportIncompatibleMethodOverride]

    def __repr__(self) -> str:
        """Its parts, one a line; what they hold is in their fields."""
        return described(self)


def check(model: StableDiffusionUpscaler) -> None:
    """ValueError where one part's output is not what the next one takes."""
    check_latents(model.unet, model.vae)
    told = unet.conditioning_names(model.unet.config)
    if told != TOLD or layout(model.unet, model.vae) != UPSCALE:
        raise ValueError(
            f"the unet reads {' and '.join(told)}: expected one that is told the noise of a small "
            f"picture (num_class_embeds), and reads that picture, as {FAMILY.title} has it"
        )
    if abs(model.vae.config.scaling_factor - SCALING) > 1e-6:
        raise ValueError(
            f"the vae's latents are scaled by {model.vae.config.scaling_factor} (scaling_factor), "
            f"and an upscaler's are by {SCALING}, whatever its config.json says: write it there"
        )
    if model.text_encoder is not None:
        check_width(model.unet, {"text_encoder": model.text_encoder})
    check_text(model.tokenizer, model.text_encoder)


def encode(model: Any, texts: list[str] | None, asked: Asked) -> Conditioning:
    """The rows that the text encoder makes of texts; of a negative prompt likewise."""
    return make(NAME, stable_diffusion.encode(model, texts, asked).arrays)


def fits(model: StableDiffusionUpscaler, conditioning: Conditioning) -> None:
    """ValueError for a conditioning that the UNet cannot read."""
    arrays = dict(conditioning.arrays)
    found, most = arrays.pop(LEVEL, np.zeros(conditioning.batch, np.int32)), largest(model)
    if found.ndim != 1 or found.dtype.kind != "i" or found.min() < 0 or found.max() > most:
        raise ValueError(
            f"{LEVEL} of the conditioning must be whole numbers (B,) from 0 to {most}, not "
            f"{found.dtype} {found.shape} from {found.min()} to {found.max()}"
        )
    check_arrays(make(NAME, arrays), {"context": (None, width_of(model.unet))}, {})


def largest(model: Any) -> int:
    """The largest noise level that the checkpoint was taught."""
    said = None if model.index is None else model.index.noise_level
    most = model.unet.config.num_class_embeds - 1
    return most if said is None else min(said, most)


def levels(conditioning: Conditioning) -> NDArray[np.int32]:
    """The noise level of each image (B,)."""
    usual = np.full(conditioning.batch, USUAL, np.int32)
    return conditioning.arrays.get(LEVEL, usual)


def inputs(model: StableDiffusionUpscaler) -> Any:
    """What the UNet reads beside the small picture: the text, and how noisy that is."""
    return read


def read(conditioning: Conditioning, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """The text, and the noise level (B,)."""
    return {"context": conditioning.arrays["context"], "labels": levels(conditioning)}


def guidance(model: Any) -> float:
    """How far to guide where nobody says."""
    return 9.0


FAMILY = Family(
    name=NAME,
    title="Stable Diffusion's upscaler",
    record=StableDiffusionUpscaler,
    parts={
        "tokenizer": Part("tokenizer", CLIP_TOKENIZER),
        "text_encoder": Part("clip", CLIP_TEXT),
        "unet": Part("unet", frozenset({"UNet2DConditionModel"})),
        "vae": Part("vae", frozenset({"AutoencoderKL"})),
        "low_res_scheduler": Part("scheduler", frozenset()),
        "scheduler": Part("scheduler", frozenset()),
    },
    guidance=guidance,
    check=check,
    encode=encode,
    fits=fits,
    inputs=inputs,
    weighs_words=True,
    shared=(LEVEL,),
)
