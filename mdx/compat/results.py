"""What a call gives back: a tuple whose fields have names."""

from typing import Any, NamedTuple

__all__ = ["StableDiffusionPipelineOutput", "StableDiffusionXLPipelineOutput"]


class StableDiffusionPipelineOutput(NamedTuple):
    """Pictures of Stable Diffusion 1.x and 2.x."""

    images: Any  # PIL images, or an array or a tensor as output_type asks
    nsfw_content_detected: None = None  # nothing looks for it


class StableDiffusionXLPipelineOutput(NamedTuple):
    """Pictures of SDXL."""

    images: Any  # PIL images, or an array or a tensor as output_type asks
