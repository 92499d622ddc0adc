"""What it costs that MindSpore runs small graphs on the calling thread: mdx/kernels/own_threads.py.

    python benchmarks/caller.py [--runs 9]

One graph of four convolutions, and the same with operators enough for MindSpore to run it on its
own threads, in turn: seconds, and how much of a processor the other threads of the process took.
Only Linux tells the time of threads. Needs an otherwise idle machine.
"""

import argparse
import statistics
import time
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor

from mdx import kernels

LAYERS = 4


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    random = np.random.default_rng(0)
    x = Tensor(random.standard_normal((2, 320, 64, 64), np.float32))
    weight = Tensor(random.standard_normal((320, 320, 3, 3), np.float32) / 54)
    bias = Tensor(np.zeros(320, np.float32))

    def plain(x, weight, bias):
        for _ in range(LAYERS):
            x = kernels.convolution(x, weight, bias)
        return x

    def own(x, weight, bias):
        return kernels.on_own_threads(plain(x, weight, bias), bias)

    compiled = {"caller": mindspore.jit(plain), "own threads": mindspore.jit(own)}
    for function in compiled.values():
        function(x, weight, bias).asnumpy()
    seconds: dict[str, list[float]] = {name: [] for name in compiled}
    others: dict[str, list[float]] = {name: [] for name in compiled}
    for _ in range(runs):
        for name, function in compiled.items():
            began, spent = time.perf_counter(), _outside_workers()
            function(x, weight, bias).asnumpy()
            seconds[name].append(time.perf_counter() - began)
            others[name].append((_outside_workers() - spent) / seconds[name][-1])
    for name in compiled:
        print(
            f"{name:12} {statistics.median(seconds[name]):.3f} s, "
            f"other threads {statistics.median(others[name]):.2f} processors"
        )
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _outside_workers() -> float:
    """Processor seconds of this process's threads but for MindSpore's workers."""
    spent = 0.0
    for thread in Path("/proc/self/task").iterdir():
        if not (thread / "comm").read_text().startswith(("ActorThread", "KernelThread")):
            spent += int((thread / "schedstat").read_text().split()[0]) / 1e9
    return spent


if __name__ == "__main__":
    main()
