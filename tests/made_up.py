"""A made-up family, as CONTRIBUTING.md adds it: one vector a text, and parts by other names.

Its painter (a UNet) reads nothing but the text's own vector, as if it were a prompt of one token;
its VAE has eight channels at a quarter of the picture's sides.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx import tokenizer, weights
from mdx.conditioning import Conditioning, make
from mdx.encoding import clip_rows
from mdx.families.family import Asked, Family, Part
from mdx.families.fitting import check_arrays, check_latents, check_text, check_width, width_of
from mdx.families.showing import described
from mdx.model_index import Index
from mdx.net import Net
from mdx.nets import clip, unet, vae
from mdx.tokenizer import Tokenizer
from tests import tiny

NAME = "made_up"


class MadeUp(NamedTuple):
    """A checkpoint of the made-up family."""

    words: Tokenizer | None  # text to ids
    reader: Net | None  # ids to one vector a text
    painter: Net  # noisy latents, time and the vector to the model output
    vae: Net  # latents to pixels and back
    scheduler: Any  # the checkpoint's own Scheduler
    index: Index | None = None  # what model_index.json says

    def __repr__(self) -> str:
        """Its parts, one a line."""
        return described(self)


def check(model: MadeUp) -> None:
    """ValueError where one part's output is not what the next one takes."""
    check_latents(model.painter, model.vae)
    if model.reader is not None:
        check_width(model.painter, {"reader": model.reader}, "the reader")
    check_text(model.words, model.reader)


def encode(model: Any, texts: list[str] | None, asked: Asked) -> Conditioning:
    """The vector of each text (B, C); zeros for a negative prompt that nobody gave."""
    if asked.second is not None or asked.sizes is not None or asked.clip_skip:
        raise ValueError("second, sizes and clip_skip are nothing that the made-up family reads")
    _, vectors = clip_rows(model.words, model.reader, texts or [""], pooled=True)
    return make(NAME, {"vector": np.zeros_like(vectors) if texts is None else vectors})


def fits(model: MadeUp, conditioning: Conditioning) -> None:
    """ValueError for a conditioning that the painter cannot read."""
    check_arrays(conditioning, {"vector": (width_of(model.painter),)}, {})


def inputs(model: MadeUp) -> Any:
    """How the painter reads a conditioning: in the same way for every model."""
    return read


def read(conditioning: Conditioning, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """The vector as the one row (B, 1, C) that the painter attends to."""
    return {"context": conditioning.arrays["vector"][:, None]}


def guidance(model: Any) -> float:
    """How far to guide where nobody says."""
    return 3.0


FAMILY = Family(
    name=NAME,
    title="the made-up family",
    record=MadeUp,
    parts={
        "words": Part("tokenizer", frozenset({"CLIPTokenizer"})),
        "reader": Part("clip", frozenset({"CLIPTextModel"})),
        "painter": Part("unet", frozenset({"UNet2DConditionModel"})),
        "vae": Part("vae", frozenset({"AutoencoderKL"})),
        "scheduler": Part("scheduler", frozenset()),
    },
    guidance=guidance,
    check=check,
    encode=encode,
    fits=fits,
    inputs=inputs,
    network="painter",
)


# A checkpoint of it, with random weights.

INDEX = {
    "_class_name": "MadeUpPipeline",
    "words": ["transformers", "CLIPTokenizer"],
    "reader": ["transformers", "CLIPTextModel"],
    "painter": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "scheduler": ["diffusers", "PNDMScheduler"],
}
PAINTER = {**tiny.UNET, "in_channels": 8, "out_channels": 8}
VAE = {
    **tiny.VAE,
    "latent_channels": 8,
    "block_out_channels": [16, 16, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
}
NETS = {
    # Texts end at their largest id.
    "reader": (clip, {**tiny.TEXT, "eos_token_id": 2}, "model"),
    "painter": (unet, PAINTER, "diffusion_pytorch_model"),
    "vae": (vae, VAE, "diffusion_pytorch_model"),
}


def write(folder: Path) -> Path:
    """Write the checkpoint, float32, in the diffusers layout."""
    tiny.write_json(folder / "model_index.json", INDEX)
    tiny.write_json(folder / "scheduler" / "scheduler_config.json", tiny.SCHEDULER)
    tokenizer.train(["a red circle"], folder / "words", vocab_size=560, length=16)
    for part, (net, config, base) in NETS.items():
        tiny.write_json(folder / part / "config.json", config)
        params = tiny.random_params(net.shapes(net.from_json(config)))
        weights.save(params, folder / part / f"{base}.safetensors")
    return folder
