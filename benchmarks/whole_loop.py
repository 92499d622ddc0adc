"""All steps in one compiled graph against one call a step.

python benchmarks/whole_loop.py [--steps 20] [--batches 1 4] [--runs 7] [--model M]

Prints the first run of each (compilation included), the median of the next ones, and their ratio:
above 1, the one graph is quicker. The two alternate, so that other work on the machine meets both.
"""

import argparse
import statistics
import time

import numpy as np

import mdx


def main() -> None:
    """Time both ways for each batch."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--model", help="folder or Hub id (default: the packaged one)")
    given = parser.parse_args()
    model = mdx.load(given.model)
    ways = {"a call a step": {"progress": False}, "one graph": {"one_graph": True}}
    for batch in given.batches:
        times, latents = {way: [] for way in ways}, {}
        for _ in range(1 + given.runs):
            for way, options in ways.items():
                begin = time.perf_counter()
                latents[way] = mdx.generate(
                    model,
                    ["a red circle on a blue background"] * batch,
                    scheduler="dpmpp_2m",
                    steps=given.steps,
                    seed=0,
                    output="latent",
                    **options,
                )
                times[way].append(time.perf_counter() - begin)
        medians = {way: statistics.median(spent[1:]) for way, spent in times.items()}
        for way, spent in times.items():
            print(
                f"batch {batch}, {given.steps} steps, {way:13}: first {spent[0]:5.2f} s, "
                f"then {medians[way]:.3f} s"
            )
        same = "bitwise equal" if np.array_equal(*latents.values()) else "NOT equal"
        print(f"batch {batch}: ratio {medians['a call a step'] / medians['one graph']:.3f}, {same}")


if __name__ == "__main__":
    main()
