"""Prompts to pictures: conditioning, denoiser and table, composed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypedDict, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm.auto import tqdm

from mdx import lora_runs, prompt_runs, schedulers
from mdx.adapters.lora import Worn
from mdx.compile_cache import run
from mdx.conditioning import Conditioning
from mdx.families import Model, nets_of
from mdx.latents import decode
from mdx.mapped import check_files
from mdx.memory import Memory, release
from mdx.net import check_weights
from mdx.progress import bar, without_compiling
from mdx.prompt_schedule import Changing, Schedule
from mdx.request import Arguments, Request, Run, checked, generator
from mdx.run_denoiser import of_batch
from mdx.sampling import loop, step_noise
from mdx.sampling.guidance import Guide
from mdx.sampling.loop import After, Callback
from mdx.sampling.network import Network
from mdx.sampling.scales import Scale
from mdx.schedulers import Scheduler, State, Table
from mdx.sizes import Sizes
from mdx.tasks import batch as tasks
from mdx.tasks.finished import pasted
from mdx.tasks.inpaint import Inpaint
from mdx.tasks.pictures import Pictures
from mdx.tasks.prepared import Prepared, prepared
from mdx.text.syntaxes import PLAIN

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Options", "Prompts", "generate"]

Prompts: TypeAlias = str | Sequence[str] | Conditioning | Schedule


class Options(TypedDict, total=False):
    """The options of `generate` but for `output`, for the signatures that go by it."""

    negative_prompt: Prompts | None
    scheduler: str | Scheduler | Table | Sequence[str | Scheduler | Table] | None
    steps: int | None
    guidance: float | Sequence[float] | NDArray[np.floating] | Guide | None
    seed: int | Sequence[int] | np.random.Generator | Sequence[np.random.Generator] | None
    height: int | None
    width: int | None
    images_per_prompt: int
    sizes: Sizes | None
    prompt_syntax: str
    clip_skip: int | None
    image: Pictures | None
    strength: float | Sequence[float] | NDArray[np.floating] | None
    mask: Pictures | None
    inpaint: Inpaint | None
    lora: Worn | None
    lora_scale: Scale | None
    start: NDArray[np.floating] | State | None
    step_noise: str | None
    progress: bool | None
    callback: Callback | None
    after: After | None
    one_graph: bool
    memory: Memory | int | str | None
    batch: int | None


@overload
def generate(
    model: Model,
    prompt: Prompts,
    *,
    output: Literal["pil"] = "pil",
    **options: "Unpack[Options]",
) -> list[Image.Image]: ...
@overload
def generate(
    model: Model,
    prompt: Prompts,
    *,
    output: Literal["np", "latent"],
    **options: "Unpack[Options]",
) -> NDArray[np.float32]: ...
@overload
def generate(
    model: Model, prompt: Prompts, *, output: str, **options: "Unpack[Options]"
) -> list[Image.Image] | NDArray[np.float32]: ...
@run()
def generate(
    model: Model,
    prompt: Prompts,
    *,
    negative_prompt: Prompts | None = None,
    scheduler: str | Scheduler | Table | Sequence[str | Scheduler | Table] | None = None,
    steps: int | None = None,
    guidance: float | Sequence[float] | NDArray[np.floating] | Guide | None = None,
    seed: int | Sequence[int] | np.random.Generator | Sequence[np.random.Generator] | None = None,
    height: int | None = None,
    width: int | None = None,
    images_per_prompt: int = 1,
    sizes: Sizes | None = None,
    prompt_syntax: str = PLAIN,
    clip_skip: int | None = None,
    image: Pictures | None = None,
    strength: float | Sequence[float] | NDArray[np.floating] | None = None,
    mask: Pictures | None = None,
    inpaint: Inpaint | None = None,
    lora: Worn | None = None,
    lora_scale: Scale | None = None,
    start: NDArray[np.floating] | State | None = None,
    step_noise: str | None = None,
    output: str = "pil",
    progress: bool | None = None,
    callback: Callback | None = None,
    after: After | None = None,
    one_graph: bool = False,
    memory: Memory | int | str | None = None,
    batch: int | None = None,
) -> list[Image.Image] | NDArray[np.float32]:
    """Make pictures of prompts: `images_per_prompt` of each, a prompt's pictures in succession.

    Args:
        model: what `load` returned, with any of its parts exchanged.
        prompt: a text, or a list of them; or what `encode_prompt` made of them, which may have been
            saved, blended, or made by another program, and with its `rows` changes over the run.
        negative_prompt: what guidance moves away from: one for all prompts, or one each; or what
            `encode_prompt` made. None is what the checkpoint has for it: the empty text, or zeros.
        scheduler: a name, a Scheduler or a Table, or a list of them, one an image; None for the
            checkpoint's own. A name is one of mdx's, or of A1111's or ComfyUI's menus, such as
            "DPM++ 2M Karras" (`mdx samplers --menus`).
            Image i is drawn by scheduler[i] as it would be alone. One whose
            sampler has fewer rows rests at its end until the longest is done: it is still in the
            batch that the model is called with, but the answer is not used, the sample stays bit
            for bit and no noise is drawn. One for a model of another prediction_type than the
            checkpoint's is refused: its picture would look plausible, and be wrong.
        steps: None is 50, or the rows of a Table, which has its own steps.
        guidance: how far to move, or a list, one an image, or an array (N, B) over the rows of the
            run; in a row where all are at 1 or less no negative half is computed. Or a function of
            two denoisers, (positive, negative) -> denoiser, such as `mdx.guidance.interval` makes.
            None is the family's usual number. Checkpoints that were distilled to read the number
            (LCM) are given it, and are not guided from outside; a Conditioning that holds a
            "guidance" of its own keeps it.
        seed: image i of a list is drawn from seed[i], and of an int from seed + i. The generator of
            a seed is numpy.random.Generator(PCG64(seed)), initial latents are its standard_normal
            in float64, and a sampler's own noise follows from the same generator, so that an image
            depends on its seed and not on its batch. One Generator serves all images in turn, those
            of a batch before those of the next.
        height, width: of the pictures in pixels, multiples of the VAE's factor; None for the size
            of `image`, rounded down to such, or of `start`, or of the model's training.
        images_per_prompt: pictures of each prompt.
        sizes: what the model is told of the picture's sizes, where it reads them: see `Sizes`.
        prompt_syntax: how prompt and negative_prompt are written: "plain", or as "a1111", "comfyui"
            or "compel" have it, with weights of words by that program's rule; see `encode_prompt`.
            Prompts of "a1111" may change over the rows of the run.
        clip_skip: layers of CLIP that are left out beyond the usual, of both prompts.
        image: what a picture is made of, or a list, one an image: a PIL image, the path of one, or
            pixels (H, W, 3) in [0, 1]. It is scaled to cover height and width and cut to them at
            the centre. What `images.to_array` refuses is refused, transparency above all. The run
            begins with its latents, as `encode` gives them (their mean; diffusers draws them), and
            noise; latents (B, C, h, w) may stand for pictures. Networks that were taught to read a
            picture are given it: to inpaint, to follow an instruction, to enlarge it.
        strength: how far `image` is drawn anew, from 0 to 1, or a list, one an image: of N steps
            the last int(N * strength) are run. None is 0.8, and 1 with a mask, where what is drawn
            then begins with noise alone.
        mask: of the size of `image`, white (1) where it is drawn anew and black where its pixels
            come back as they are, or a list. What is grey is drawn in the last rows alone, in that
            share of them (differential diffusion).
        inpaint: how the mask is used: see `Inpaint`.
        lora: one, or a pair with its strength, unmerged; or an entry an image: those, a list, or
            None. Texts are read with their images' LoRAs. For products of two factors alone.
        lora_scale: times that: a number, one an image, (N, B) over rows, or a function of the Row.
        start: replaces the initial latents: an array (B, C, h, w) at the noise level of the table's
            first row, or a State from `callback` or a file, to go on from its row. Nothing tells
            clean latents from noisy ones: those of `encode` must have noise added first, by
            `schedulers.add_noise`, or the run takes the picture itself for noise. With the seed of
            its run, a resumed run ends bit for bit as the whole one: what was drawn for the rows
            before is drawn again, and dropped.
        step_noise: where a sampler's own noise comes from: "independent" is a draw a row;
            "brownian" reads it off one path for each image, the same for any number of steps, so
            that more steps are the same picture in more detail; None is "brownian" for samplers
            made for one (DPM++ SDE, SA-Solver) and "independent" for others.
        output: "pil", "np" or "latent": see below.
        progress: True draws a bar on stderr, False none, None one where stderr is a terminal.
        callback: is called with (step, state, info) after every step; info.x0 is the picture that
            the model has in mind.
        after: a function (table, state) -> state to go on with, as that of `inpainting.keep_known`;
            callback sees that one.
        one_graph: runs all steps in one compiled graph, to the same latents bit for bit. Nothing
            can be seen of it before it ends: no bar, and neither callback nor after. A mask is for
            it where the network reads that, and a network that follows instructions unguided.
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
        ValueError, TypeError: for arguments that do not fit, before anything is computed; but for
            `one_graph` with prompts that make arrays of different shapes, when they are encoded.
        OSError: for files of pictures that cannot be read.
        MemoryError: before anything is computed, for more than the machine can hold, and with the
            plan where no choice keeps within the budget; later, where memory runs out.
        FloatingPointError: where the model's numbers overflow or its weights hold NaN: after the
            first step, or when all are done.
    """
    asked = checked(Arguments(**locals()))
    for net in nets_of(model).values():
        check_files(net.places.values())
    positive, negative = lora_runs.joined(model, asked, _conditionings)
    pictures = None if asked.task is None else prepared(model, asked.task, asked.memory)
    total = sum(request.table.rows for request in asked.requests)
    begun = sum(0 if one.start is None else one.start.index for one in asked.requests)
    watch = Watch(callback, after, one_graph)
    found = []
    with bar(total, begun, False if one_graph else progress) as shown, without_compiling(shown):
        for request in asked.requests:
            made = positive, negative, pictures
            found.append(_batch(model, asked, request, made, watch, shown))
    release(getattr(model, asked.family.network), asked.memory)
    latents = np.concatenate(found)
    if output == "latent":
        return latents
    if asked.task is None or not asked.task.masks:
        return decode(model, latents, output=output, memory=asked.memory)
    pixels = decode(model, latents, output="np", memory=asked.memory)
    return pasted(asked.task, pixels, output)


class Watch(NamedTuple):
    """Who looks at a run."""

    callback: Callback | None
    after: After | None
    one_graph: bool  # whether nobody can


def _conditionings(model: Model, asked: Run) -> tuple[Changing, Changing | None]:
    """Of all prompts, and of what guidance moves away from, as many, where any image is guided."""
    found = prompt_runs.made(model, asked.family, asked.prompts, asked.reading)
    for name in asked.family.encoders(model):
        release(getattr(model, name), asked.memory)
    return found


def _batch(
    model: Model,
    asked: Run,
    request: Request,
    made: tuple[Changing, Changing | None, Prepared | None],
    watch: Watch,
    shown: tqdm,
) -> NDArray[np.float32]:
    """The latents of one batch (B, C, h, w)."""
    generators = [generator(seed) for seed in request.seeds]
    noise = np.stack([one.standard_normal(request.shape) for one in generators])
    positive, negative, pictures = made
    state, after, task = request.start, watch.after, None
    if pictures is not None:
        task = tasks.of_batch(pictures, request.images, request.rows, noise)
        state, after = tasks.begun(task, request.table), tasks.after(task, after)
    state = state or schedulers.init(request.table, noise)
    drawn = of_batch(model, asked, request, (positive, negative), task, generators)
    fresh = step_noise.rows(request.table, generators, request.shape, request.kinds)
    if watch.one_graph and not isinstance(drawn, Network):
        raise ValueError(
            "one_graph needs prompt and negative_prompt with arrays of the same names and shapes, "
            "and guidance that is a number, an array or what mdx.guidance.interval makes"
        )
    try:
        state = loop.run(
            drawn, request.table, state, fresh, watch.callback, after, shown.update,
            watch.one_graph,
        )  # fmt: skip
    except FloatingPointError:
        check_weights(*nets_of(model).values())
        raise
    slots: Any = state.slots
    return slots.asnumpy()[0]
