"""The pipelines of each family and task, and the class that a checkpoint's is."""

from typing import Any

from mdx.checks import shown
from mdx.compat.calls import TEXT, XL
from mdx.compat.pipelines import Pipeline
from mdx.compat.results import StableDiffusionPipelineOutput, StableDiffusionXLPipelineOutput
from mdx.families import StableDiffusion, StableDiffusionXL

__all__ = ["DiffusionPipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline", "class_of"]


class DiffusionPipeline(Pipeline):
    """The pipeline of any checkpoint: from_pretrained gives one of its own class."""

    @classmethod
    def chosen(cls, model: Any) -> Any:
        """The class of a model's pipeline."""
        return class_of(model, "text") if cls is DiffusionPipeline else cls


class StableDiffusionPipeline(DiffusionPipeline):
    """Stable Diffusion 1.x and 2.x: pictures of prompts."""

    record, task, output = StableDiffusion, "text", StableDiffusionPipelineOutput
    places = ("prompt", "height", "width", "num_inference_steps")
    arguments = TEXT


class StableDiffusionXLPipeline(DiffusionPipeline):
    """SDXL: pictures of prompts."""

    record, task, output = StableDiffusionXL, "text", StableDiffusionXLPipelineOutput
    places = ("prompt", "prompt_2", "height", "width", "num_inference_steps")
    arguments = TEXT | XL


CLASSES = (StableDiffusionPipeline, StableDiffusionXLPipeline)


def class_of(model: Any, task: str) -> type[Pipeline]:
    """The pipeline of a model's family for a task; what model_index.json names, where it has it."""
    for one in CLASSES:
        if one.task == task and isinstance(model, one.record):
            return one
    raise ValueError(f"mdx.compat has no pipeline for {shown(type(model).__name__)}")
