"""Scripts that were written for mindone's or diffusers' pipelines, with their imports changed.

from mdx.compat import DiffusionPipeline
pipe = DiffusionPipeline.from_pretrained("folder", mindspore_dtype=mindspore.float16)
pipe("a red circle", generator=numpy.random.default_rng(0)).images[0].save("out.png")

Every class is a thin one over mdx's functions, and what it does not map raises by name, with the
function that does it. docs/compat.md has a table of what becomes of what.
"""

from mdx.compat import samplers
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
    DiffusionPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

__all__ = [
    "AutoencoderKL",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPTokenizer",
    "DiffusionPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionPipelineOutput",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLPipelineOutput",
    "UNet2DConditionModel",
]
__all__ += samplers.__all__
