"""What a caller asks of generate(), checked before anything is computed."""

import math
from typing import Any, NamedTuple

import numpy as np

from mdx import run_tables, schedulers, starts, step_noise
from mdx.checks import (
    bytes_of,
    check_fits,
    did_you_mean,
    entries,
    finite,
    flag,
    one_of,
    shown,
    whole,
)
from mdx.latents import OUTPUTS
from mdx.memory import Memory
from mdx.memory import checked as checked_memory
from mdx.memory_plan import plan
from mdx.model import check_model
from mdx.nets import vae
from mdx.schedulers import State, Table

__all__ = ["Request", "checked", "generator"]

# Tables are padded to this many slots, so that another sampler needs no other graph. Longer ones
# keep their own number.
SLOTS = 6


class Request(NamedTuple):
    """What the arguments of `generate` come to for one batch, one entry an image where it says B.

    All of it was checked; nothing of it was computed.
    """

    prompts: list[str]  # (B,)
    negative: list[str]  # (B,)
    seeds: list[int | np.random.Generator | None]  # (B,) None: by chance; see `generator`
    shape: tuple[int, int, int]  # (C, h, w) of an image's latents
    guidance: list[float]  # (B,)
    table: Table  # of at least SLOTS slots
    start: State | None  # of the table's slots; None begins with the seeds' noise
    kinds: list[str]  # (B,) where a sampler's own noise comes from: see step_noise
    memory: Memory


def checked(
    model, prompt, negative_prompt, scheduler, steps, guidance, seed, height, width, per_prompt,
    start, kind, output, progress, callback, after, one_graph, memory, batch,
) -> list[Request]:  # fmt: skip
    """The arguments of `generate` as Requests, one a batch, to be run one after the other.

    ValueError, TypeError or MemoryError by the argument's name for what does not fit.
    """
    one_of("output", output, OUTPUTS)
    _check_watching(progress, callback, after, flag("one_graph", one_graph))
    check_model(model)
    prompts = _texts("prompt", prompt)
    per_prompt = whole("images_per_prompt", per_prompt, 1)
    count = len(prompts) * per_prompt
    size = count if batch is None else min(whole("batch", batch, 1), count)
    if after is not None and size < count:
        raise ValueError(
            "after sees one batch at a time, and not which of the images are in it: leave out batch"
        )
    begun = None if start is None else starts.given(start)
    shape = _shape(model, height, width, begun)
    _check_size(model, shape, count, size, output != "latent")
    negative = _negative(negative_prompt, len(prompts))
    scales = [finite("guidance", scale) for scale in _each("guidance", guidance, count)]
    scales *= count // len(scales)
    tables = run_tables.made(model, _each("scheduler", scheduler, count), steps, count)
    slots = max(SLOTS, *(table.slots for table in tables), 0 if begun is None else len(begun.slots))
    memory = _memory(model, memory, shape, size, max(scales) > 1)
    if one_graph and memory.weights == "stage":
        raise ValueError('one_graph has the UNet\'s weights all at work: ask for weights="net"')
    if begun is not None:
        starts.check(begun, max(table.rows for table in tables), (count, *shape))
    seeds = _seeds(seed, count)

    def request(images: slice) -> Request:
        texts = [i // per_prompt for i in range(count)[images]]
        table = schedulers.pad(run_tables.of(tables, images), slots)
        return Request(
            prompts=[prompts[i] for i in texts],
            negative=[negative[i] for i in texts],
            seeds=seeds[images],
            shape=shape,
            guidance=scales[images],
            table=table,
            start=None if begun is None else starts.state(begun, images, table),
            kinds=_kinds(table, kind, len(texts)),
            memory=memory,
        )

    return [request(slice(first, first + size)) for first in range(0, count, size)]


def _check_watching(progress, callback, after, one_graph):
    for name, function in (("callback", callback), ("after", after)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be callable, not {shown(function)}")
    watched = progress is not None and flag("progress", progress)
    if one_graph and (watched or callback is not None or after is not None):
        raise ValueError("one_graph cannot be watched: leave out progress, callback and after")


def _texts(name, value):
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} must be a str or a list of str, not {shown(value)}")
    if not texts:
        raise ValueError(f"{name} is an empty list: give at least one")
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{name} is not valid Unicode at {error.start}: {shown(text)}"
            ) from None
    return list(texts)


def _negative(value, count):
    """The negative text of each prompt."""
    if value is None or isinstance(value, str):
        return [value or ""] * count
    texts = _texts("negative_prompt", value)
    if len(texts) != count:
        raise ValueError(
            f"negative_prompt: {len(texts)} negative prompts for {count} prompts: give one, or one "
            "each"
        )
    return texts


def _each(name, value, count):
    """The entries of a list, which must be one an image; anything else is one for all."""
    listed = entries(value)
    if listed is None:
        return [value]
    if len(listed) != count:
        raise ValueError(
            f"{len(listed)} entries of {name} for {count} images: give one, or one each"
        )
    return listed


def _shape(model, height, width, begun):
    """(C, h, w) of an image's latents: as asked, else as `start` has it, else as was trained."""
    size = model.unet.config.sample_size
    sides = size if isinstance(size, tuple) else (size, size)
    if begun is not None:
        sides = begun.slots.shape[-2:]
    return (
        model.unet.config.in_channels,
        _latent_side("height", height, sides[0], model),
        _latent_side("width", width, sides[1], model),
    )


def _latent_side(name, pixels, trained, model):
    factor = vae.factor(model.vae.config)
    if pixels is None:
        if trained is None:
            raise ValueError(f"the checkpoint does not say its size: give {name}")
        return trained
    pixels = whole(name, pixels, 1)
    if pixels % factor:
        below = max(pixels // factor * factor, factor)
        raise ValueError(
            f"{name} must be a multiple of {factor}, not {pixels}: try {below} or {below + factor}"
        )
    return pixels // factor


def _check_size(model, shape, count, size, decoded):
    """MemoryError if the machine cannot hold what a run holds whatever `memory` is.

    That is the latents and pixels of all images, and the state of a batch with its first noise.
    """
    latents = math.prod(shape)
    pixels = 3 * vae.factor(model.vae.config) ** 2 * math.prod(shape[1:])
    check_fits(
        "prompt, images_per_prompt, height and width",
        4 * count * (latents + pixels * decoded) + size * latents * (4 * SLOTS + 8),
    )


def _memory(model, memory, shape, count, guided):
    """The Memory that was asked for, or that keeps within the budget that was."""
    if memory is None or isinstance(memory, Memory):
        return checked_memory(memory)
    if isinstance(memory, (bool, np.bool_)) or not isinstance(memory, (int, np.integer, str)):
        raise TypeError(f"memory must be a mdx.Memory, a budget or None, not {shown(memory)}")
    factor = vae.factor(model.vae.config)
    height, width = (side * factor for side in shape[1:])
    try:
        budget = bytes_of(memory)
    except ValueError as error:
        raise ValueError(f"memory: {error}") from None
    found = plan(model, height, width, count, budget=budget, guided=guided)
    if not found.fits:
        raise MemoryError(f"no choice of memory keeps within the budget; the least is\n{found}")
    return found.memory


def _kinds(table, kind, count):
    if kind is None:
        return step_noise.kinds(table, count)
    if not isinstance(kind, str) or kind not in step_noise.KINDS:
        raise ValueError(
            f"step_noise must be one of {', '.join(step_noise.KINDS)} or None, not {shown(kind)}"
            f"{did_you_mean(kind, step_noise.KINDS)}"
        )
    step_noise.check(table, [kind] * count)
    return [kind] * count


def _seeds(seed: Any, count: int) -> list[int | np.random.Generator | None]:
    if seed is None or isinstance(seed, np.random.Generator):
        return [seed] * count
    listed = entries(seed)
    if listed is None:
        first = whole("seed", seed, 0, None)
        return list(range(first, first + count))
    if len(listed) != count:
        raise ValueError(f"{len(listed)} seeds for {count} images: give one, or one each")
    return [
        one if isinstance(one, np.random.Generator) else whole("seed", one, 0, None)
        for one in listed
    ]


def generator(seed: int | np.random.Generator | None) -> np.random.Generator:
    """What draws an image's noise: PCG64 of its seed, or the generator that was given."""
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
