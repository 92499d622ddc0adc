"""A task's pictures as a run reads them: as latents, and as channels behind those of the sample."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.families import Model
from mdx.latents import encode, unscaled
from mdx.memory import Memory, release
from mdx.tasks.asked import Task
from mdx.tasks.filling import filled
from mdx.tasks.pictures import Pixels

__all__ = ["Prepared", "prepared"]

GREY = np.float32(0.5)

Latents = NDArray[np.float32]


class Prepared(NamedTuple):
    """A task's pictures, encoded; one entry for all images, or one each."""

    task: Task
    clean: Latents | None  # (P, C, h, w); None where no image begins with them or keeps any
    draws: Latents | None  # (P, 1, h, w) from 0, kept, to 1, drawn; None without a mask
    parts: dict[str, Latents]  # (P, c, h, w) by the names of the layout


def prepared(model: Model, task: Task, memory: Memory) -> Prepared:
    """The pictures of a task, encoded by the model's VAE: their mean, as `encode` has it."""
    clean, draws, pixels = task.latents, None, task.pixels
    if task.masks:
        draws = np.stack([_squares(one, task.shape) for one in task.masks])[:, None]
        if task.inpaint.fill == "blur":
            pixels = [filled(one, mask > 0) for one, mask in _pairs(pixels, task.masks)]
    if clean is None and (task.method is not None or task.begins_with_picture):
        clean = encode(model, np.stack(pixels))
    parts: dict[str, Latents] = {}
    for name in task.layout:
        if name == "mask" and draws is not None:
            parts[name] = (draws > 0).astype(np.float32)
        elif name == "masked":
            grey = [
                np.where(mask[..., None] > 0, GREY, one)
                for one, mask in _pairs(task.pixels, task.masks)
            ]
            parts[name] = encode(model, np.stack(grey))
        elif name == "image":
            parts[name] = unscaled(model.vae.config, encode(model, np.stack(pixels)))
        elif name == "low":
            parts[name] = np.stack(pixels).transpose(0, 3, 1, 2) * 2 - 1
    release(model.vae, memory)
    return Prepared(task, clean, draws, parts)


def _pairs(some: Sequence[Any], others: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """One of each, where a list of one is for all of the other."""
    count = max(len(some), len(others))
    for i in range(count):
        yield some[i % len(some)], others[i % len(others)]


def _squares(mask: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """The mask over latents (h, w): what is drawn most in the square of each, which is drawn."""
    _, height, width = shape
    tall, wide = mask.shape[0] // height, mask.shape[1] // width
    return mask.reshape(height, tall, width, wide).max(axis=(1, 3))
