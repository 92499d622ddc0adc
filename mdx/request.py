"""What a caller asks of generate(), checked before anything is computed."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx import budgets, lora_runs, prompt_runs, run_shapes, run_tables, schedulers, starts
from mdx.checks import entries, finite, flag, one_of, whole
from mdx.families import Family, check_model
from mdx.families.channels import INSTRUCT
from mdx.latents import OUTPUTS
from mdx.lora_runs import Loras
from mdx.memory import Memory
from mdx.sampling import step_noise
from mdx.sampling.guidance import Guide
from mdx.sampling.loop import checked_watching
from mdx.sampling.scales import scales as scales_of
from mdx.schedulers import State, Table
from mdx.sizes import checked as checked_sizes
from mdx.tasks import asked as tasks
from mdx.tasks.asked import Task

__all__ = ["Arguments", "Request", "Run", "checked", "generator"]

# Tables are padded to this many slots, so that another sampler needs no other graph. Longer ones
# keep their own number.
SLOTS = 6


class Arguments(NamedTuple):
    """What `generate` was called with: see there."""

    model: Any
    prompt: Any
    negative_prompt: Any
    scheduler: Any
    steps: Any
    guidance: Any
    seed: Any
    height: Any
    width: Any
    images_per_prompt: Any
    sizes: Any
    prompt_syntax: Any
    clip_skip: Any
    image: Any
    strength: Any
    mask: Any
    inpaint: Any
    lora: Any
    lora_scale: Any
    start: Any
    step_noise: Any
    output: Any
    progress: Any
    callback: Any
    after: Any
    one_graph: Any
    memory: Any
    batch: Any


class Request(NamedTuple):
    """What is asked of one batch, one entry an image where it says B."""

    images: slice  # which of the run's
    prompts: list[int]  # (B,) numbers of the run's prompts, once for each of lora_runs.readers
    seeds: list[int | np.random.Generator | None]  # (B,) None: by chance; see `generator`
    shape: tuple[int, int, int]  # (C, h, w) of an image's latents
    guidance: NDArray[np.float32] | Guide  # (B,), (N, B) or a function
    table: Table  # of at least SLOTS slots
    rows: list[int]  # (B,) of each image's own run
    start: State | None  # of the table's slots; None begins with the seeds' noise
    kinds: list[str]  # (B,) where a sampler's own noise comes from: see step_noise


class Run(NamedTuple):
    """What the arguments of `generate` come to: all was checked, and nothing computed."""

    family: Family
    prompts: prompt_runs.Prompts
    reading: prompt_runs.Reading  # of the texts
    task: Task | None  # what is made of pictures
    loras: Loras | None  # what images wear
    memory: Memory
    requests: list[Request]  # one a batch, to be run one after the other


def checked(asked: Arguments) -> Run:
    """The arguments of `generate`, looked at.

    ValueError, TypeError or MemoryError by the argument's name for what does not fit.
    """
    model = asked.model
    one_of("output", asked.output, OUTPUTS)
    one_graph = flag("one_graph", asked.one_graph)
    checked_watching(asked.callback, asked.after, asked.progress, one_graph)
    family = check_model(model)
    prompts = prompt_runs.given("prompt", model, family, asked.prompt)
    per_prompt = whole("images_per_prompt", asked.images_per_prompt, 1)
    known = len(prompts) if isinstance(prompts, list) else prompts.batch
    count = known * per_prompt
    size = count if asked.batch is None else min(whole("batch", asked.batch, 1), count)
    if asked.after is not None and size < count:
        raise ValueError(
            "after sees one batch at a time, and not which of the images are in it: leave out batch"
        )
    begun = None if asked.start is None else starts.given(asked.start)
    task = tasks.checked(model, family, asked, count)
    if task is None:
        sides = run_shapes.trained(model) if begun is None else begun.slots.shape[-2:]
        shape = run_shapes.shape(model, asked.height, asked.width, sides)
    else:
        shape = task.shape
    state = size * (4 * SLOTS + 8)
    own = task is None and begun is None and asked.height is None and asked.width is None
    run_shapes.check_size(model, shape, count, state, asked.output != "latent", own)
    negative = prompt_runs.given_negative(model, family, asked.negative_prompt, known)
    chosen = _each("scheduler", asked.scheduler, count)
    strength = None if task is None else task.strength
    tables = run_tables.made(model, chosen, asked.steps, count, strength)
    rows = max(table.rows for table in tables)
    guidance = _guidance(asked.guidance, family.guidance(model), count, rows)
    guided = not isinstance(guidance, np.ndarray) or bool((guidance > 1).any())
    if family.embeds_guidance(model):
        guided = False
        if not isinstance(guidance, np.ndarray) or guidance.ndim > 1:
            raise ValueError(
                "guidance must be a number, or one an image: the network reads it, and is not "
                "guided from outside"
            )
    if not isinstance(guidance, np.ndarray) and len({table.rows for table in tables}) > 1:
        raise ValueError(
            "guidance as a function goes by the rows of a run: give schedulers of as many rows each"
            " (and one strength)"
        )
    if guided and negative is None:
        prompt_runs.check_absent(model)
    sizes = None if asked.sizes is None else checked_sizes(asked.sizes)
    if sizes is not None and not isinstance(prompts, list):
        raise ValueError("sizes are of a prompt, and this one was encoded: give encode_prompt them")
    texts = prompt_runs.Prompts(prompts, negative, guided, sizes)
    said = asked.prompt_syntax, asked.clip_skip
    reading = prompt_runs.checked(model, family, said, texts, {table.rows for table in tables})
    slots = max(SLOTS, *(table.slots for table in tables), 0 if begun is None else len(begun.slots))
    written = isinstance(prompts, list) or (
        guided and (negative is None or isinstance(negative, list))
    )
    said_of_loras = lora_runs.Asked(asked.lora, asked.lora_scale, count, rows, written)
    loras = lora_runs.asked(model, said_of_loras)
    encodes = task is not None and task.encodes
    drawn = budgets.Drawn(shape, size, count, guided, one_graph, encodes, reading.length)
    memory = budgets.chosen(lora_runs.weighed(model, family, loras), asked.memory, drawn)
    if one_graph and memory.weights == "stage":
        raise ValueError('one_graph has the UNet\'s weights all at work: ask for weights="net"')
    if one_graph and task is not None:
        _check_one_graph(task, guided)
    if begun is not None:
        starts.check(begun, rows, (count, *shape))
        if begun.carry and size < count:
            raise ValueError(
                "start carries what its denoiser did of all images at once: leave out batch"
            )
    seeds = _seeds(asked.seed, count)

    def request(images: slice) -> Request:
        table = schedulers.pad(run_tables.of(tables, images), slots)
        chosen = [i // per_prompt for i in range(count)[images]]
        if loras is not None:
            chosen = [known * loras.groups[i] + i // per_prompt for i in range(count)[images]]
        return Request(
            images=images,
            prompts=chosen,
            seeds=seeds[images],
            shape=shape,
            guidance=_of(guidance, images, table.rows),
            table=table,
            rows=[tables[i % len(tables)].rows for i in range(count)[images]],
            start=None if begun is None else starts.state(begun, images, table),
            kinds=step_noise.asked(table, asked.step_noise, len(chosen)),
        )

    batches = [request(slice(first, first + size)) for first in range(0, count, size)]
    return Run(family, texts, reading, task, loras, memory, batches)


def _check_one_graph(task: Task, guided: bool) -> None:
    """ValueError for tasks that are no network alone."""
    if task.method is not None:
        raise ValueError(
            "one_graph cannot keep a part of a picture, which the host looks after row by row: "
            "leave it out, or inpaint with a checkpoint whose network reads a hard mask"
        )
    if task.layout == INSTRUCT and guided:
        raise ValueError(
            "one_graph calls a network once a row, and instructions with guidance call it three "
            "times: leave it out, or give guidance 1"
        )


def _of(guidance: Any, images: slice, rows: int) -> Any:
    """The guidance of a batch's images, in the rows that its table has."""
    if not isinstance(guidance, np.ndarray):
        return guidance
    return guidance[:rows, images] if guidance.ndim == 2 else guidance[images]


def _guidance(value: Any, usual: float, count: int, rows: int) -> NDArray[np.float32] | Guide:
    """How far each image is guided, (B,) or (N, B); or the function that guides."""
    if value is None:
        value = usual
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not isinstance(value, np.ndarray) and callable(value):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 2:
        scale: Any = scales_of("guidance", value)
        if scale.shape != (rows, count):
            raise ValueError(
                f"guidance over rows must have shape ({rows}, {count}), not {scale.shape}"
            )
        return scale
    each = [finite("guidance", scale) for scale in _each("guidance", value, count)]
    return np.array(each * (count // len(each)), np.float32)


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
