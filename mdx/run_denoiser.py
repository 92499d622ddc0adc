"""What a batch of a run is drawn by: its conditionings, guided, with what is kept of pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mdx import conditioning, lora_runs
from mdx.denoising import denoiser
from mdx.families import Model
from mdx.families.channels import INSTRUCT
from mdx.prompt_schedule import Changing, at, each
from mdx.request import Request, Run
from mdx.sampling import guidance as guiding
from mdx.tasks import batch as tasks
from mdx.tasks.batch import Batch

__all__ = ["of_batch"]

IMAGE_SCALE = 1.5  # how strongly InstructPix2Pix holds on to the picture, where nobody says


def of_batch(
    model: Model,
    asked: Run,
    request: Request,
    made: tuple[Changing, Changing | None],
    task: Batch | None,
    generators: Sequence[np.random.Generator],
) -> Any:
    """The denoiser of a batch; made are the conditionings of all prompts.

    The generators are asked for what an upscaler's small picture is noised by.
    """
    positive, negative = made
    positive = each(positive, lambda one: conditioning.take(one, request.prompts))
    if negative is not None:
        negative = each(negative, lambda one: conditioning.take(one, request.prompts))
    if task is not None:
        positive, negative = tasks.channelled(model, task, positive, negative, generators)
    if asked.family.embeds_guidance(model) and "guidance" not in at(positive, 0).arrays:
        told = {"guidance": request.guidance}
        positive = each(positive, lambda one: conditioning.make(one.family, {**one.arrays, **told}))
    factors = lora_runs.factors_of(asked.loras, request.images, request.table.rows)
    towards = denoiser(model, positive, memory=asked.memory)._replace(factors=factors)
    if negative is not None:
        away = denoiser(model, negative, memory=asked.memory)._replace(factors=factors)
        towards = _guide(asked, request)(towards, away)
    return towards if task is None else tasks.kept(task, towards)


def _guide(asked: Run, request: Request) -> guiding.Guide:
    """How the batch is guided."""
    scale = request.guidance
    if not isinstance(scale, np.ndarray):
        return scale
    if asked.task is not None and asked.task.layout == INSTRUCT:
        return guiding.instruct(scale, IMAGE_SCALE)
    return lambda towards, away: guiding.classifier_free(towards, away, scale)
