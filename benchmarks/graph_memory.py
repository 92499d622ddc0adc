"""What the compiled graphs of many sizes of pictures take, and whether a process gives it back.

    python benchmarks/graph_memory.py [--sizes 60] [--runs 300]

Each row is a process that draws so many pictures with the packaged checkpoint, of so many sizes in
turn: one that has to compile every graph; one that reads them from the files which the first has
left; and one that does, and keeps them all. Printed are its peak after the first ten pictures and
after all, in MB; what the graphs take that it holds in the end; and what MindSpore did not give
back of what was traced. Exit status 1 where a process that reads its graphs takes more than 1.3
times the first ten's peak. Takes half an hour on two cores.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from processes import fresh, peak_memory

GROWTH = 1.3  # of the first pictures' peak, at most
FIRST = 10  # pictures
SIDES = range(32, 96, 8)  # pixels
ROWS = {"compiled": False, "from files": False, "from files, all kept": True}  # whether all is kept


class Row(NamedTuple):
    """What one process says; bytes."""

    first: int  # its peak after FIRST pictures
    peak: int  # and after all
    held: int  # by graphs in the end
    left: int  # by what was traced and is of no use any more


def main() -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, default=60)
    parser.add_argument("--runs", type=int, default=300)
    args = parser.parse_args()
    status = 0
    with tempfile.TemporaryDirectory() as scratch:
        print(f"{'MB':22}{'first':>8}{'peak':>8}{'ratio':>8}{'held':>8}{'left':>8}")
        for name, all_kept in ROWS.items():
            place = str(Path(scratch).resolve() / "graphs")
            row = fresh(run, place, args.sizes, args.runs, all_kept)
            ratio = row.peak / row.first
            cells = "".join(f"{number / 1e6:8.0f}" for number in row[2:])
            print(
                f"{name:22}{row.first / 1e6:8.0f}{row.peak / 1e6:8.0f}{ratio:8.2f}{cells}",
                flush=True,
            )
            status |= name == "from files" and ratio > GROWTH
    return status


def run(place: str, sizes: int, runs: int, all_kept: bool) -> Row:
    """Draw the pictures; called in a process of its own."""
    os.environ["MDX_COMPILE_CACHE"] = place
    import mdx
    from mdx import compile_cache

    if all_kept:
        compile_cache.HELD = sys.maxsize
    model = mdx.load()
    pairs = [(height, width) for height in SIDES for width in SIDES][:sizes]
    first = 0
    for i in range(runs):
        height, width = pairs[i % len(pairs)]
        mdx.generate(
            model, "a red circle", steps=1, seed=i, height=height, width=width, output="np",
            progress=False,
        )  # fmt: skip
        if i < FIRST:
            first = peak_memory()
    graphs = compile_cache.graphs()
    return Row(first, peak_memory(), graphs.size, graphs.left)


if __name__ == "__main__":
    sys.exit(main())
