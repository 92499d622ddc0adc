"""How much memory a run will take, stage by stage, before anything runs.

Weights and feature maps follow from shapes. How often a map is in memory at once, and what a graph
takes by itself, were measured on a CPU (`benchmarks/plan_check.py` measures again).
"""

import math
import sys
from collections.abc import Iterator
from typing import NamedTuple

from mdx.checks import bytes_of, flag, whole
from mdx.families import Model, check_model
from mdx.kernels.device import CPU_AVX512, WINOGRAD, lowering
from mdx.loading import dtype_name
from mdx.memory import LEAST_TILE, Memory, checked
from mdx.nets import unet_stages, vae
from mdx.sampling import staged
from mdx.weights import DTYPES, STORED, dtype_of

__all__ = ["Plan", "Step", "plan"]

MB = 1_000_000

# Measured, MindSpore 2.10 on a CPU: see the docstring.
PROCESS = 436 * MB  # Python, MindSpore and mdx
FIRST_GRAPH = 105 * MB  # what the first graph of a process brings along
TEXT_LAYER = 7 * MB  # a graph's share for a layer of the text encoder
WHOLE_STAGE = 9 * MB  # for a stage of a UNet that is one graph
OWN_GRAPH = 4 * MB  # for a stage that is a graph of its own
VAE_GRAPH = 10 * MB
FILTERED = 170 * MB  # more, if traced with convolutions by Winograd; from a file it is less
UNET_MAPS = 11.4  # a UNet's step holds that often the largest map that enters a stage
UNET_REST = 50 * MB
COLUMNS = 160 * MB  # more, if traced with convolutions by columns of patches,
COLUMN_MAPS = 6.6  # and so many more of those maps
VAE_MAPS = 2.4  # and the VAE, decoding, the largest map that enters a level
MIDDLE_MAPS = 6  # its part before the tiles
REUSED = 0.5  # the share of the UNet's maps that the VAE's find room in
PART_BYTES = 64 * MB  # of a hidden layer, which UNET_MAPS includes
HIDDEN = 1.4  # copies of what goes beyond

TILES = (64, 48, 32)  # latents; smaller ones show


class Step(NamedTuple):
    """What one part of a run takes where it takes most, in bytes."""

    name: str  # "text encoder", "UNet" or "VAE"
    weights: int  # of all nets, that are in memory then
    maps: int  # feature maps, attention scores and other results
    rest: int  # the process, its libraries and graphs, and maps of steps before

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

    @property
    def peak(self) -> int:
        """Bytes, at the worst of its steps."""
        return max(step.peak for step in self.steps)

    @property
    def fits(self) -> bool:
        """Whether that is within the budget."""
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
) -> Plan:
    """Predict the memory of `generate` for `batch` pictures of height by width pixels.

    dtype: of the weights, None for what the model has. memory: what is held at once, as for
    `generate`; with a budget (bytes, or "6GB", "800MB") and no memory, the quickest choice within
    it, or the one that takes least where none is. guided: whether guidance is above 1. The peaks
    are those of a process that does nothing else. ValueError or TypeError for what does not fit,
    MemoryError for more pixels than memory can address.
    """
    check_model(model)
    limit, guided = None if budget is None else bytes_of(budget), flag("guided", guided)
    height, width, batch = (
        whole("height", height, 1),
        whole("width", width, 1),
        whole("batch", batch, 1),
    )
    factor = vae.factor(model.vae.config)
    if height % factor or width % factor:
        raise ValueError(f"height and width must be multiples of {factor}, not {height}, {width}")
    if 12 * height * width * batch > sys.maxsize:
        raise MemoryError(
            f"height {height}, width {width} and batch {batch} make more pixels than memory can "
            "address"
        )
    own = dtype_of(model.unet.params)
    dtype = own if dtype is None else dtype_name(dtype)
    latents = (height // factor, width // factor)

    weights = _weights(model, dtype)

    def found(batch, memory):
        return _steps(model, weights, latents, 2 * batch if guided else batch, memory)

    def peak(batch, memory):
        return max(step.peak for step in found(batch, memory))

    choices = [checked(memory)] if memory is not None or limit is None else list(_choices(latents))
    best = min(choices, key=lambda choice: peak(batch, choice))
    largest = None
    if limit is not None:
        best = next((c for c in choices if peak(batch, c) <= limit), best)
        largest = _largest(lambda count: min(peak(count, c) for c in choices) <= limit)
    steps = tuple(found(batch, best))
    return Plan(height, width, batch, dtype, best, steps, limit, largest)


def _choices(latents: tuple[int, int]) -> Iterator[Memory]:
    """From the quickest to the one that takes least; tiles last, for they change the picture."""
    for weights in ("all", "net", "stage"):
        yield Memory(weights=weights)
    for tile in TILES:
        if LEAST_TILE <= tile < max(latents):
            yield Memory(weights="stage", tile=tile)


def _largest(fits) -> int:
    """The largest batch that fits, 0 where none does."""
    high = 1
    while fits(high) and high < 2**16:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _steps(model, weights, latents, rows, memory) -> Iterator[Step]:
    """The text encoder's step, the UNet's and the VAE's."""
    text, kept = model.text_encoder.config, memory.weights == "all"
    rest = PROCESS + FIRST_GRAPH + weights.copied + TEXT_LAYER * text.num_hidden_layers
    maps = 4 * text.max_position_embeddings * (4 * text.hidden_size + 2 * text.intermediate_size)
    yield Step("text encoder", weights.text, maps, int(rest))

    stages = unet_stages.stages(model.unet.config)
    own_graphs = staged.in_stages(model.unet, memory)
    if own_graphs:
        graphs = {staged.graph_of(model.unet.config, stage._replace(name="")) for stage in stages}
        rest += OWN_GRAPH * len(graphs)
    else:
        rest += WHOLE_STAGE * len(stages)
    wide = max(model.unet.config.block_out_channels) >= WINOGRAD.channels
    columns = wide and lowering() == CPU_AVX512
    rest += COLUMNS * columns
    maps = _unet_maps(stages, latents, rows, UNET_MAPS + COLUMN_MAPS * columns)
    beyond = _hidden_beyond(model, stages, latents, rows, memory)
    beyond += weights.cast_stage if own_graphs else weights.cast
    own = min(weights.unet, weights.stage) if memory.weights == "stage" else weights.unet
    yield Step("UNet", own + kept * weights.text, int(maps + beyond), int(rest))

    filtered = max(model.vae.config.block_out_channels) >= WINOGRAD.channels
    rest += VAE_GRAPH + FILTERED * filtered + (1 - REUSED) * maps
    own = weights.vae + kept * (weights.text + weights.unet)
    yield Step("VAE", own, int(_vae_maps(model, latents, memory)), int(rest))


class Weights(NamedTuple):
    """Bytes of weights."""

    text: int  # in memory while they are used, as are the next two
    unet: int
    vae: int
    stage: int  # of the UNet's largest stage
    copied: int  # of all nets, in memory always: no part of a mapped file
    cast: int  # float32 copies of the UNet's that a graph of it all makes
    cast_stage: int  # and those that its largest stage makes


def _weights(model, dtype) -> Weights:
    each = STORED[DTYPES[dtype]].itemsize
    nets = (model.text_encoder, model.unet, model.vae)
    # Another dtype than the files' is a copy.
    in_place = dtype == dtype_of(model.unet.params)
    used, copied = [], 0
    for net in nets:
        mapped = 0
        for name, param in net.params.items():
            if not in_place or name not in net.places:
                copied += param.nbytes if in_place else each * param.size
            elif not _unused(name):
                mapped += param.nbytes
        used.append(mapped)
    config = model.unet.config
    stages = [unet_stages.shapes(config, stage) for stage in unet_stages.stages(config)]
    largest = each * max(sum(map(math.prod, shapes.values())) for shapes in stages)
    unet = each * sum(param.size for param in model.unet.params.values())
    half = dtype != "float32"
    text, all_stages, decoder = used
    return Weights(text, all_stages, decoder, largest, copied, 2 * unet * half, 2 * largest * half)


def _unused(name: str) -> bool:
    """Whether a picture leaves a weight alone: the VAE's encoder, and words that no prompt has."""
    return name.startswith(("encoder.", "quant_conv")) or "token_embedding" in name


def _unet_maps(stages, latents, rows, times) -> float:
    largest = max(4 * rows * _tokens(latents, stage) * stage.inputs for stage in stages)
    return UNET_REST * min(1, largest / PART_BYTES * 4) + times * largest


def _hidden_beyond(model, stages, latents, rows, memory) -> float:
    """What a hidden layer takes beyond the usual parts; the VAE's maps find room there."""
    config = model.unet.config
    hidden = [
        4 * 8 * unet_stages.reader(config, stage).channels * rows * _tokens(latents, stage)
        for stage in stages
        if stage.kind == "read"
    ]
    return HIDDEN * max(0, min(memory.part_bytes, max(hidden, default=0)) - PART_BYTES)


def _tokens(latents, stage) -> int:
    height, width = latents
    return math.ceil(height / 2**stage.level) * math.ceil(width / 2**stage.level)


def _vae_maps(model, latents, memory) -> float:
    config = model.vae.config
    channels, factor = config.block_out_channels, vae.factor(config)
    entering = channels[min(1, len(channels) - 1)]  # the last level's input
    tile = memory.tile or max(latents)
    height, width = (min(tile, side) for side in latents)
    maps = VAE_MAPS * 4 * entering * height * width * factor**2
    if tile < max(latents):
        maps += MIDDLE_MAPS * 4 * channels[-1] * math.prod(latents)
    pixels = 4 * 3 * math.prod(latents) * factor**2
    return maps + 2 * pixels
