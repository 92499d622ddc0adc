"""Stable Diffusion 1.x and 2.x: one CLIP text encoder, and a UNet that reads its rows.

High-resolution image synthesis with latent diffusion models, arXiv 2112.10752.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.conditioning import Conditioning, make
from mdx.encoding import clip_rows
from mdx.families.family import CLIP_TEXT, CLIP_TOKENIZER, Asked, Family, Part
from mdx.families.fitting import (
    check_arrays,
    check_latents,
    check_text,
    check_width,
    width_of,
)
from mdx.families.showing import described
from mdx.model_index import Index
from mdx.net import Net
from mdx.nets import unet
from mdx.tokenizer import Tokenizer

__all__ = ["FAMILY", "StableDiffusion"]

NAME = "stable_diffusion"

READ = ("context", "guidance")  # what the UNet may read of a conditioning

SIDE = 64  # of the latents of every Stable Diffusion before diffusers 0.9


class StableDiffusion(NamedTuple):
    """A checkpoint of Stable Diffusion 1.x or 2.x; exchange a part with _replace.

    Copies and pickles as its parts do: see `Net`.
    """

    tokenizer: Tokenizer | None  # text to ids
    text_encoder: Net | None  # ids to text states
    unet: Net  # noisy latents, time and text states to the model output
    vae: Net  # latents to pixels and back
    scheduler: Any  # the checkpoint's own Scheduler
    # What model_index.json says; a tuple's own `index` is nobody's here.
    index: Index | None = None  # pyright: ignore[reportIncompatibleMethodOverride]

    def __repr__(self) -> str:
        """Its parts, one a line; what they hold is in their fields."""
        return described(self)


def check(model: StableDiffusion) -> None:
    """ValueError where one part's output is not what the next one takes."""
    check_latents(model.unet, model.vae)
    told = [name for name in unet.conditioning_names(model.unet.config) if name not in READ]
    if told:
        raise ValueError(
            f"the unet reads {' and '.join(told)} beside the text (addition_embed_type), which "
            f"{FAMILY.title} do not have: expected a unet without them"
        )
    if model.text_encoder is not None:
        check_width(model.unet, {"text_encoder": model.text_encoder})
    check_text(model.tokenizer, model.text_encoder)


def encode(model: Any, texts: list[str] | None, asked: Asked) -> Conditioning:
    """The rows that the text encoder makes of texts; of a negative prompt likewise."""
    for name in ("second", "sizes"):
        if getattr(asked, name) is not None:
            raise ValueError(f"{name} is for families that read it, and {FAMILY.title} does not")
    layer = -1 - (asked.clip_skip or 0)
    given = texts or [""] * len(asked.chunks or (1,))
    rows, _ = clip_rows(
        model.tokenizer, model.text_encoder, given, layer, syntax=asked.syntax, chunks=asked.chunks
    )
    return make(NAME, {"context": rows})


def fits(model: StableDiffusion, conditioning: Conditioning) -> None:
    """ValueError for a conditioning that the UNet cannot read."""
    told = {"guidance": ()} if embeds_guidance(model) else {}
    check_arrays(conditioning, {"context": (None, width_of(model.unet))}, told)


def inputs(
    model: StableDiffusion,
) -> Callable[[Conditioning, tuple[int, ...]], dict[str, NDArray[Any]]]:
    """What the UNet reads: the text, and the number that a distilled one was guided by."""
    return read_embedding if embeds_guidance(model) else read_text


def embeds_guidance(model: Any) -> bool:
    """Whether the network reads how far it is guided, and is not guided from outside.

    Guided diffusion distilled: arXiv 2210.03142; latent consistency models: arXiv 2310.04378.
    """
    return getattr(model.unet.config, "time_cond_proj_dim", None) is not None


def guidance(model: Any) -> float:
    """How far to guide where nobody says."""
    return GUIDANCE_OF_DISTILLED if embeds_guidance(model) else 7.5


def read_text(conditioning: Conditioning, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """The text alone."""
    return {"context": conditioning.arrays["context"]}


def read_embedding(conditioning: Conditioning, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """The text, and the guidance that the network embeds (B,)."""
    arrays = conditioning.arrays
    usual = np.full(conditioning.batch, GUIDANCE_OF_DISTILLED, np.float32)
    return {"context": arrays["context"], "guidance": arrays.get("guidance", usual)}


GUIDANCE_OF_DISTILLED = 8.5


def meant(index: Index, json: Mapping[str, Any]) -> dict[str, Any]:
    """The UNet's config.json as it is meant.

    Conversions older than diffusers 0.9 say 32 or another size too small where 64 was trained.
    """
    side, version = json.get("sample_size"), json.get("_diffusers_version")
    release = re.match(r"(\d{1,9})\.(\d{1,9})", version) if isinstance(version, str) else None
    old = release is not None and tuple(map(int, release.groups())) < (0, 9)
    small = side in range(1, SIDE) and side is not True
    return {**json, "sample_size": SIDE} if old and small and index.old_meaning else dict(json)


FAMILY = Family(
    name=NAME,
    title="Stable Diffusion 1.x and 2.x",
    record=StableDiffusion,
    parts={
        "tokenizer": Part("tokenizer", CLIP_TOKENIZER),
        "text_encoder": Part("clip", CLIP_TEXT),
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
    weighs_words=True,
)
