"""The native operators against MindSpore's and torch's, at the shapes of SD 1.5's UNet.

    python benchmarks/native_ops.py [--threads 2] [--runs 5] [--only convolution] [--quick]

Each side has a process of its own, and they take turns: one works while the others wait. Prints
the medians of milliseconds, GFLOP/s, the time over torch's, and how far each is from torch's
result in float32. Needs an otherwise idle machine, and torch.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

import machine
import numpy as np
from native_rows import ROWS, Row, arrays, quick
from native_sides import SIDES
from processes import Worker, ask, start, stop


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="of each side [2]")
    parser.add_argument("--runs", type=int, default=5, help="of each, of which the median [5]")
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES, help="[all]")
    parser.add_argument("--quick", action="store_true", help="a fraction of the work: does it run?")
    arguments = parser.parse_args(argv)
    rows = [row for row in ROWS if arguments.only in row.name()]
    if arguments.quick:
        rows = [quick(row) for row in rows]
    print(machine.about(arguments.threads))
    workers: dict[str, Worker] = {}
    try:
        for side in arguments.sides:
            workers[side] = start(session, side, rows, arguments.threads, arguments.runs)
        print(f"| {'operator':50} | side | ms | GFLOP/s | of torch | apart |")
        print("|---|---|---|---|---|---|")
        for row in rows:
            _row(row, workers, arguments.runs)
    finally:
        for worker in workers.values():
            stop(worker)


def session(side: str, rows: Sequence[Row], threads: int, runs: int) -> Iterator[Any]:
    """Of one side: for each row its result, and then the seconds of so many calls."""
    if side.startswith("torch"):
        import torch

        torch.set_num_threads(threads)
    else:
        import mindspore

        from mdx.kernels import native

        mindspore.set_context(runtime_num_threads=threads)
        native.set_threads(threads)
    for row in rows:
        work, as_maps = SIDES[side](row, arrays(row))
        yield np.asarray(as_maps(work()), np.float32)
        for _ in range(runs):
            began = time.perf_counter()
            work()
            yield time.perf_counter() - began


def _row(row, workers, runs):
    """Measure and print one row."""
    results = {side: ask(worker).reshape(-1) for side, worker in workers.items()}
    seconds = {side: [] for side in workers}
    for turn in range(runs):
        # Each side in turn goes first.
        names = list(workers)
        for side in names[turn % len(names) :] + names[: turn % len(names)]:
            seconds[side].append(ask(workers[side]))
    medians = {side: statistics.median(times) for side, times in seconds.items()}
    for side, median in medians.items():
        rate = f"{row.work() / median / 1e9:.0f}" if row.work() else ""
        ratio = f"{median / medians['torch']:.2f}" if "torch" in medians else ""
        apart = ""
        if "torch" in results:
            exact = results["torch"]
            apart = f"{np.abs(results[side] - exact).max() / np.abs(exact).max():.1e}"
        print(f"| {row.name():50} | {side} | {1e3 * median:.2f} | {rate} | {ratio} | {apart} |")


if __name__ == "__main__":
    main()
