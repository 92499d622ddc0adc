"""What a caller asks of generate(), checked before anything is computed."""

import math
from typing import Any, NamedTuple

import numpy as np
from mindspore import Tensor

from mdx import schedulers, step_noise
from mdx.checks import whole
from mdx.latents import OUTPUTS
from mdx.memory import Memory
from mdx.memory import checked as checked_memory
from mdx.memory_plan import plan
from mdx.model import Model
from mdx.nets import vae
from mdx.schedulers import Scheduler, State, Table
from mdx.schedulers.config import runs

__all__ = ["Request", "checked"]

STEPS = 50  # where neither the caller nor a Table says

# Tables are padded to this many slots, so that another sampler needs no other graph. Longer ones
# keep their own number.
SLOTS = 6


class Request(NamedTuple):
    """What the arguments of `generate` come to, one entry an image where it says B."""

    prompts: list[str]  # (B,)
    negative: list[str]  # (B,)
    generators: list[np.random.Generator]  # (B,)
    shape: tuple[int, int, int]  # (C, h, w) of an image's latents
    guidance: list[float]  # (B,)
    table: Table  # of at least SLOTS slots
    start: State | None  # of the table's slots; None begins with the generators' noise
    kinds: list[str]  # (B,) where a sampler's own noise comes from: see step_noise
    memory: Memory


def checked(
    model, prompt, negative_prompt, scheduler, steps, guidance, seed, height, width, per_prompt,
    start, kind, output, progress, callback, after, one_graph, memory,
) -> Request:  # fmt: skip
    """The arguments of `generate` as a Request; ValueError or TypeError for what does not fit."""
    if output not in OUTPUTS:
        raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, not {output!r}")
    for name, function in (("callback", callback), ("after", after)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be callable, not {function!r}")
    if one_graph and (progress or callback is not None or after is not None):
        raise ValueError("one_graph cannot be watched: leave out progress, callback and after")
    if not isinstance(model, Model):
        raise TypeError(f"model must be what mdx.load returns, not {type(model).__name__}")
    prompts = _texts("prompt", prompt)
    per_prompt = whole("images_per_prompt", per_prompt, 1)
    count = len(prompts) * per_prompt
    negative = [""] if negative_prompt is None else _texts("negative_prompt", negative_prompt)
    if isinstance(negative_prompt, str) or negative_prompt is None:
        negative = negative * len(prompts)
    if len(negative) != len(prompts):
        raise ValueError(
            f"{len(negative)} negative prompts for {len(prompts)} prompts: give one, or one each"
        )
    scales = [_finite("guidance", scale) for scale in _each("guidance", guidance, count)]
    table = _table(model, _each("scheduler", scheduler, count), steps)
    if table.width not in (None, count):
        raise ValueError(f"the stacked table is for {table.width} images, but {count} are asked")
    shape = _shape(model, height, width, start)
    begun = start.slots.shape[0] if isinstance(start, State) else 0
    table = schedulers.pad(table, max(SLOTS, table.slots, begun))
    memory = _memory(model, memory, shape, count, max(scales) > 1)
    if one_graph and memory.weights == "stage":
        raise ValueError('one_graph has the UNet\'s weights all at work: ask for weights="net"')
    return Request(
        prompts=[text for text in prompts for _ in range(per_prompt)],
        negative=[text for text in negative for _ in range(per_prompt)],
        generators=_generators(seed, count),
        shape=shape,
        guidance=[scales[i % len(scales)] for i in range(count)],
        table=table,
        start=None if start is None else _start(table, start, (count, *shape)),
        kinds=_kinds(table, kind, count),
        memory=memory,
    )


def _memory(model, memory, shape, count, guided):
    """The Memory that was asked for, or that keeps within the budget that was."""
    if memory is None or isinstance(memory, Memory):
        return checked_memory(memory)
    if isinstance(memory, bool) or not isinstance(memory, (int, str)):
        raise TypeError(f"memory must be a mdx.Memory, a budget or None, not {memory!r}")
    factor = vae.factor(model.vae.config)
    height, width = (side * factor for side in shape[1:])
    found = plan(model, height, width, count, budget=memory, guided=guided)
    if not found.fits:
        raise MemoryError(f"no choice of memory keeps within the budget; the least is\n{found}")
    return found.memory


def _shape(model, height, width, start):
    """(C, h, w) of an image's latents: as asked, else as `start` has it, else as was trained."""
    size = model.unet.config.sample_size
    sides = size if isinstance(size, tuple) else (size, size)
    if start is not None:
        given = np.shape(start.slots if isinstance(start, State) else start)
        if len(given) != (5 if isinstance(start, State) else 4):
            raise ValueError(
                f"start must be latents (B, C, h, w), or a State of them, not of shape {given}"
            )
        sides = given[-2:]
    return (
        model.unet.config.in_channels,
        _latent_side("height", height, sides[0], model),
        _latent_side("width", width, sides[1], model),
    )


def _start(table, start, shape):
    """The state to begin with: latents (B, C, h, w), or a state that was stopped."""
    if not isinstance(start, State):
        values = np.asarray(start)
        if values.dtype.kind != "f" or values.shape != shape:
            raise ValueError(
                f"start must be floating point latents of shape {shape}, "
                f"not {values.dtype} {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError("start holds NaN or infinity")
        return schedulers.begin(table, values)
    slots: Any = start.slots
    if tuple(slots.shape[1:]) != shape:
        raise ValueError(f"start is a State of {tuple(slots.shape[1:])} latents, not of {shape}")
    if not 0 <= start.index <= table.rows:
        raise ValueError(f"start is at row {start.index} of a table with {table.rows} rows")
    whole = np.zeros((table.slots, *shape), np.float32)
    whole[: len(slots)] = slots.asnumpy()
    return State(Tensor(whole), start.index)


def _kinds(table, kind, count):
    if kind is None:
        return step_noise.kinds(table, count)
    if kind not in step_noise.KINDS:
        raise ValueError(
            f"step_noise must be one of {', '.join(step_noise.KINDS)} or None, not {kind!r}"
        )
    step_noise.check(table, [kind] * count)
    return [kind] * count


def _texts(name, value):
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} must be a str or a list of str, not {value!r}")
    if not texts:
        raise ValueError(f"{name} is an empty list: give at least one")
    return list(texts)


def _each(name, value, count):
    """The entries of a list, which must be one an image; anything else is one for all."""
    # Schedulers and tables are tuples, too.
    if type(value) not in (list, tuple):
        return [value]
    if len(value) != count:
        raise ValueError(
            f"{len(value)} entries of {name} for {count} images: give one, or one each"
        )
    return list(value)


def _finite(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, not {value}")
    return float(value)


def _table(model, chosen, steps):
    """The table of one scheduler, or the stack of as many as there are images."""
    if steps is not None and all(isinstance(scheduler, Table) for scheduler in chosen):
        raise ValueError("a Table has its own steps: leave out steps, or give a Scheduler")
    steps = STEPS if steps is None else whole("steps", steps, 1)
    tables = [_one_table(model, scheduler, steps) for scheduler in chosen]
    if len(tables) == 1:
        return tables[0]
    if any(table.width is not None for table in tables):
        raise ValueError("a stacked table cannot be one of several: it is one for each image")
    return schedulers.stack(tables)


def _one_table(model, scheduler, steps):
    if isinstance(scheduler, Table):
        return scheduler
    if scheduler is None:
        scheduler = model.scheduler
    elif isinstance(scheduler, str):
        scheduler = schedulers.from_config(model.scheduler, scheduler)
    elif not isinstance(scheduler, Scheduler):
        kinds = "a name, a Scheduler, a Table or None"
        raise TypeError(f"scheduler must be {kinds}, not {type(scheduler).__name__}")
    if not runs(scheduler, model.scheduler):
        raise ValueError(
            f"{scheduler.name} is for other networks than a checkpoint with {model.scheduler.name} "
            "has: `mdx samplers` lists them by what they are for (a Table is run unasked)"
        )
    return schedulers.table(scheduler, steps)


def _generators(seed, count):
    if seed is None:
        return [np.random.default_rng() for _ in range(count)]
    if isinstance(seed, np.random.Generator):
        return [seed] * count
    if isinstance(seed, (list, tuple)):
        if len(seed) != count:
            raise ValueError(f"{len(seed)} seeds for {count} images: give one, or one each")
        return [
            one if isinstance(one, np.random.Generator) else _generator(whole("seed", one, 0))
            for one in seed
        ]
    first = whole("seed", seed, 0)
    return [_generator(first + i) for i in range(count)]


def _generator(seed):
    return np.random.Generator(np.random.PCG64(seed))


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
