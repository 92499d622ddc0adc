"""What compare.py measures: a row is one piece of work, done by several sides in turn."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np
from checkpoint import places

Arrays = dict[str, np.ndarray]

START, END = 1, 2  # any two token ids
STEPS, GUIDANCE = 20, 7.5
PROMPT, NEGATIVE = "a photograph", "a graph"

# A side is a library, and what it is asked for.
SIDES = {
    "mdx": ("side_mdx", {}),
    "mdx float16": ("side_mdx", {"dtype": "float16"}),
    # Not fp16, or the side above would take the files, too, and cast nothing.
    "mdx float16 files": ("side_mdx", {"dtype": "float16", "variant": "half"}),
    "mdx by stages": ("side_mdx", {"weights": "stage"}),
    "mdx native": ("side_mdx", {"native": "1"}),
    "mdx native bfloat16": ("side_mdx", {"native": "bfloat16"}),
    "torch": ("side_torch", {}),
    "torch bfloat16": ("side_torch", {"dtype": "bfloat16"}),
    "openvino": ("side_openvino", {}),
    "openvino bfloat16": ("side_openvino", {"dtype": "bfloat16"}),
}


class Row(NamedTuple):
    """One piece of work."""

    name: str
    what: str  # in words
    part: str  # what is called: "text", "unet", "vae-decode", "vae-encode", "picture"; or "load"
    sides: tuple[str, ...]  # of SIDES; the first is compared with each of the others
    latents: int  # a side
    batch: int = 1
    steps: int = 1  # of a picture
    figure: str = "call"  # the seconds that count: of a "call", to "load", or to "compile"
    warm: bool = False  # whether graphs that an earlier process compiled are at hand
    runs: int | None = None  # fewer than asked for, where memory is what counts
    exact: bool = True  # whether outputs are to be equal but for rounding
    alone: bool = False  # whether each turn is of a fresh process, while no other is there


def rows(latents: Sequence[int], batches: Sequence[int]) -> list[Row]:
    """Every row for these sizes; what is measured at one size only takes the one nearest 64."""
    usual = min(latents, key=lambda side: abs(side - 64))
    both = ("mdx", "torch")
    found = [Row("text", "text encoder, two prompts one by one", "text", both, usual)]
    for side in sorted(latents):
        for batch in sorted(batches):
            name = f"unet-{side}-b{batch}"
            found.append(Row(name, _step(batch, side), "unet", both, side, batch))
    for side in sorted(latents):
        for part in ("vae-decode", "vae-encode"):
            what = f"VAE, {part[4:]}, latents {side}x{side}"
            found.append(Row(f"{part}-{side}", what, part, both, side))
    step = _step(2, usual)
    some = {"part": "unet", "latents": usual, "batch": 2}
    found += [
        Row("half", step, sides=("mdx float16 files", "mdx"), exact=False, **some),
        Row("bfloat16", step, sides=("mdx", "torch bfloat16"), exact=False, **some),
        Row(
            "openvino", step, sides=("mdx", "openvino", "openvino bfloat16"), exact=False, **some
        ),
        Row("load", "load a checkpoint", "load", both, usual, figure="load"),
        Row(
            "load-half", "load a checkpoint as float16", "load", ("mdx float16", "torch bfloat16"),
            usual, figure="load",
        ),
        Row("compile-cold", f"compile: {step}", sides=("mdx",), figure="compile", **some),
        Row(
            "compile-warm", f"compile from files: {step}", sides=("mdx",), figure="compile",
            warm=True, **some,
        ),
        Row("native", step, sides=("mdx native", "torch"), **some),
        Row(
            "native-bfloat16", step, sides=("mdx native bfloat16", "torch bfloat16"), exact=False,
            **some,
        ),
        Row(
            "native-decode", f"VAE, decode, latents {usual}x{usual}", "vae-decode",
            ("mdx native", "torch"), usual,
        ),
        Row(
            "native-text", "text encoder, two prompts one by one", "text", ("mdx native", "torch"),
            usual,
        ),
        Row(
            "native-compile-cold", f"compile: {step}", sides=("mdx native",), figure="compile",
            **some,
        ),
        Row(
            "native-compile-warm", f"compile from files: {step}", sides=("mdx native",),
            figure="compile", warm=True, **some,
        ),
        Row(
            "large", _step(1, 2 * usual), "unet", both, 2 * usual, runs=1,
        ),
        Row(
            "offloading", f"picture, latents {usual}x{usual}, 2 steps, guided", "picture",
            ("mdx by stages", "mdx"), usual, steps=2, runs=1,
        ),
        Row(
            "picture", f"picture, latents {usual}x{usual}, {STEPS} steps, guided", "picture",
            both, usual, steps=STEPS, exact=False,
        ),
    ]  # fmt: skip
    return found


def _step(batch, side):
    return f"UNet step, batch {batch}, latents {side}x{side}"


def chosen(found: Sequence[Row], patterns: Sequence[str]) -> list[Row]:
    """Rows whose names fit one of the patterns; ValueError for a pattern that none fits."""
    for pattern in patterns:
        if not any(fnmatchcase(row.name, pattern) for row in found):
            names = ", ".join(row.name for row in found)
            raise ValueError(f"no row is called {pattern}; there are {names}")
    return [row for row in found if any(fnmatchcase(row.name, one) for one in patterns)]


def inputs(row: Row, nets: dict[str, Any], seed: int) -> Arrays:
    """What the work begins with, by name, for nets of these configs."""
    rng = np.random.default_rng([seed, 1])
    normal = lambda *shape: rng.standard_normal(shape, np.float32)  # noqa: E731
    text, unet, vae = nets["text_encoder"], nets["unet"], nets["vae"]
    tokens, side = places(text), row.latents
    channels = vae.get("latent_channels", 4)
    if row.part == "text":
        ids = rng.integers(END + 1, text["vocab_size"], (2, tokens), np.int32)
        ids[:, 0], ids[:, -1] = START, END
        return {"ids": ids}
    if row.part == "unet":
        found = {
            "x": normal(row.batch, unet.get("in_channels", 4), side, side),
            "t": np.linspace(981, 1, row.batch, dtype=np.float32),
            "context": normal(row.batch, tokens, unet["cross_attention_dim"]),
        }
        if unet.get("addition_embed_type") is not None:
            pixels = float(side * factor(vae))
            width = nets["text_encoder_2"]["projection_dim"]
            found["pooled"] = normal(row.batch, width)
            sizes = [pixels, pixels, 0.0, 0.0, pixels, pixels]
            found["ids"] = np.array([sizes] * row.batch, np.float32)
        return found
    if row.part == "vae-encode":
        pixels = side * factor(vae)
        return {"images": rng.random((1, pixels, pixels, 3), np.float32)}
    return {"latents": normal(1, channels, side, side)}


def factor(vae: dict[str, Any]) -> int:
    """Pixels of a picture along one side for each latent."""
    return 2 ** (len(vae["block_out_channels"]) - 1)
