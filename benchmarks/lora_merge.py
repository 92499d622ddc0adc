"""Merging a LoRA of rank 16 into a UNet of SDXL's real size: seconds, and the most memory taken.

    python benchmarks/lora_merge.py

Random float16 files: the UNet (5.1 GB) and a LoRA of all its linear layers, in kohya's names of the
original code. Each figure is of a process of its own. Printed are the bytes of the weights that the
LoRA touches, and what merging took beyond what the process held before: the touched weights are new
ones, and the rest stays mapped.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from checkpoint import configs
from processes import fresh, peak_memory

RANK = 16
BLOCK = 1 << 25  # random numbers, used again and again: making them takes longer than writing


class Merged(NamedTuple):
    """One merge."""

    layers: int
    touched: int  # bytes of weights
    before: int  # bytes that the process took at most before
    taken: int  # bytes at most, with the merged model
    seconds: float


def write(folder: Path, name: str) -> None:
    """The UNet's file and the LoRA's."""
    from mdx import weights
    from mdx.adapters.lora_ldm import ldm_names
    from mdx.nets import unet

    config = unet.from_json(configs()[name]["unet"])
    random = np.random.default_rng(0)
    shapes = unet.shapes(config)
    size = max(BLOCK if name == "SDXL" else 0, max(map(math.prod, shapes.values())))
    block = (random.standard_normal(size, np.float32) / 30).astype(np.float16)

    def some(shape: tuple[int, ...]) -> np.ndarray:
        count = math.prod(shape)
        first = int(random.integers(0, size - count + 1))
        return block[first : first + count].reshape(shape)

    weights.save({key: some(shape) for key, shape in shapes.items()}, folder / "unet.safetensors")
    layers = [
        key.removesuffix(".weight")
        for key, shape in shapes.items()
        if ".transformer_blocks." in key and len(shape) == 2
    ]
    original = ldm_names(config, layers)
    lora = {}
    for layer in layers:
        outputs, inputs = shapes[layer + ".weight"]
        called = "lora_unet_" + original[layer].replace(".", "_")
        lora[called + ".lora_down.weight"] = some((RANK, inputs))
        lora[called + ".lora_up.weight"] = some((outputs, RANK))
        lora[called + ".alpha"] = np.float16(RANK / 2).reshape(())
    weights.save(lora, folder / "lora.safetensors")


def merged(folder: Path, name: str) -> Merged:
    """Merge once, for the memory, and once more, for the clock."""
    import mdx
    from mdx import weights
    from mdx.families import StableDiffusion, StableDiffusionXL
    from mdx.net import Net
    from mdx.nets import unet, vae

    config = unet.from_json(configs()[name]["unet"])
    shapes = unet.shapes(config)
    params, places = weights.read_in_place([folder / "unet.safetensors"], shapes, "float16")
    net = Net(config, params, MappingProxyType(places))
    decoder = Net(vae.from_json(configs()[name]["vae"]), {})
    scheduler = mdx.schedulers.from_config({}, "ddim")
    if "text_encoder_2" in configs()[name]:
        model = StableDiffusionXL(None, None, None, None, net, decoder, scheduler)
    else:
        model = StableDiffusion(None, None, net, decoder, scheduler)
    lora = mdx.lora.load(folder / "lora.safetensors")
    before = peak_memory()
    found = mdx.lora.merge(model, lora, 0.8)
    taken = peak_memory()
    new = [key for key in params if found.unet.params[key] is not params[key]]
    touched = sum(params[key].nbytes for key in new)
    del found
    began = time.perf_counter()
    mdx.lora.merge(model, lora, 0.8)
    return Merged(len(new), touched, before, taken, time.perf_counter() - began)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="SDXL", choices=sorted(configs()))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fresh(write, folder, given.name)
        one = fresh(merged, folder, given.name)
        more = one.taken - one.before
        print(
            f"{one.layers} layers of {one.touched / 1e6:.0f} MB in {one.seconds:.1f} s; "
            f"{more / 1e6:.0f} MB more than before, {more / one.touched:.2f} of the touched weights"
        )


if __name__ == "__main__":
    main()
