"""Scripts that were written for mindone's or diffusers' pipelines, with their imports changed.

from mdx.compat import DiffusionPipeline
pipe = DiffusionPipeline.from_pretrained("folder", mindspore_dtype=mindspore.float16)
pipe("a red circle", generator=numpy.random.default_rng(0)).images[0].save("out.png")

Every class is a thin one over mdx's functions, and what it does not map raises by name, with the
function that does it. docs/compat.md has a table of what becomes of what.
"""

from typing import TYPE_CHECKING, Any

from mdx.compat import samplers
from mdx.compat.names import OTHERS
from mdx.compat.parts import (
    AutoencoderKL,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    UNet2DConditionModel,
)
from mdx.compat.results import StableDiffusionPipelineOutput, StableDiffusionXLPipelineOutput
from mdx.compat.samplers import *  # noqa: F403
from mdx.compat.stable_diffusion import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
    DiffusionPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)
from mdx.compat.unmapped import way

__all__ = [
    "AutoPipelineForImage2Image",
    "AutoPipelineForInpainting",
    "AutoPipelineForText2Image",
    "AutoencoderKL",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPTokenizer",
    "DiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionPipelineOutput",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLPipelineOutput",
    "UNet2DConditionModel",
]
__all__ += samplers.__all__

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in OTHERS:
            raise ImportError(way(f"mdx.compat.{name}", OTHERS[name]))
        raise AttributeError(f"module 'mdx.compat' has no attribute {name!r}")
