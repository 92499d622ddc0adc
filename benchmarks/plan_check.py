"""mdx.plan against the memory that a run takes: SD 1.5's nets with random weights.

    python benchmarks/plan_check.py [--settings 0 3 7]

For each setting a fresh process loads the checkpoint, makes steps of the pictures that it asks for,
decodes them, and says how much memory it held at most. It has an empty cache of graphs: one that is
read from a file takes less, and which have files would depend on the settings before. Printed are
that peak, the plan's, and their ratio. Exit status 1 where a plan is more than 10% off. Needs 4 GB
of disk for temporary files, 7 GB of memory, and some minutes a setting.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from checkpoint import configs, write
from processes import fresh, peak_memory

import mdx

TOLERANCE = 0.1


class Setting(NamedTuple):
    """What is asked of generate()."""

    side: int  # pixels
    batch: int
    memory: mdx.Memory
    guidance: float = 7.5
    dtype: str = "float32"


STAGE = mdx.Memory(weights="stage")
SETTINGS = (
    Setting(256, 1, mdx.Memory()),
    Setting(256, 2, STAGE),
    Setting(256, 4, mdx.Memory(weights="net")),
    Setting(512, 1, mdx.Memory()),
    Setting(512, 1, mdx.Memory(weights="net")),
    Setting(512, 1, STAGE),
    Setting(512, 2, STAGE),
    Setting(512, 1, STAGE, guidance=1.0),
    Setting(512, 1, STAGE._replace(tile=32)),
    Setting(512, 1, mdx.Memory(weights="stage", part_bytes=256_000_000)),
    Setting(512, 1, mdx.Memory(), dtype="float16"),
    Setting(768, 1, STAGE._replace(tile=48)),
)


def main() -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, nargs="+", default=range(len(SETTINGS)))
    chosen = parser.parse_args().settings
    worst = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        folder = write(Path(scratch) / "checkpoint", configs()["SD 1.5"])
        print("GB, planned and measured, and their ratio")
        for i in chosen:
            os.environ["MDX_COMPILE_CACHE"] = str(Path(scratch).resolve() / f"graphs-{i}")
            planned, measured = fresh(run, folder, SETTINGS[i])
            ratio = planned / measured
            worst = max(worst, abs(ratio - 1))
            print(
                f"{planned / 1e9:6.2f}{measured / 1e9:6.2f}{ratio:6.2f}  {SETTINGS[i]}", flush=True
            )
    print(f"at most {worst:.1%} off")
    return int(worst > TOLERANCE)


def run(folder: Path, setting: Setting) -> tuple[int, int]:
    """Bytes planned and taken; called in a process of its own."""
    side, batch, memory, guidance, dtype = setting
    model = mdx.load(folder, dtype=dtype)
    planned = mdx.plan(model, side, side, batch, memory=memory, guided=guidance > 1).peak
    mdx.generate(
        model, ["a photograph"] * batch, steps=2, guidance=guidance, seed=0, height=side,
        width=side, progress=False, memory=memory,
    )  # fmt: skip
    return planned, peak_memory()


if __name__ == "__main__":
    sys.exit(main())
