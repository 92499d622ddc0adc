"""Prompts to pictures: the loop in which a table of coefficients and a network meet."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, ops
from numpy.typing import NDArray

from mdx import guidance as guiding
from mdx import schedulers, staged, step_noise
from mdx.compile_cache import compiled, run
from mdx.latents import decode
from mdx.mapped import check_files, drop
from mdx.memory import Memory, release
from mdx.model import Model, check_weights
from mdx.nets import unet
from mdx.progress import bar, without_compiling
from mdx.request import checked, generator
from mdx.schedulers import Info, Scheduler, State, Table
from mdx.schedulers.device import advance
from mdx.schedulers.step import factors
from mdx.texts import contexts

__all__ = ["generate"]

# In one graph, tables are padded to a multiple of this many rows, so that another number of steps
# needs no other graph.
ROWS = 64


@run()
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
    start: NDArray[np.floating] | State | None = None,
    step_noise: str | None = None,
    output: str = "pil",
    progress: bool | None = None,
    callback: Callable[[int, State, Info], Any] | None = None,
    after: Callable[[Table, State], State] | None = None,
    one_graph: bool = False,
    memory: Memory | int | str | None = None,
    batch: int | None = None,
) -> Any:
    """Make pictures of prompts: `images_per_prompt` of each, a prompt's pictures in succession.

    Args:
        model: what `load` returned, with any of its parts exchanged.
        prompt: a text, or a list of them.
        negative_prompt: replaces the empty text that guidance moves away from: one for all
            prompts, or one each.
        scheduler: a name, a Scheduler or a Table, or a list of them, one an image; None for the
            checkpoint's own. Image i is drawn by scheduler[i] as it would be alone. One whose
            sampler has fewer rows rests at its end until the longest is done: it is still in the
            batch that the model is called with, but the answer is not used, the sample stays bit
            for bit and no noise is drawn. One for a model of another prediction_type than the
            checkpoint's is refused: its picture would look plausible, and be wrong.
        steps: None is 50, or the rows of a Table, which has its own steps.
        guidance: how far to move, or a list, one an image. At 1 or less no negative half is
            computed.
        seed: image i of a list is drawn from seed[i], and of an int from seed + i. The generator of
            a seed is numpy.random.Generator(PCG64(seed)), initial latents are its standard_normal
            in float64, and a sampler's own noise follows from the same generator, so that an image
            depends on its seed and not on its batch. One Generator serves all images in turn, those
            of a batch before those of the next.
        height, width: of the pictures in pixels, multiples of the VAE's factor; None for the size
            of `start`, or of the model's training.
        images_per_prompt: pictures of each prompt.
        start: replaces the initial latents: an array (B, C, h, w) at the noise level of the table's
            first row, or a State from `callback` or a file, to go on from its row. Nothing tells
            clean latents from noisy ones: those of `encode` must have noise added first, by
            `schedulers.add_noise`, or the run takes the picture itself for noise. With the seed of
            its run, a resumed run ends bit for bit as the whole one: what was drawn for the rows
            before is drawn again, and dropped.
        step_noise: where a sampler's own noise comes from: "fresh" is a draw a row; "path" reads
            it off one Brownian path for each image, the same for any number of steps, so that more
            steps are the same picture in more detail; None is "path" for samplers made for one
            (DPM++ SDE, SA-Solver) and "fresh" for others.
        output: "pil", "np" or "latent": see below.
        progress: True draws a bar on stderr, False none, None one where stderr is a terminal.
        callback: is called with (step, state, info) after every step; info.x0 is the picture that
            the model has in mind.
        after: a function (table, state) -> state to go on with, as that of `inpainting.known`;
            callback sees that one.
        one_graph: runs all steps in one compiled graph, to the same latents bit for bit. Nothing
            can be seen of it before it ends: no bar, and neither callback nor after.
        memory: what is held in memory at once, None for what is quickest: see `Memory`. Or a
            budget, in bytes or as "6GB": `plan` then chooses what keeps within it.
        batch: how many images are run at once, None for all. The others follow, batch by batch, in
            their order; what is one an image is parted alike, and each image is as it is alone. The
            bar counts the calls of all batches; callback sees one batch from its first step to its
            last, with its images in the state, then the next. after is for one batch only.

    Returns:
        A list of PIL images; with output "np" float32 pixels (B, H, W, 3) in [0, 1]; with output
        "latent" float32 latents (B, C, h, w).

    Raises:
        ValueError, TypeError: for arguments that do not fit, before anything is computed.
        MemoryError: before anything is computed, for more than the machine can hold, and with the
            plan where no choice keeps within the budget; later, where memory runs out.
        FloatingPointError: where the model's numbers overflow or its weights hold NaN: after the
            first step, or when all are done.
    """
    requests = checked(
        model, prompt, negative_prompt, scheduler, steps, guidance, seed, height, width,
        images_per_prompt, start, step_noise, output, progress, callback, after, one_graph, memory,
        batch,
    )  # fmt: skip
    for net in (model.text_encoder, model.unet, model.vae):
        check_files(net.places.values())
    latents = _sample(model, requests, one_graph, progress, callback, after)
    if output == "latent":
        return latents
    return decode(model, latents, output=output, memory=requests[0].memory)


def _sample(model, requests, one_graph, progress, callback, after):
    """The latents of all batches, one after the other, (B, C, h, w)."""
    memory, found = requests[0].memory, []
    texts = [_texts(request) for request in requests]
    known = contexts(model, [text for some in texts for text in some])
    release(model.text_encoder, memory)
    total = sum(one.table.rows for one in requests)
    begun = sum(0 if one.start is None else one.start.index for one in requests)
    with bar(total, begun, False if one_graph else progress) as shown, without_compiling(shown):
        for request, some in zip(requests, texts, strict=True):
            context = Tensor(np.concatenate([known[text] for text in some]))
            found.append(_batch(model, request, context, one_graph, shown, callback, after))
    release(model.unet, memory)
    return np.concatenate(found)


def _texts(request):
    """What the text encoder reads for a batch: the negative half, where one is asked, first."""
    if max(request.guidance) > 1:
        return [*request.negative, *request.prompts]
    return request.prompts


def _batch(model, request, context, one_graph, shown, callback, after):
    guided, memory = max(request.guidance) > 1, request.memory
    # At 1 the negative half counts for nothing, as for an image that is made without one.
    scale = Tensor(np.maximum(request.guidance, 1).astype(np.float32))
    table, generators = request.table, [generator(seed) for seed in request.seeds]
    noise = np.stack([one.standard_normal(request.shape) for one in generators])
    state = schedulers.init(table, noise) if request.start is None else request.start
    fresh = step_noise.rows(table, generators, request.shape, request.kinds)
    run = (model, memory, table, guided, state, context, scale, fresh)
    end = _in_one_graph(*run) if one_graph else _step_by_step(*run, shown, callback, after)
    return _finite(model, end)


def _finite(model, state):
    """The latents (B, C, h, w) of a state; FloatingPointError that says why if they are none."""
    latents = _on_host(state.slots)[0]
    if not np.isfinite(latents).all():
        check_weights(model.text_encoder, model.unet)
        raise FloatingPointError(
            "the latents hold NaN or infinity: the model's numbers overflow in its dtype "
            "(load it in float32), or the steps of the scheduler are too large for it"
        )
    return latents


def _step_by_step(
    model, memory, table, guided, state, context, scale, fresh, shown, callback, after
):
    count = state.slots.shape[1]
    predict = _prediction(model.unet, guided, memory)
    begin = state.index
    for i, noise in enumerate(fresh):
        if i < begin:
            continue
        t = Tensor(_per_image(table.t[i], count))
        rescale = Tensor(_per_image(table.scale[i], count))
        out = predict(state.slots, rescale, t, context, scale)
        state, info = schedulers.step(table, state, out, noise)
        if i == begin:
            _finite(model, state)  # not after all steps what the first one shows
        if after is not None:
            state = _same_run(state, after(table, state))
        if callback is not None:
            callback(i, state, info)
        shown.update()
    return state


def _same_run(state, changed):
    """What `after` returned, if the run can go on with it."""
    if not isinstance(changed, State):
        raise TypeError(f"after must return a State, not {type(changed).__name__}")
    if changed.index != state.index or changed.slots.shape != state.slots.shape:
        raise ValueError(
            f"after must return a State at row {state.index} with slots {state.slots.shape}, "
            f"not at row {changed.index} with {changed.slots.shape}"
        )
    return changed


def _in_one_graph(model, memory, table, guided, state, context, scale, fresh):
    _, count, *shape = state.slots.shape
    # The length of the arrays is part of the graph, the number of rows that it runs is not.
    length = -(-table.rows // ROWS) * ROWS
    noise = np.zeros((length, count, *shape), np.float32)
    for i, drawn in enumerate(fresh):
        if drawn is not None:
            noise[i] = drawn
    t, rescale = (_lengthened([_per_image(x, count) for x in a], length) for a in table[:2])
    rows = zip(*(factors(table, i, count) for i in range(table.rows)), strict=True)
    denoise, mix, clip = (_lengthened(array, length) for array in rows)
    slots = _runner(model.unet.config, guided, memory.part_bytes)(
        model.unet.params, state.slots, Tensor(noise), t, rescale, denoise, mix, clip, context,
        scale, Tensor(state.index, mindspore.int32), Tensor(table.rows, mindspore.int32),
    )  # fmt: skip
    return State(slots, table.rows)


def _per_image(factor, count):
    """One number or one an image -> (count,) float32."""
    return np.broadcast_to(factor, (count,)).astype(np.float32)


def _lengthened(rows, length):
    """Rows of a table as one tensor, with zeros up to the length."""
    rows = np.stack(list(rows))
    return Tensor(
        np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]), np.float32)])
    )


def _on_host(tensor: Any) -> np.ndarray:
    return tensor.asnumpy()


def _prediction(net, guided, memory):
    """A function (slots, rescale, t, context, scale) -> the UNet's output."""
    if not staged.in_stages(net, memory):
        return functools.partial(_predictor(net.config, guided, memory.part_bytes), net.params)
    parts = staged.parts(net.config, net.params)

    def used(part):
        if memory.weights == "stage":
            drop(net.places[name] for name in part.names if name in net.places)

    return staged.predictor(net.config, parts, guided, memory.part_bytes, used)


# One compiled function a config: MindSpore keeps a graph for each shape it is called with.


@functools.cache
def _predictor(config, guided, part_bytes):
    return compiled(_predict(config, guided, part_bytes))


def _predict(config, guided, part_bytes):
    """The UNet's call as a function that runs inside a graph."""

    def predict(params, slots, rescale, t, context, scale):
        def denoiser(x, t, context):
            return unet.apply(config, params, x, t, {"context": context}, part_bytes)

        x = slots[0] * rescale.reshape((-1, 1, 1, 1))
        if guided:
            return guiding.classifier_free(denoiser, scale)(x, t, context)
        return denoiser(x, t, context)

    return predict


@functools.cache
def _runner(config, guided, part_bytes):
    predict = _predict(config, guided, part_bytes)

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

    return compiled(run)
