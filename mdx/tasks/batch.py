"""What a batch of a run has of pictures: its beginning, its conditioning, what it keeps."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx import conditioning, inpainting, schedulers
from mdx.conditioning import Conditioning
from mdx.families import Model
from mdx.families.channels import NAME
from mdx.prompt_schedule import Changing, at, each
from mdx.sampling.kept import keeping, kept_at
from mdx.sampling.loop import After
from mdx.schedulers import State, Table
from mdx.schedulers.step import per_image
from mdx.tasks.asked import Task
from mdx.tasks.low import noised
from mdx.tasks.prepared import Prepared

__all__ = ["Batch", "after", "begun", "channelled", "kept", "of_batch"]

Latents = NDArray[np.float32]


class Batch(NamedTuple):
    """The pictures of B images."""

    task: Task
    clean: Latents | None  # (B, C, h, w)
    draws: Latents | None  # (B, 1, h, w) from 0, kept, to 1, drawn
    parts: Mapping[str, Latents]  # (B, c, h, w) by the names of the layout
    strength: NDArray[np.float64]  # (B,)
    rows: list[int]  # (B,) of each image's own run
    noise: NDArray[np.float64]  # (B, C, h, w) of the run's beginning


def of_batch(
    made: Prepared, images: slice, rows: Sequence[int], noise: NDArray[np.float64]
) -> Batch:
    """What the images of a slice have of all; rows (B,) of their runs, and their first noise."""

    def each(array: Any) -> Any:
        if array is None:
            return None
        return np.repeat(array, len(rows), 0) if len(array) == 1 else array[images]

    parts = {name: each(array) for name, array in made.parts.items()}
    strength = each(np.array(made.task.strength))
    return Batch(made.task, each(made.clean), each(made.draws), parts, strength, list(rows), noise)


def begun(batch: Batch, table: Table) -> State | None:
    """The state before the first row; None where all images begin with noise alone.

    That is the pictures with noise at the table's first level. At strength 1, with a mask or a
    network that reads the picture, there is noise alone where it is drawn.
    """
    task, clean, noise = batch.task, batch.clean, batch.noise
    if clean is None:
        return None
    line = schedulers.add_noise(table, 0, clean, noise).asnumpy()
    sample = line
    if task.inpaint.fill == "noise":
        sample = noise.astype(np.float32) * per_image(table.sigma[0], 4)
    if task.noise_alone:
        full = (batch.strength == 1).reshape(-1, 1, 1, 1)
        sample = np.where(full, schedulers.init(table, noise).slots.asnumpy()[0], sample)
    if task.method == "x0" and batch.draws is not None:
        sample = np.where(kept_at(batch.draws, 0, np.array(batch.rows)), line, sample)
    return schedulers.begin(table, sample)


def channelled(
    model: Model,
    batch: Batch,
    positive: Changing,
    negative: Changing | None,
    generators: Sequence[np.random.Generator],
) -> tuple[Changing, Changing | None]:
    """Both with what the network reads of the pictures behind the sample's channels.

    An upscaler's small picture is noised, for both alike, by what the generators give next.
    """
    if not batch.task.layout:
        return positive, negative
    parts = dict(batch.parts)
    if "low" in parts:
        fresh = np.stack([each.standard_normal(parts["low"].shape[1:]) for each in generators])
        parts["low"] = noised(model, at(positive, 0), parts["low"], fresh)
    read = {NAME: np.concatenate([parts[name] for name in batch.task.layout], axis=1)}

    def reading(one: Conditioning) -> Conditioning:
        return conditioning.make(one.family, {**one.arrays, **read})

    return each(positive, reading), None if negative is None else each(negative, reading)


def kept(batch: Batch, denoiser: Any) -> Any:
    """The denoiser, which knows what is kept where that is the method."""
    if batch.task.method != "x0" or batch.clean is None or batch.draws is None:
        return denoiser
    return keeping(denoiser, batch.clean, batch.noise, batch.draws, rows=batch.rows)


def after(batch: Batch, own: After | None) -> After | None:
    """What is done after each row: what is kept is put back, by that method, then `own`."""
    if batch.task.method != "steps" or batch.clean is None or batch.draws is None:
        return own
    back = inpainting.replacing(batch.clean, batch.noise, batch.draws, rows=batch.rows)
    if own is None:
        return back

    def both(table: Table, state: State) -> State:
        return own(table, back(table, state)._replace(carry=state.carry))

    return both
