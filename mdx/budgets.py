"""What a run holds in memory: as it was asked for, or as a budget allows."""

import logging
from typing import Any, NamedTuple

import numpy as np

from mdx import compile_cache
from mdx.checks import bytes_of, shown
from mdx.families import Model, nets_of
from mdx.memory import Memory, checked
from mdx.memory_plan import Plan, plan
from mdx.nets import vae

__all__ = ["Drawn", "chosen"]

log = logging.getLogger("mdx")


class Drawn(NamedTuple):
    """What a run draws, as far as its memory depends on it."""

    shape: tuple[int, int, int]  # (C, h, w) of an image's latents
    batch: int  # images at once
    pictures: int  # in all
    guided: bool
    one_graph: bool
    encodes: bool = False  # whether pictures become latents first
    # Of 77 tokens, that a prompt has: each length is a graph. Their maps are bounded as those of
    # attention within the picture are, and less.
    chunks: int = 1


def chosen(model: Model, memory: Memory | int | np.integer | str | None, drawn: Drawn) -> Memory:
    """The Memory that was asked for, or that keeps within the budget that was.

    It says to the graphs in memory what kind of run this is; those of other kinds make room where
    there is a budget. TypeError or ValueError for what is neither, MemoryError with the plan where
    no choice keeps within the budget.
    """

    def kind(choice: Memory) -> tuple[Any, ...]:
        configs = tuple(net.config for net in nets_of(model).values())
        return configs, drawn._replace(pictures=drawn.batch), choice

    def left(choice: Memory) -> int:
        return compile_cache.left_beside(kind(choice))

    if memory is None or isinstance(memory, Memory):
        choice = checked(memory)
        compile_cache.begin(kind(choice))
        return choice
    if isinstance(memory, (bool, np.bool_)) or not isinstance(memory, (int, np.integer, str)):
        raise TypeError(f"memory must be a mdx.Memory, a budget or None, not {shown(memory)}")
    factor = vae.factor(model.vae.config)
    height, width = (side * factor for side in drawn.shape[1:])
    try:
        budget = bytes_of(memory)
    except ValueError as error:
        raise ValueError(f"memory: {error}") from None
    found = plan(
        model, height, width, drawn.batch, budget=budget, guided=drawn.guided,
        one_graph=drawn.one_graph, pictures=drawn.pictures, beside=left, image=drawn.encodes,
    )  # fmt: skip
    room = budget - found.peak - left(found.memory)
    if room < 0:
        _refuse(found, left(found.memory))
    compile_cache.begin(kind(found.memory), max(0, room))
    return found.memory


def _refuse(found: Plan, left: int) -> None:
    """MemoryError with the plan; a line in the log where its figures are not of this device."""
    beside = f", beside {left} bytes that earlier runs have left in this process" if left else ""
    text = f"no choice of memory keeps within the budget{beside}; the least is\n{found}"
    if found.measured:
        raise MemoryError(text)
    log.warning("it is run all the same: %s", text)
