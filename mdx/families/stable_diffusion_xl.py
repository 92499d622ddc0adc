"""SDXL: two text encoders, and a UNet that is also told the sizes of the picture.

The base, its refiner (which reads one text encoder and an aesthetic score), and what was distilled
or cut down from them. arXiv 2307.01952.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.conditioning import Conditioning, make
from mdx.encoding import clip_rows
from mdx.families.distilled import hint
from mdx.families.family import CLIP_TEXT, CLIP_TOKENIZER, Asked, Family, Part
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
from mdx.nets.unet_config import TEXT_TIME
from mdx.sizes import Sizes
from mdx.tokenizer import Tokenizer

__all__ = ["FAMILY", "StableDiffusionXL"]

NAME = "stable_diffusion_xl"

LAYER = -2  # whose states are read, un-normed, of both text encoders

# Of a picture that is wanted, and of what guidance moves away from.
SCORE, NEGATIVE_SCORE = 6.0, 2.5

# Numbers about the picture: sizes alone, or with a score in the place of the target.
SIZES, SIZES_AND_SCORE = 6, 5


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
    reading = inputs(model)
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
        if reading.numbers(second.config.projection_dim) is None:
            raise ValueError(
                f"the unet takes {reading.total} values of text and sizes "
                "(projection_class_embeddings_input_dim), which are not those of the text encoder, "
                f"{second.config.projection_dim} (projection_dim), and {SIZES} or "
                f"{SIZES_AND_SCORE} numbers of {reading.width} (addition_time_embed_dim)"
            )
    check_text(model.tokenizer, model.text_encoder)
    check_text(model.tokenizer_2, model.text_encoder_2, "_2")
    lengths = [one.length for one in (model.tokenizer, model.tokenizer_2) if one is not None]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"the tokenizer makes rows of {lengths[0]} ids (model_max_length), and tokenizer_2 of "
            f"{lengths[1]}: expected the same, for their states lie side by side"
        )
    hint(model)


def encode(model: Any, texts: list[str] | None, asked: Asked) -> Conditioning:
    """What both text encoders make of texts, and what was asked of sizes."""
    layer = LAYER - (asked.clip_skip or 0)
    told = _told(inputs(model).scored(model.text_encoder_2.config.projection_dim), asked)
    if texts is None and (model.index is None or model.index.zeros is not False):
        arrays = _nothing(model, asked.chunks or (1,))
    else:
        given = texts or [""] * len(asked.chunks or (1,))
        arrays = _read(model, given, list(asked.second or given), layer, asked)
    count = len(arrays["pooled"])
    return make(NAME, {**arrays, **_rows(told, count)})


def _read(
    model: Any, texts: list[str], second: list[str], layer: int, asked: Asked
) -> dict[str, Any]:
    """The rows of both text encoders side by side, and the vector of the second one."""
    parts, how = [], {"normed": False, "syntax": asked.syntax, "chunks": asked.chunks}
    if model.text_encoder is not None:
        rows, _ = clip_rows(model.tokenizer, model.text_encoder, texts, layer, **how)
        parts.append(rows)
    rows, pooled = clip_rows(
        model.tokenizer_2, model.text_encoder_2, second, layer, pooled=True, **how
    )
    return {"context": np.concatenate([*parts, rows], axis=2), "pooled": pooled}


def _nothing(model: Any, chunks: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
    """What stands for negative prompts that nobody gave: zeros, for which nothing need run.

    They are as long as texts of so many chunks are made.
    """
    encoders = [net for net in (model.text_encoder, model.text_encoder_2) if net is not None]
    width = sum(net.config.hidden_size for net in encoders)
    count, length = len(chunks), math.lcm(*chunks) * model.tokenizer_2.length
    return {
        "context": np.zeros((count, length, width), np.float32),
        "pooled": np.zeros((count, model.text_encoder_2.config.projection_dim), np.float32),
    }


def _told(scored: bool, asked: Asked) -> dict[str, Any]:
    """The numbers about the picture that do not follow from its own size, by name, or None."""
    sizes = Sizes() if asked.sizes is None else asked.sizes
    unread = "target" if scored else "aesthetic"
    if getattr(sizes, unread) is not None:
        raise ValueError(
            f"sizes.{unread} is not read by this checkpoint's unet, which reads "
            f"{'an aesthetic score' if scored else 'the target size'} in its place: leave it None"
        )
    told: dict[str, Any] = {}
    if asked.sizes is not None:
        told = {"original": sizes.original, "crop": sizes.crop, "target": sizes.target}
    if scored:
        usual = NEGATIVE_SCORE if asked.negative else SCORE
        told["aesthetic"] = [usual if sizes.aesthetic is None else sizes.aesthetic]
    return told


def _rows(told: Mapping[str, Any], count: int) -> dict[str, NDArray[np.float32]]:
    """Numbers as arrays, the same for each of `count` images (B, 2) or (B, 1)."""
    return {
        name: np.repeat(np.array([value], np.float32), count, 0)
        for name, value in told.items()
        if value is not None
    }


def fits(model: StableDiffusionXL, conditioning: Conditioning) -> None:
    """ValueError for a conditioning that the UNet cannot read."""
    reading, pooled = inputs(model), conditioning.arrays.get("pooled")
    scored = pooled is not None and pooled.ndim == 2 and reading.scored(pooled.shape[1])
    last: dict[str, tuple[int | None, ...]] = {"aesthetic": (1,)} if scored else {"target": (2,)}
    check_arrays(
        conditioning,
        {"context": (None, width_of(model.unet)), "pooled": (None,)},
        {"original": (2,), "crop": (2,), **last, **({"guidance": ()} if reading.embeds else {})},
    )
    width = conditioning.arrays["pooled"].shape[1]
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

    def scored(self, pooled: int) -> bool:
        """Whether an aesthetic score is read in the place of the target size."""
        return self.numbers(pooled) == SIZES_AND_SCORE

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

        scored = self.scored(arrays["pooled"].shape[1])
        last = said("aesthetic", [SCORE]) if scored else said("target", own)
        ids = np.concatenate([said("original", own), said("crop", [0, 0]), last], axis=1)
        found = {"context": arrays["context"], "pooled": arrays["pooled"], "ids": ids}
        if self.embeds:
            usual = np.full(count, GUIDANCE_OF_DISTILLED, np.float32)
            found["guidance"] = arrays.get("guidance", usual)
        return found


def inputs(model: Any) -> Reading:
    """How the model's UNet reads a conditioning; ValueError for one that is told no sizes."""
    config = model.unet.config
    if config.addition_embed_type != TEXT_TIME:
        raise ValueError(
            f"the unet is told no vector of the text and no sizes (addition_embed_type "
            f"{config.addition_embed_type}): expected {TEXT_TIME}, as {FAMILY.title} has it"
        )
    return Reading(
        config.addition_time_embed_dim,
        config.projection_class_embeddings_input_dim,
        vae.factor(model.vae.config),
        embeds_guidance(model),
    )


def guidance(model: Any) -> float:
    """How far to guide where nobody says."""
    return GUIDANCE_OF_DISTILLED if embeds_guidance(model) else 5.0


FAMILY = Family(
    name=NAME,
    title="SDXL",
    record=StableDiffusionXL,
    parts={
        "tokenizer": Part("tokenizer", CLIP_TOKENIZER, required=False),
        "tokenizer_2": Part("tokenizer", CLIP_TOKENIZER),
        "text_encoder": Part("clip", CLIP_TEXT, required=False),
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
    upcasts_vae=True,
    shared=("original", "crop", "target"),
    weighs_words=True,
)
