"""The work of a row done by diffusers and transformers on torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from rows import GUIDANCE, NEGATIVE, PROMPT, Arrays, Row
from transformers import CLIPTextModel
from transformers.utils import logging as transformers_logging

NETS = {
    "text": (CLIPTextModel, "text_encoder"),
    "unet": (UNet2DConditionModel, "unet"),
    "vae-decode": (AutoencoderKL, "vae"),
    "vae-encode": (AutoencoderKL, "vae"),
}


def load(folder: Path, row: Row, threads: int, dtype: str = "float32") -> Any:
    """The net that the row needs, or the pipeline."""
    torch.set_num_threads(threads)
    for library in (diffusers_logging, transformers_logging):  # they have bars and advice
        library.disable_progress_bar()
        library.set_verbosity_error()
    wanted = getattr(torch, dtype)
    if row.part not in NETS:
        return DiffusionPipeline.from_pretrained(folder, torch_dtype=wanted)
    kind, name = NETS[row.part]
    net, info = kind.from_pretrained(folder / name, output_loading_info=True, torch_dtype=wanted)
    # A weight that was not found would stay at its own random values.
    strays = {key: list(info[key]) for key in ("missing_keys", "unexpected_keys") if info[key]}
    if strays:
        raise ValueError(f"{type(net).__name__} does not take mdx's weights: {strays}")
    return net.eval()


def prepare(loaded: Any, row: Row, inputs: Arrays) -> Callable[[int], list[np.ndarray]]:
    """A function that does the work, a picture's in so many steps."""
    work = {
        "text": _text,
        "unet": _unet,
        "vae-decode": _decode,
        "vae-encode": _encode,
        "picture": _picture,
    }[row.part]

    @torch.no_grad()
    def call(steps):
        return [one.float().numpy() for one in work(loaded, row, inputs, steps)]

    return call


def _text(net, row, inputs, steps):
    found = []
    for ids in torch.from_numpy(inputs["ids"]).long():
        out = net(ids[None])
        found += [out.last_hidden_state, out.pooler_output]
    return found


def _unet(net, row, inputs, steps):
    given = {name: torch.from_numpy(array) for name, array in inputs.items()}
    x, t, context = given["x"].to(net.dtype), given["t"], given["context"].to(net.dtype)
    told = {}
    if "ids" in given:
        told = {"text_embeds": given["pooled"].to(net.dtype), "time_ids": given["ids"]}
    return [net(x, t, context, added_cond_kwargs=told).sample]


def _decode(net, row, inputs, steps):
    pixels = net.decode(torch.from_numpy(inputs["latents"]) / net.config.scaling_factor).sample
    return [(pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)]


def _encode(net, row, inputs, steps):
    pixels = torch.from_numpy(inputs["images"]).permute(0, 3, 1, 2) * 2 - 1
    return [net.encode(pixels).latent_dist.mode() * net.config.scaling_factor]


def _picture(pipeline, row, inputs, steps):
    pipeline.set_progress_bar_config(disable=True)
    pixels = row.latents * pipeline.vae_scale_factor
    found = pipeline(
        PROMPT, negative_prompt=NEGATIVE, num_inference_steps=steps, guidance_scale=GUIDANCE,
        height=pixels, width=pixels, latents=torch.from_numpy(inputs["latents"]),
        output_type="np",
    )  # fmt: skip
    return [torch.from_numpy(found.images)]
