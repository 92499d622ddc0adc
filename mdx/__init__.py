"""Diffusion inference for MindSpore, written the functional way.

import mdx
model = mdx.load()
mdx.generate(model, "a red circle on a blue background", seed=0)[0].save("out.png")
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdx import (
        conditioning,
        families,
        inpainting,
        nets,
        sampling,
        schedulers,
        shapes,
        variations,
    )
    from mdx.adapters import lora, textual_inversion
    from mdx.blending import add_difference, blend
    from mdx.compile_cache import clear_graphs
    from mdx.conditioning import Conditioning
    from mdx.denoising import denoiser
    from mdx.enlarging import hires
    from mdx.families import Model
    from mdx.file_info import FileInfo, info
    from mdx.generation import generate
    from mdx.images import grid
    from mdx.latents import decode, encode
    from mdx.loading import load, load_vae
    from mdx.loading_parts import load_part
    from mdx.memory import Memory
    from mdx.memory_plan import Plan, plan
    from mdx.net import Net
    from mdx.outpainting import outpaint
    from mdx.prompt_schedule import Schedule
    from mdx.prompts import encode_prompt
    from mdx.sampling import guidance, sample, step_noise
    from mdx.saving import save
    from mdx.sizes import Sizes
    from mdx.tasks.inpaint import Inpaint
    from mdx.upscaling import upscale

__all__ = [
    "Conditioning",
    "FileInfo",
    "Inpaint",
    "Memory",
    "Model",
    "Net",
    "Plan",
    "Schedule",
    "Sizes",
    "add_difference",
    "blend",
    "clear_graphs",
    "conditioning",
    "decode",
    "denoiser",
    "encode",
    "encode_prompt",
    "families",
    "generate",
    "grid",
    "guidance",
    "hires",
    "info",
    "inpainting",
    "load",
    "load_part",
    "load_vae",
    "lora",
    "nets",
    "outpaint",
    "plan",
    "sample",
    "sampling",
    "save",
    "schedulers",
    "shapes",
    "step_noise",
    "textual_inversion",
    "upscale",
    "variations",
]

# Imported when first asked for: `mdx.schedulers` and `mdx --help` do without MindSpore.
HOMES = {
    "Conditioning": "mdx.conditioning",
    "FileInfo": "mdx.file_info",
    "Inpaint": "mdx.tasks.inpaint",
    "Memory": "mdx.memory",
    "Model": "mdx.families",
    "Net": "mdx.net",
    "Plan": "mdx.memory_plan",
    "Schedule": "mdx.prompt_schedule",
    "Sizes": "mdx.sizes",
    "add_difference": "mdx.blending",
    "blend": "mdx.blending",
    "clear_graphs": "mdx.compile_cache",
    "decode": "mdx.latents",
    "denoiser": "mdx.denoising",
    "encode": "mdx.latents",
    "encode_prompt": "mdx.prompts",
    "generate": "mdx.generation",
    "grid": "mdx.images",
    "guidance": "mdx.sampling",
    "info": "mdx.file_info",
    "hires": "mdx.enlarging",
    "load": "mdx.loading",
    "load_part": "mdx.loading_parts",
    "load_vae": "mdx.loading",
    "lora": "mdx.adapters",
    "outpaint": "mdx.outpainting",
    "plan": "mdx.memory_plan",
    "sample": "mdx.sampling",
    "save": "mdx.saving",
    "step_noise": "mdx.sampling",
    "textual_inversion": "mdx.adapters",
    "upscale": "mdx.upscaling",
}
MODULES = (
    "conditioning", "families", "inpainting", "nets", "sampling", "schedulers", "shapes",
    "variations",
)  # fmt: skip


# Type checkers see the imports above alone, so that they know a name that is misspelt.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in HOMES and name not in MODULES:
            raise AttributeError(f"module 'mdx' has no attribute {name!r}")
        from mdx.interrupts import python_waits

        with python_waits():
            if name in MODULES:
                return importlib.import_module(f"mdx.{name}")
            return getattr(importlib.import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
