"""What compiling takes: the first time, in another process after it, and without kept graphs.

    python benchmarks/compile_time.py

Measured are the UNet of Stable Diffusion 1.5 with random weights, as `generate` runs it, stage by
stage, and the README's first command from start to picture. Each row is a process of its own.
Compiling is the first call less the second. Means something only on an idle machine; needs 4 GB of
disk for temporary files and 6 GB of memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from checkpoint import configs, file_name, write_net
from processes import fresh, peak_memory

ROWS = ("without", "first", "again")  # the first fills a folder that the second reads


class Run(NamedTuple):
    """What one process says of the UNet."""

    first: float  # seconds of the first call, compiling included
    second: float  # seconds of the second call
    peak: int  # bytes of memory, at most
    out: np.ndarray  # of the second call


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latents", type=int, default=64, help="side of the latents (default 64)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "unet"
        write_net(folder, configs()["SD 1.5"]["unet"], 0)
        runs = []
        for row in ROWS:
            run = fresh(unet, folder, _cache(row, Path(scratch) / "graphs"), args.latents)
            compiling = run.first - run.second
            print(f"UNet, {row:8} {compiling:5.1f} s, peak {run.peak / 1e9:.2f} GB", flush=True)
            runs.append(run.out)
        if not all(np.array_equal(out, runs[0]) for out in runs):
            raise SystemExit("the outputs differ")
        for row in ROWS:
            began = time.perf_counter()
            prompt = "a small green star above a large red circle on a yellow background"
            subprocess.run(
                [sys.executable, "-m", "mdx", prompt, "-o", Path(scratch) / "out.png"],
                env=os.environ | {"MDX_COMPILE_CACHE": _cache(row, Path(scratch) / "command")},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            print(f"mdx,  {row:8} {time.perf_counter() - began:5.1f} s to the picture", flush=True)


def _cache(row, folder):
    return "0" if row == "without" else str(folder)


def unet(folder: Path, cache: str, latents: int) -> Run:
    """Call the UNet twice; called in a process of its own."""
    os.environ["MDX_COMPILE_CACHE"] = cache
    from mindspore import Tensor, mutable

    from mdx import weight_files, weights
    from mdx.files import read_json
    from mdx.kernels import PART_BYTES
    from mdx.nets import unet as net
    from mdx.sampling import staged

    config = net.from_json(read_json(folder / "config.json"))
    files = weight_files.find(folder, file_name("unet").removesuffix(".safetensors"))
    params, _ = weights.read_in_place(files, net.shapes(config), "float32")
    parts = staged.parts(config, params)
    predict = staged.predictor(config, parts, True, PART_BYTES, lambda part: None)
    random = np.random.default_rng(1)
    x, context = (1, 4, latents, latents), (2, 77, config.cross_attention_dim)
    x, context = (Tensor(random.standard_normal(shape, np.float32)) for shape in (x, context))
    t, scale = (Tensor(np.float32([value])) for value in (500, 7.5))
    seconds, out = [], np.empty(0)
    for _ in range(2):
        began = time.perf_counter()
        out = predict(x, t, mutable({"context": context}), scale).asnumpy()
        seconds.append(time.perf_counter() - began)
    return Run(*seconds, peak_memory(), out)


if __name__ == "__main__":
    main()
