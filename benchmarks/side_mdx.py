"""The work of a row done by mdx, as a user's program does it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from checkpoint import file_name
from mindspore import Tensor
from rows import GUIDANCE, NEGATIVE, PROMPT, Arrays, Row

import mdx
from mdx import families, mapped, nets, weights
from mdx.sampling import staged


def load(
    folder: Path,
    row: Row,
    threads: int,
    dtype: str = "float32",
    variant: str | None = None,
    weights: str = "all",
    native: str = "0",
) -> Any:
    """The checkpoint, and what it is to hold in memory.

    MindSpore takes as many threads as there are processors for the process. native: what MDX_NATIVE
    says to it, which has a process of its own.
    """
    os.environ["MDX_NATIVE"] = native
    return mdx.load(folder, dtype=dtype, variant=variant), mdx.Memory(weights=weights)


def convert(folder: Path, dtype: str, variant: str) -> None:
    """Write the checkpoint's weights once more, in that dtype, as files of that variant."""
    model = mdx.load(folder, dtype=dtype)
    for name, net in families.nets_of(model).items():
        path = folder / name / file_name(name).replace(".", f".{variant}.")
        if not path.exists():
            weights.save(net.params, path)


def prepare(loaded: Any, row: Row, inputs: Arrays) -> Callable[[int], list[np.ndarray]]:
    """A function that does the work, a picture's in so many steps."""
    model, memory = loaded
    return {
        "text": _text,
        "unet": _unet,
        "vae-decode": _decode,
        "vae-encode": _encode,
        "picture": _picture,
    }[row.part](model, memory, row, inputs)


def _text(model, memory, row, inputs):
    config = model.text_encoder.config

    @mindspore.jit
    def encode(params, ids):
        return nets.clip.apply(config, params, ids)

    def call(steps):
        found = []
        for ids in inputs["ids"]:
            both: Any = encode(model.text_encoder.params, Tensor(ids[None]))
            found += [one.asnumpy() for one in both]
        return found

    return call


def _unet(model, memory, row, inputs):
    """By stages, which is how generate() runs a UNet of more than a few parameters."""
    net = model.unet
    parts = staged.parts(net.config, net.params)

    def used(part):
        if memory.weights == "stage":
            mapped.drop(net.places[name] for name in part.names if name in net.places)

    predict = staged.predictor(net.config, parts, False, memory.part_bytes, used)
    ones = Tensor(np.ones(row.batch, np.float32))

    def call(steps):
        given = {name: Tensor(array) for name, array in inputs.items()}
        x, t = given.pop("x"), given.pop("t")
        return [predict(x, t, mindspore.mutable(given), ones).asnumpy()]

    return call


def _decode(model, memory, row, inputs):
    return lambda steps: [mdx.decode(model, inputs["latents"], output="np", memory=memory)]


def _encode(model, memory, row, inputs):
    return lambda steps: [mdx.encode(model, inputs["images"])]


def _picture(model, memory, row, inputs):
    pixels = row.latents * nets.vae.factor(model.vae.config)

    def call(steps):
        return [
            mdx.generate(
                model, PROMPT, negative_prompt=NEGATIVE, steps=steps, guidance=GUIDANCE,
                start=inputs["latents"], height=pixels, width=pixels, output="np",
                progress=False, memory=memory,
            )
        ]  # fmt: skip

    return call
