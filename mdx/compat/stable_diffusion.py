"""The pipelines of each family and task, and the class that a checkpoint's is."""

from typing import Any

from mdx.compat.calls import IMAGE, INPAINT, TEXT, XL, XL_IMAGE
from mdx.compat.pipelines import Pipeline
from mdx.compat.results import StableDiffusionPipelineOutput, StableDiffusionXLPipelineOutput
from mdx.families import StableDiffusion, StableDiffusionXL, family_of

__all__ = [
    "AutoPipelineForImage2Image", "AutoPipelineForInpainting", "AutoPipelineForText2Image",
    "DiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline",
    "StableDiffusionPipeline", "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline",
]  # fmt: skip

LATENTS = frozenset(("latents",))  # pictures are what the others begin with


class DiffusionPipeline(Pipeline):
    """The pipeline of any checkpoint: from_pretrained gives one of its own class."""

    @classmethod
    def chosen(cls, model: Any) -> Any:
        """The class that model_index.json names, or that draws of prompts."""
        if cls is not DiffusionPipeline:
            return cls
        named = None if model.index is None else model.index.pipeline
        for one in CLASSES:
            if one.__name__ == named and isinstance(model, one.record):
                return one
        return _class_of(model, "text")


class StableDiffusionPipeline(DiffusionPipeline):
    """Stable Diffusion 1.x and 2.x: pictures of prompts."""

    record, task, output = StableDiffusion, "text", StableDiffusionPipelineOutput
    places = ("prompt", "height", "width", "num_inference_steps")
    arguments = TEXT


class StableDiffusionImg2ImgPipeline(DiffusionPipeline):
    """Stable Diffusion 1.x and 2.x: pictures of pictures."""

    record, task, output = StableDiffusion, "image", StableDiffusionPipelineOutput
    places = ("prompt", "image", "strength", "num_inference_steps")
    arguments = TEXT - LATENTS | IMAGE
    usual_strength = 0.8


class StableDiffusionInpaintPipeline(DiffusionPipeline):
    """Stable Diffusion 1.x and 2.x: parts of pictures."""

    record, task, output = StableDiffusion, "inpaint", StableDiffusionPipelineOutput
    places = ("prompt", "image", "mask_image")
    arguments = TEXT - LATENTS | IMAGE | INPAINT


class StableDiffusionXLPipeline(DiffusionPipeline):
    """SDXL: pictures of prompts."""

    record, task, output = StableDiffusionXL, "text", StableDiffusionXLPipelineOutput
    places = ("prompt", "prompt_2", "height", "width", "num_inference_steps")
    arguments = TEXT | XL


class StableDiffusionXLImg2ImgPipeline(DiffusionPipeline):
    """SDXL and its refiner: pictures of pictures, or of latents that others began."""

    record, task, output = StableDiffusionXL, "image", StableDiffusionXLPipelineOutput
    places = ("prompt", "prompt_2", "image", "strength", "num_inference_steps")
    arguments = TEXT - LATENTS | XL | IMAGE | XL_IMAGE
    usual_strength = 0.3


class StableDiffusionXLInpaintPipeline(DiffusionPipeline):
    """SDXL: parts of pictures."""

    record, task, output = StableDiffusionXL, "inpaint", StableDiffusionXLPipelineOutput
    places = ("prompt", "prompt_2", "image", "mask_image")
    arguments = TEXT - LATENTS | XL | IMAGE | INPAINT | XL_IMAGE - frozenset(("denoising_start",))
    usual_guidance, usual_strength = 7.5, 0.9999


CLASSES: tuple[type[Pipeline], ...] = (
    StableDiffusionPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
)


def _class_of(model: Any, task: str) -> type[Pipeline]:
    """The pipeline of a model's family for a task; ValueError where there is none."""
    for one in CLASSES:
        if one.task == task and isinstance(model, one.record):
            return one
    raise ValueError(
        f"mdx.compat has no pipeline of {family_of(model).title}: mdx.generate draws with it"
    )


class AutoPipelineForText2Image(DiffusionPipeline):
    """The pipeline of any checkpoint that draws of prompts."""

    @classmethod
    def chosen(cls, model: Any) -> Any:
        """The class of the model's family."""
        return _class_of(model, "text")


class AutoPipelineForImage2Image(DiffusionPipeline):
    """The pipeline of any checkpoint that draws of pictures."""

    @classmethod
    def chosen(cls, model: Any) -> Any:
        """The class of the model's family."""
        return _class_of(model, "image")


class AutoPipelineForInpainting(DiffusionPipeline):
    """The pipeline of any checkpoint that draws parts of pictures."""

    @classmethod
    def chosen(cls, model: Any) -> Any:
        """The class of the model's family."""
        return _class_of(model, "inpaint")
