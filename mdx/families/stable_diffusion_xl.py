"""SDXL: two text encoders, and a UNet that is also told the sizes of the picture.

The base, its refiner (which reads one text encoder and an aesthetic score), and what was distilled
or cut down from them. arXiv 2307.01952.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.conditioning import Conditioning, make
from mdx.encoding import clip_rows
from mdx.families.family import Asked, Family, Part
from mdx.families.fitting import (
    check_arrays,
    check_latents,
    check_text,
    check_width,
    width_of,
)
from mdx.families.showing import described
from mdx.families.stable_diffusion import GUIDANCE_OF_DISTILLED, embeds_guidance
from mdx.model_index import Index
from mdx.net import Net
from mdx.nets import vae
from mdx.nets.clip import PROJECTED
from mdx.sizes import Sizes
from mdx.tokenizer import Tokenizer

__all__ = ["FAMILY", "StableDiffusionXL"]

log = logging.getLogger("mdx")

NAME = "stable_diffusion_xl"

LAYER = -2  # whose states are read, un-normed, of both text encoders

# Of a picture that is wanted, and of what guidance moves away from.
SCORE, NEGATIVE_SCORE = 6.0, 2.5

# Numbers about the picture: sizes alone, or with a score in the place of the target.
SIZES, SIZES_AND_SCORE = 6, 5

# Samplers that distilled checkpoints come with.
DISTILLED = ("LCMScheduler", "TCDScheduler")


class StableDiffusionXL(NamedTuple):
    """A checkpoint of SDXL; exchange a part with _replace.

    Copies and pickles as its parts do: see `Net`. The refiner has no first text encoder.
    """

    tokenizer: Tokenizer | None  # text to ids of the first text encoder
    tokenizer_2: Tokenizer | None  # and of the second, which has another padding
    text_encoder: Net | None  # ids to text states
    text_encoder_2: Net | None  # ids to text states and a vector of the whole text
    unet: Net  # noisy latents, time, text and sizes to the model output
    vae: Net  # latents to pixels and back
    scheduler: Any  # the checkpoint's own Scheduler
    # What model_index.json says; a tuple's own `index` is nobody's here.
    index: Index | None = None  # pyright: ignore[reportIncompatibleMethodOverride]

    def __repr__(self) -> str:
        """Its parts, one a line; what they hold is in their fields."""
        return described(self)


def check(model: StableDiffusionXL) -> None:
    """ValueError where one part's output is not what the next one takes."""
    check_latents(model.unet, model.vae)
    second = model.text_encoder_2
    if second is not None:
        first = {} if model.text_encoder is None else {"text_encoder": model.text_encoder}
        whose = "the text encoders together" if first else "the text encoder"
        check_width(model.unet, {**first, "text_encoder_2": second}, whose)
        if second.config.architectures != PROJECTED:
            raise ValueError(
                "text_encoder_2 has no projection (architectures), which the unet reads: expected "
                f"{PROJECTED[0]}"
            )
        reading = inputs(model)
        if reading.numbers(second.config.projection_dim) is None:
            raise ValueError(
                f"the unet takes {reading.total} values of text and sizes "
                "(projection_class_embeddings_input_dim), which are not those of the text encoder, "
                f"{second.config.projection_dim} (projection_dim), and {SIZES} or "
                f"{SIZES_AND_SCORE} numbers of {reading.width} (addition_time_embed_dim)"
            )
    check_text(model.tokenizer, model.text_encoder)
    check_text(model.tokenizer_2, model.text_encoder_2, "_2")
    _hint(model)


def _hint(model: StableDiffusionXL) -> None:
    """Say what cannot be told from the weights: that a checkpoint may be a distilled one."""
    config = model.scheduler.config
    if model.scheduler.name in DISTILLED or config.get("timestep_spacing") == "trailing":
        log.info(
            "the checkpoint's scheduler (%s, timestep_spacing %s) is one that distilled ones come "
            "with: if it is one, 1 to 8 steps and guidance 1 are what it learned",
            model.scheduler.name,
            config.get("timestep_spacing"),
        )


def encode(model: Any, texts: list[str] | None, asked: Asked) -> Conditioning:
    """What both text encoders make of texts, and what was asked of sizes."""
    layer = LAYER - (asked.clip_skip or 0)
    second = list(asked.second) if asked.second is not None else texts
    zeros = texts is None and (model.index is None or model.index.zeros is not False)
    parts = []
    if model.text_encoder is not None:
        rows, _ = clip_rows(model.tokenizer, model.text_encoder, texts or [""], layer, normed=False)
        parts.append(rows)
    rows, pooled = clip_rows(
        model.tokenizer_2, model.text_encoder_2, second or [""], layer, normed=False, pooled=True
    )
    context = np.concatenate([*parts, rows], axis=2)
    arrays: dict[str, Any] = {"context": context, "pooled": pooled}
    if zeros:
        arrays = {name: np.zeros_like(array) for name, array in arrays.items()}
    return make(NAME, {**arrays, **_sizes(model, len(context), asked)})


def _sizes(model: Any, count: int, asked: Asked) -> dict[str, NDArray[np.float32]]:
    """The numbers about the picture that do not follow from its own size, (B, 2) or (B, 1)."""
    sizes = asked.sizes or Sizes()
    told: dict[str, Any] = {}
    if asked.sizes is not None:
        told = {"original": sizes.original, "crop": sizes.crop, "target": sizes.target}
    if model.index is not None and model.index.aesthetic:
        usual = NEGATIVE_SCORE if asked.negative else SCORE
        told["aesthetic"] = [usual if sizes.aesthetic is None else sizes.aesthetic]
    elif sizes.aesthetic is not None:
        raise ValueError("sizes.aesthetic is for checkpoints that read a score, and this does not")
    return {
        name: np.repeat(np.array([value], np.float32), count, 0)
        for name, value in told.items()
        if value is not None
    }


def fits(model: StableDiffusionXL, conditioning: Conditioning) -> None:
    """ValueError for a conditioning that the UNet cannot read."""
    check_arrays(
        conditioning,
        {"context": (None, width_of(model.unet)), "pooled": (None,)},
        {"original": (2,), "crop": (2,), "target": (2,), "aesthetic": (1,), "guidance": ()},
    )
    reading, width = inputs(model), conditioning.arrays["pooled"].shape[1]
    if reading.numbers(width) is None:
        raise ValueError(
            f"pooled of the conditioning has {width} values, which are not those of the unet's "
            f"{reading.total} (projection_class_embeddings_input_dim) that are no sizes"
        )


class Reading(NamedTuple):
    """How a UNet reads a conditioning: called with it and the sample's shape (B, C, h, w)."""

    width: int  # of each number about the picture, as sines and cosines
    total: int  # of those of all numbers and the text's vector
    factor: int  # pixels a latent
    embeds: bool  # whether the guidance is read, too

    def numbers(self, pooled: int) -> int | None:
        """How many numbers are read beside a text's vector of a width; None if that is another."""
        count, rest = divmod(self.total - pooled, self.width)
        return count if rest == 0 and count in (SIZES, SIZES_AND_SCORE) else None

    def __call__(
        self, conditioning: Conditioning, shape: tuple[int, ...]
    ) -> dict[str, NDArray[Any]]:
        """The text's rows and vector, and the numbers in the order in which the UNet learned them.

        Sizes that the conditioning does not have are those of the picture itself, uncropped.
        """
        arrays, count = conditioning.arrays, conditioning.batch
        own = [side * self.factor for side in shape[-2:]]

        def said(name: str, usual: Any) -> NDArray[np.float32]:
            return arrays.get(name, np.repeat(np.array([usual], np.float32), count, 0))

        scored = self.numbers(arrays["pooled"].shape[1]) == SIZES_AND_SCORE
        last = said("aesthetic", [SCORE]) if scored else said("target", own)
        ids = np.concatenate([said("original", own), said("crop", [0, 0]), last], axis=1)
        found = {"context": arrays["context"], "pooled": arrays["pooled"], "ids": ids}
        if self.embeds:
            usual = np.full(count, GUIDANCE_OF_DISTILLED, np.float32)
            found["guidance"] = arrays.get("guidance", usual)
        return found


def inputs(model: Any) -> Reading:
    """How the model's UNet reads a conditioning."""
    config = model.unet.config
    return Reading(
        config.addition_time_embed_dim,
        config.projection_class_embeddings_input_dim,
        vae.factor(model.vae.config),
        embeds_guidance(model),
    )


def guidance(model: Any) -> float:
    """How far to guide where nobody says."""
    return GUIDANCE_OF_DISTILLED if embeds_guidance(model) else 5.0


def meant(index: Index, json: Mapping[str, Any]) -> dict[str, Any]:
    """The UNet's config.json, which means what it says."""
    return dict(json)


CLIP_TOKENIZER = frozenset({"CLIPTokenizer", "CLIPTokenizerFast"})

FAMILY = Family(
    name=NAME,
    title="SDXL",
    record=StableDiffusionXL,
    parts={
        "tokenizer": Part("tokenizer", CLIP_TOKENIZER, required=False),
        "tokenizer_2": Part("tokenizer", CLIP_TOKENIZER),
        "text_encoder": Part(
            "clip", frozenset({"CLIPTextModel", "CLIPTextModelWithProjection"}), required=False
        ),
        "text_encoder_2": Part("clip", frozenset({"CLIPTextModelWithProjection"})),
        "unet": Part("unet", frozenset({"UNet2DConditionModel"})),
        "vae": Part("vae", frozenset({"AutoencoderKL"})),
        "scheduler": Part("scheduler", frozenset()),
    },
    guidance=guidance,
    embeds_guidance=embeds_guidance,
    check=check,
    encode=encode,
    fits=fits,
    inputs=inputs,
    meant=meant,
    upcasts_vae=True,
)
