"""Write latents.npz: what the packaged checkpoint draws, for tests that nothing moves it unawares.

Run from the repository's root, on two processors that nothing else uses:

    python -m tests.goldens.make_latents

Arrays: one for each of CASES and each kind of operators that is here, under this machine's name and
the case's. What other machines wrote stays in the file.
"""

import os
from pathlib import Path

import mindspore
import numpy as np

import mdx
from mdx.kernels import device, native
from mdx.memory_figures import name_of

FILE = Path(__file__).with_name("latents.npz")

PROMPT = "a small green star above a large red circle on a yellow background"
OTHER = "a large purple cross on a green gradient background"

# The arguments of `generate` beside the prompts; each reaches code that the others do not. Other
# tests hold stages, one graph and batches to these bits.
CASES = {
    "own sampler": {"guidance": 3},
    "unguided": {"guidance": 1, "scheduler": "ddim"},
    "negative": {"negative_prompt": "red", "scheduler": "dpmpp_2m"},
    "each its own": {"scheduler": ["heun", "euler_a"], "guidance": [2, 9], "seed": [5, 8]},
    "path": {"scheduler": "dpmpp_sde", "step_noise": "brownian"},
    "pixels": {"scheduler": "ddim", "output": "np"},
}


def draw(model: mdx.Model, case: str) -> np.ndarray:
    """Two pictures of four steps as latents, or some of the pixels where the case asks for them."""
    options = {"steps": 4, "seed": 0, "output": "latent", "progress": False, **CASES[case]}
    drawn = mdx.generate(model, [PROMPT, OTHER], **options)
    return drawn[:, ::4, ::4] if options["output"] == "np" else drawn


def kinds() -> list[str]:
    """The kinds of operators that pictures can be drawn with here."""
    return [device.PLAIN] if native.library() is None else [device.PLAIN, device.NATIVE]


def machine() -> str:
    """What last bits depend on: lowering, MindSpore, processor and how many of it there are."""
    name = name_of(device.lowering())
    if device.lowering().fused:
        name += f"-{native.processor_class()}"
    about: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        about[key.strip()] = value.strip()
    processor = "-".join(about.get(key, "?") for key in ("vendor_id", "cpu family", "model"))
    threads = len(os.sched_getaffinity(0))
    return f"{name} {mindspore.__version__} {processor} x{threads}"


if __name__ == "__main__":
    stored = dict(np.load(FILE)) if FILE.exists() else {}
    model = mdx.load()
    for operators in kinds():
        with device.lowered(operators):
            for case in CASES:
                stored[f"{machine()}/{case}"] = draw(model, case)
    np.savez_compressed(FILE, **stored)
    print(f"{FILE.name}: {FILE.stat().st_size} bytes, {machine()}")
