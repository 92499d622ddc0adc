"""How much memory a run will take, step by step, before anything runs.

A plan is an upper bound: what a process that does nothing else holds at most, whether its graphs
are compiled or read from files. `memory_counts.py` counts what a step is made of, in figures that
were measured; `benchmarks/plan_check.py` holds plans against runs.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mdx.checks import bytes_of, flag, whole
from mdx.families import Model, check_model
from mdx.kernels.device import lowering
from mdx.loading import dtype_name
from mdx.memory import LEAST_TILE, Memory, checked
from mdx.memory_counts import Size, Work, counted, weighed
from mdx.memory_encoding import with_pictures
from mdx.memory_figures import MAPS, Counts, Figures, bytes_held, figures, name_of
from mdx.nets import vae
from mdx.weights import dtype_of

__all__ = ["Plan", "Step", "plan"]

MB = 1_000_000
TILES = (64, 48, 32)  # latents; smaller ones show


class Step(NamedTuple):
    """What one part of a run takes where it takes most, in bytes."""

    name: str  # "text encoder", "VAE's encoder" where there is an image, "UNet" or "VAE"
    weights: int  # of all nets, that are in memory then
    maps: int  # feature maps, attention scores and other results
    rest: int  # the process, its libraries and graphs, weights that are no part of a mapped file,
    # float32 copies, and maps of steps before

    @property
    def peak(self) -> int:
        """Bytes, all in all."""
        return self.weights + self.maps + self.rest


class Plan(NamedTuple):
    """What `plan` found."""

    height: int  # of the pictures, in pixels
    width: int
    batch: int  # pictures at once
    dtype: str  # of the weights
    memory: Memory  # the choice that was planned: what generate(memory=...) takes
    steps: tuple[Step, ...]  # in the order in which they run
    budget: int | None  # bytes
    largest: int | None  # batch within the budget, by any choice; None without a budget
    measured: bool  # whether this device's figures were; otherwise those of others stand in

    @property
    def peak(self) -> int:
        """Bytes, at the worst of its steps."""
        return max(step.peak for step in self.steps)

    @property
    def fits(self) -> bool:
        """Whether that is within the budget, were it for nothing else."""
        return self.budget is None or self.peak <= self.budget

    def __str__(self) -> str:
        size = f"{self.batch} of {self.width} by {self.height} pixels, {self.dtype} weights"
        parts = f"parts of {self.memory.part_bytes / MB:.0f} MB"
        tile = "" if self.memory.tile is None else f", tiles of {self.memory.tile} latents"
        lines = [f"{size}; weights in memory: {self.memory.weights}; {parts}{tile}"]
        lines.append(f"{'MB':14}{'weights':>9}{'maps':>9}{'rest':>9}{'peak':>9}")
        for step in self.steps:
            numbers = (step.weights, step.maps, step.rest, step.peak)
            lines.append(f"{step.name:14}" + "".join(f"{n / MB:9.0f}" for n in numbers))
        if self.budget is not None:
            lines.append(
                f"budget {self.budget / MB:.0f} MB, largest batch within it {self.largest}"
            )
        if not self.measured:
            lines.append("this device was not measured: figures of others stand in")
        return "\n".join(lines)


def plan(
    model: Model,
    height: int,
    width: int,
    batch: int,
    dtype: str | None = None,
    budget: int | str | None = None,
    *,
    memory: Memory | None = None,
    guided: bool = True,
    one_graph: bool = False,
    pictures: int | None = None,
    beside: int | Callable[[Memory], int] = 0,
    image: bool = False,
) -> Plan:
    """Predict the memory of `generate`.

    The peaks are upper bounds for a process that does nothing else, on a device that was measured
    (`Plan.measured`). One that has drawn other pictures holds up to 512 MB of their graphs, too:
    `generate` counts them where it is given a budget, and frees as many as it must.

    Args:
        model: what `load` returned.
        height, width: of the pictures in pixels, multiples of the VAE's factor.
        batch: pictures at once.
        dtype: of the weights, None for what the model has.
        budget: bytes, or a text such as "6GB" or "800MB". Without `memory` the quickest choice
            within it is planned, or the one that takes least where none is.
        memory: what is held in memory at once, as for `generate`.
        guided: whether guidance is above 1.
        one_graph: as for `generate`, with up to 64 steps.
        pictures: in all, where they run in batches; None for one batch.
        beside: bytes of the budget that are for something else, or a function that says them for a
            choice of memory; no part of the peaks.
        image: whether `generate` is given one, which becomes latents first. What a network reads of
            it in channels is part of the figures; guidance by `instruct` is three calls of as many
            images as the run, which take less than the one of twice as many that is counted.

    Returns:
        The Plan: its peaks in bytes, and the choice that they are of.

    Raises:
        ValueError, TypeError: for arguments that do not fit.
        MemoryError: for more pixels than memory can address.
    """
    family = check_model(model)
    limit, guided = None if budget is None else bytes_of(budget), flag("guided", guided)
    one_graph, image = flag("one_graph", one_graph), flag("image", image)
    others = _others(beside)
    height, width, batch = (
        whole("height", height, 1),
        whole("width", width, 1),
        whole("batch", batch, 1),
    )
    total = None if pictures is None else whole("pictures", pictures, batch)
    factor = vae.factor(model.vae.config)
    if height % factor or width % factor:
        raise ValueError(f"height and width must be multiples of {factor}, not {height}, {width}")
    if 12 * height * width * (total or batch) > sys.maxsize:
        raise MemoryError(
            f"height {height}, width {width} and {total or batch} pictures make more pixels than "
            "memory can address"
        )
    dtype = None if dtype is None else dtype_name(dtype)
    latents = (height // factor, width // factor)
    texts = [getattr(model, name) for name in family.encoders(model)]
    net = getattr(model, family.network)
    nets = weighed(texts, net, model.vae, dtype)
    each, measured = figures(name_of(lowering()))

    def found(batch: int, memory: Memory) -> Iterator[Step]:
        size = Size(latents, batch, guided, max(batch, total or batch), one_graph)
        works = counted(nets, size, memory)
        every = with_pictures(works, nets, size, memory) if image else works
        return (_step(each, work) for work in every)

    @functools.cache
    def peak(batch: int, memory: Memory) -> int:
        return max(step.peak for step in found(batch, memory)) + others(memory)

    every = memory is None and limit is not None
    choices = list(_choices(latents, one_graph)) if every else [checked(memory)]
    best = min(choices, key=lambda choice: peak(batch, choice))
    largest = None
    if limit is not None:
        best = next((c for c in choices if peak(batch, c) <= limit), best)
        largest = _largest(lambda count: min(peak(count, c) for c in choices) <= limit)
    steps = tuple(found(batch, best))
    name = dtype or dtype_of(net.params)
    return Plan(height, width, batch, name, best, steps, limit, largest, measured)


def _others(beside: int | Callable[[Memory], int]) -> Callable[[Memory], int]:
    """`plan`'s bytes for something else as a function of a choice of memory."""
    if not callable(beside):
        size = whole("beside", beside, 0)
        return lambda memory: size
    return lambda memory: whole("beside", beside(memory), 0)


def _choices(latents: tuple[int, int], one_graph: bool) -> Iterator[Memory]:
    """From the quickest to the one that takes least; tiles last, for they change the picture."""
    kinds = ("all", "net") if one_graph else ("all", "net", "stage")
    for weights in kinds:
        yield Memory(weights=weights)
    for tile in TILES:
        if LEAST_TILE <= tile < max(latents):
            yield Memory(weights=kinds[-1], tile=tile)


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest batch that fits, 0 where none does."""
    high = 1
    while fits(high) and high < 2**16:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _step(each: Figures, work: Work) -> Step:
    """A counted step in bytes, at the moment at which it holds most."""
    others = [name for name in Counts._fields if name not in MAPS]
    steps = []
    for weights, counts in work.moments:
        maps, rest = bytes_held(each, counts, MAPS), bytes_held(each, counts, others)
        steps.append(Step(work.name, weights, int(maps), int(rest + work.copied)))
    return max(steps, key=lambda step: step.peak)
