"""Diffusion inference for MindSpore, written the functional way.

import mdx
model = mdx.load()
mdx.generate(model, "a red circle on a blue background", seed=0)[0].save("out.png")
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdx import inpainting, nets, schedulers, shapes
    from mdx.compile_cache import clear_graphs
    from mdx.images import grid
    from mdx.latents import decode, encode
    from mdx.memory import Memory
    from mdx.memory_plan import Plan, plan
    from mdx.model import Model, Net, load, load_vae
    from mdx.sampling import generate

__all__ = [
    "Memory",
    "Model",
    "Net",
    "Plan",
    "clear_graphs",
    "decode",
    "encode",
    "generate",
    "grid",
    "inpainting",
    "load",
    "load_vae",
    "nets",
    "plan",
    "schedulers",
    "shapes",
]

# Imported when first asked for: `mdx.schedulers` and `mdx --help` do without MindSpore.
HOMES = {
    "Memory": "mdx.memory",
    "Model": "mdx.model",
    "Net": "mdx.model",
    "Plan": "mdx.memory_plan",
    "clear_graphs": "mdx.compile_cache",
    "decode": "mdx.latents",
    "encode": "mdx.latents",
    "generate": "mdx.sampling",
    "grid": "mdx.images",
    "load": "mdx.model",
    "load_vae": "mdx.model",
    "plan": "mdx.memory_plan",
}


# Type checkers see the imports above alone, so that they know a name that is misspelt.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in ("inpainting", "nets", "schedulers", "shapes"):
            return importlib.import_module(f"mdx.{name}")
        if name not in HOMES:
            raise AttributeError(f"module 'mdx' has no attribute {name!r}")
        from mdx.interrupts import python_waits

        with python_waits():
            return getattr(importlib.import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
