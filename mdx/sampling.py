"""Prompts to pictures: the loop in which a table of coefficients and a network meet."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mindspore
import numpy as np
from mindspore import Tensor, ops
from tqdm import tqdm

from mdx import guidance as guiding
from mdx import images as pictures
from mdx import schedulers
from mdx import tokenizer as tokens
from mdx.kernels import ONE_AT_A_TIME
from mdx.model import Model
from mdx.nets import clip, unet, vae
from mdx.schedulers import Info, Scheduler, State, Table
from mdx.schedulers.device import advance
from mdx.schedulers.step import factors

__all__ = ["generate"]

OUTPUTS = ("pil", "np", "latent")
STEPS = 50  # where neither the caller nor a Table says

# Tables are padded to this many slots, so that another sampler needs no other graph. Longer ones
# keep their own number.
SLOTS = 6

# In one graph, tables are padded to a multiple of this many rows, for the same reason.
ROWS = 64


class Request(NamedTuple):
    """What the arguments of `generate` come to, checked, one entry an image where it says B."""

    prompts: list[str]  # (B,)
    negative: list[str]  # (B,)
    generators: list[np.random.Generator]  # (B,)
    height: int  # of the latents
    width: int  # of the latents
    guidance: list[float]  # (B,)
    table: Table  # of at least SLOTS slots


def generate(
    model: Model,
    prompt: str | Sequence[str],
    *,
    negative_prompt: str | Sequence[str] | None = None,
    scheduler: str | Scheduler | Table | Sequence[str | Scheduler | Table] | None = None,
    steps: int | None = None,
    guidance: float | Sequence[float] = 7.5,
    seed: int | Sequence[int] | np.random.Generator | Sequence[np.random.Generator] | None = None,
    height: int | None = None,
    width: int | None = None,
    images_per_prompt: int = 1,
    output: str = "pil",
    progress: bool | None = None,
    callback: Callable[[int, State, Info], Any] | None = None,
    one_graph: bool = False,
) -> Any:
    """Make pictures of prompts: `images_per_prompt` of each, a prompt's pictures in succession.

    negative_prompt replaces the empty text that guidance moves away from: one for all, or one a
    prompt. scheduler is a name, a Scheduler or a Table, None for the checkpoint's own; steps is
    50 where nothing says otherwise, and must be left out for a Table, whose rows are its steps.
    guidance of 1 or less computes no negative half. Both may be lists, one entry an image: image i
    is then drawn by scheduler[i] with guidance[i] as it would be alone, and rests where it ends
    before others. height and width are in pixels, multiples of the VAE's factor, None for the size
    of the model's training.

    seed: image i of a list is drawn from seed[i], and of an int from seed + i; the generator of
    a seed is numpy.random.Generator(PCG64(seed)), initial latents are its standard_normal in
    float64, and a sampler's own noise follows from the same generator. So an image depends on
    its seed and not on its batch. One Generator serves all images in turn.

    progress shows a bar on stderr; callback(step, state, info) sees the state after every step,
    and info.x0. one_graph runs all steps in one compiled graph, to the same latents bit for bit;
    nothing can be seen of it before it ends, so it goes with neither of them.

    Returns a list of PIL images; with output "np" float32 pixels (B, H, W, 3) in [0, 1]; with
    output "latent" float32 latents (B, C, h, w). Raises ValueError or TypeError for arguments
    that do not fit, before anything is computed, and FloatingPointError where the model's
    numbers overflow.
    """
    if output not in OUTPUTS:
        raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, not {output!r}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, not {callback!r}")
    if one_graph and (progress or callback is not None):
        raise ValueError("one_graph cannot be watched: leave out progress and callback")
    request = _request(
        model, prompt, negative_prompt, scheduler, steps, guidance, seed, height, width,
        images_per_prompt,
    )  # fmt: skip
    latents = _sample(model, request, one_graph, progress is not False, callback)
    if output == "latent":
        return latents
    # One at a time: a picture's memory does not grow with the batch, nor do graphs multiply.
    pixels = np.concatenate([_decoded(model, latents[i : i + 1]) for i in range(len(latents))])
    if output == "pil":
        return pictures.to_pil(pixels)
    return np.clip(pixels.transpose(0, 2, 3, 1) / 2 + 0.5, 0, 1)


def _sample(model, request, one_graph, progress, callback):
    guided = max(request.guidance) > 1
    texts = [*request.negative, *request.prompts] if guided else request.prompts
    context = _encoded(model, texts)
    # At 1 the negative half counts for nothing, as for an image that is made without one.
    scale = Tensor(np.maximum(request.guidance, 1).astype(np.float32))
    shape = (1, model.unet.config.in_channels, request.height, request.width)
    noise = np.concatenate([one.standard_normal(shape) for one in request.generators])
    state = schedulers.init(request.table, noise)
    if one_graph:
        state = _in_one_graph(model, request, guided, state, context, scale)
    else:
        state = _step_by_step(model, request, guided, state, context, scale, progress, callback)
    with ONE_AT_A_TIME:
        latents = _on_host(state.slots)[0]
    if not np.isfinite(latents).all():
        raise FloatingPointError(
            "the latents hold NaN or infinity: the model's numbers overflow in its dtype "
            "(load it in float32), or the steps of the scheduler are too large for it"
        )
    return latents


def _step_by_step(model, request, guided, state, context, scale, progress, callback):
    table, (_, count, *shape) = request.table, state.slots.shape
    predict = _predictor(model.unet.config, guided)
    with tqdm(total=table.rows, disable=not progress, unit="step") as bar:
        for i in range(table.rows):
            fresh = _fresh(table, i, request.generators, (1, *shape))
            t = Tensor(_per_image(table.t[i], count))
            rescale = Tensor(_per_image(table.scale[i], count))
            with ONE_AT_A_TIME:
                out = predict(model.unet.params, state.slots, rescale, t, context, scale)
                state, info = schedulers.step(table, state, out, fresh)
            if callback is not None:
                callback(i, state, info)
            bar.update()
    return state


def _in_one_graph(model, request, guided, state, context, scale):
    table, (_, count, *shape) = request.table, state.slots.shape
    # The length of the arrays is part of the graph, the number of rows that it runs is not.
    length = -(-table.rows // ROWS) * ROWS
    fresh = np.zeros((length, count, *shape), np.float32)
    for i in range(table.rows):
        drawn = _fresh(table, i, request.generators, (1, *shape))
        if drawn is not None:
            fresh[i] = drawn
    t, rescale = (_lengthened([_per_image(x, count) for x in a], length) for a in table[:2])
    rows = zip(*(factors(table, i, count) for i in range(table.rows)), strict=True)
    denoise, mix, clip = (_lengthened(array, length) for array in rows)
    run = _runner(model.unet.config, guided)
    with ONE_AT_A_TIME:
        slots = run(
            model.unet.params, state.slots, Tensor(fresh), t, rescale, denoise, mix, clip, context,
            scale, Tensor(state.index, mindspore.int32), Tensor(table.rows, mindspore.int32),
        )  # fmt: skip
    return State(slots, table.rows)


def _fresh(table, i, generators, shape):
    """Noise for row i, None if it adds none; no generator moves for an image that gets none."""
    if not table.needs_noise(i):
        return None
    draws = np.broadcast_to(table.draws(i), (len(generators),))
    return np.concatenate(
        [
            one.standard_normal(shape) if draw else np.zeros(shape)
            for one, draw in zip(generators, draws, strict=True)
        ]
    )


def _per_image(factor, count):
    """One number or one an image -> (count,) float32."""
    return np.broadcast_to(factor, (count,)).astype(np.float32)


def _lengthened(rows, length):
    """Rows of a table as one tensor, with zeros up to the length."""
    rows = np.stack(list(rows))
    return Tensor(
        np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]), np.float32)])
    )


def _encoded(model, texts):
    """Context (len(texts), T, D). Each distinct text alone, so that one graph serves any number."""
    encode = _text_encoder(model.text_encoder.config)
    known = {}
    ids = tokens.encode(model.tokenizer, list(dict.fromkeys(texts)))
    for text, row in zip(dict.fromkeys(texts), ids, strict=True):
        with ONE_AT_A_TIME:
            known[text] = _on_host(encode(model.text_encoder.params, Tensor(row[None])))
    return Tensor(np.concatenate([known[text] for text in texts]))


def _decoded(model, latents):
    with ONE_AT_A_TIME:
        return _on_host(_decoder(model.vae.config)(model.vae.params, Tensor(latents)))


def _on_host(tensor: Any) -> np.ndarray:
    return tensor.asnumpy()


# One compiled function a config: MindSpore keeps a graph for each shape it is called with.


@functools.cache
def _text_encoder(config):
    @mindspore.jit
    def encode(params, ids):
        return clip.apply(config, params, ids)[0]

    return encode


@functools.cache
def _predictor(config, guided):
    @mindspore.jit
    def predict(params, slots, rescale, t, context, scale):
        def denoiser(x, t, context):
            return unet.apply(config, params, x, t, context)

        x = slots[0] * rescale.reshape((-1, 1, 1, 1))
        if guided:
            return guiding.classifier_free(denoiser, scale)(x, t, context)
        return denoiser(x, t, context)

    return predict


@functools.cache
def _runner(config, guided):
    predict = _predictor(config, guided)

    @mindspore.jit
    def run(params, slots, fresh, t, rescale, denoise, mix, clip, context, scale, i, rows):
        # Rows by gather: an index in brackets might be negative, and the graph would check it.
        while i < rows:
            time, factor = ops.gather(t, i, 0), ops.gather(rescale, i, 0)
            out = predict(params, slots, factor, time, context, scale)
            noise, to_x0 = ops.gather(fresh, i, 0), ops.gather(denoise, i, 0)
            to_slots, bound = ops.gather(mix, i, 0), ops.gather(clip, i, 0)
            slots, _ = advance(slots, out, noise, to_x0, to_slots, bound)
            i = i + 1
        return slots

    return run


@functools.cache
def _decoder(config):
    @mindspore.jit
    def decode(params, latents):
        return vae.decode(config, params, latents)

    return decode


def _request(
    model, prompt, negative_prompt, scheduler, steps, guidance, seed, height, width, per_prompt
) -> Request:
    if not isinstance(model, Model):
        raise TypeError(f"model must be what mdx.load returns, not {type(model).__name__}")
    prompts = _texts("prompt", prompt)
    per_prompt = _whole("images_per_prompt", per_prompt, 1)
    count = len(prompts) * per_prompt
    negative = [""] if negative_prompt is None else _texts("negative_prompt", negative_prompt)
    if isinstance(negative_prompt, str) or negative_prompt is None:
        negative = negative * len(prompts)
    if len(negative) != len(prompts):
        raise ValueError(
            f"{len(negative)} negative prompts for {len(prompts)} prompts: give one, or one each"
        )
    scales = [_finite("guidance", scale) for scale in _each("guidance", guidance, count)]
    size = model.unet.config.sample_size
    trained = size if isinstance(size, tuple) else (size, size)
    table = _table(model, _each("scheduler", scheduler, count), steps)
    if table.width not in (None, count):
        raise ValueError(f"the stacked table is for {table.width} images, but {count} are asked")
    return Request(
        prompts=[text for text in prompts for _ in range(per_prompt)],
        negative=[text for text in negative for _ in range(per_prompt)],
        generators=_generators(seed, count),
        height=_latent_side("height", height, trained[0], model),
        width=_latent_side("width", width, trained[1], model),
        guidance=[scales[i % len(scales)] for i in range(count)],
        table=schedulers.pad(table, max(SLOTS, table.slots)),
    )


def _texts(name, value):
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} must be a str or a list of str, not {value!r}")
    if not texts:
        raise ValueError(f"{name} is an empty list: give at least one")
    return list(texts)


def _whole(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be {least} or more, not {value}")
    return int(value)


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
    steps = STEPS if steps is None else _whole("steps", steps, 1)
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
            one if isinstance(one, np.random.Generator) else _generator(_whole("seed", one, 0))
            for one in seed
        ]
    first = _whole("seed", seed, 0)
    return [_generator(first + i) for i in range(count)]


def _generator(seed):
    return np.random.Generator(np.random.PCG64(seed))


def _latent_side(name, pixels, trained, model):
    factor = vae.factor(model.vae.config)
    if pixels is None:
        if trained is None:
            raise ValueError(f"the checkpoint does not say its size: give {name}")
        return trained
    pixels = _whole(name, pixels, 1)
    if pixels % factor:
        below = max(pixels // factor * factor, factor)
        raise ValueError(
            f"{name} must be a multiple of {factor}, not {pixels}: try {below} or {below + factor}"
        )
    return pixels // factor
