"""This mdx against an earlier one, in turn, on Stable Diffusion 1.5's size with random weights.

    git worktree add ../before COMMIT
    python benchmarks/before.py ../before

Both are called by their public functions, each in a process of its own that keeps its graphs in a
folder of its own; one works while the other waits, in another order each turn. Printed are the
medians of the seconds, their ratio, the most memory that each took, and whether outputs are the
same bits. Needs 4 GB of disk and of memory, and an otherwise idle machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]

# By its name, the work: code that follows the loading of `model`, and whose output is `out`.
WORK = {
    "picture, 4 steps, 512x512": 'out = mdx.generate(model, "a cat", seed=0, steps=4, **size)',
    "step without guidance, 512x512": (
        'out = mdx.generate(model, "a cat", seed=0, steps=1, guidance=1, scheduler="ddim", '
        '**(size | {"output": "latent"}))'
    ),
    "step of two, 256x256": (
        'out = mdx.generate(model, "a cat", seed=0, steps=1, images_per_prompt=2, '
        'scheduler="ddim", height=256, width=256, progress=False, output="latent")'
    ),
    "decode, 512x512": 'out = mdx.decode(model, latents, output="np")',
    "encode, 512x512": "out = mdx.encode(model, pixels)",
    "load": "out = np.zeros(1); mdx.load(sys.argv[1])",
}

# One process: it does the work once, says so, and once more for each line that it reads.
PROGRAM = """
import hashlib, json, sys, time
import numpy as np
import mdx
model = mdx.load(sys.argv[1])
size = {"height": 512, "width": 512, "progress": False, "output": "np"}
random = np.random.default_rng(0)
latents = random.standard_normal((1, 4, 64, 64)).astype(np.float32)
pixels = random.random((1, 512, 512, 3)).astype(np.float32)
def say():
    began = time.perf_counter()
    scope = dict(globals())
    exec(sys.argv[2], scope)
    seconds = time.perf_counter() - began
    peak = [int(line.split()[1]) for line in open("/proc/self/status") if "VmHWM" in line][0]
    digest = hashlib.sha256(np.ascontiguousarray(scope["out"]).tobytes()).hexdigest()
    print(json.dumps([seconds, 1024 * peak, digest]), flush=True)
say()
for line in sys.stdin:
    say()
"""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="folder of the earlier checkout")
    parser.add_argument("--runs", type=int, default=5, help="turns of each [5]")
    parser.add_argument("--rows", nargs="+", default=list(WORK), choices=list(WORK))
    parser.add_argument("--checkpoint", type=Path, help="folder of one; none: written at random")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.checkpoint or _written(Path(scratch) / "checkpoint")
        print(f"{'':32}{'before s':>10}{'now s':>8}{'ratio':>7}{'before MB':>11}{'now MB':>8}"
              f"{'ratio':>7}")  # fmt: skip
        for row in given.rows:
            sides = {"before": given.before.resolve(), "now": HERE}
            found[row] = measured(sides, WORK[row], folder, given.runs, Path(scratch))
            print(_line(row, found[row]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


def _written(folder: Path) -> Path:
    from checkpoint import configs, write

    write(folder, configs()["SD 1.5"])
    return folder


def measured(
    sides: dict[str, Path], work: str, folder: Path, runs: int, scratch: Path
) -> dict[str, Any]:
    """Seconds and bytes of both, and whether their outputs are the same."""
    told: dict[str, list[Any]] = {side: [] for side in sides}
    processes = {}
    try:
        for side, root in sides.items():
            graphs = scratch / f"graphs-{side}"
            graphs.mkdir(mode=0o700, exist_ok=True)
            processes[side] = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(folder), work],
                env=os.environ | {"PYTHONPATH": str(root), "MDX_COMPILE_CACHE": str(graphs)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            first = _answer(processes[side])  # compiles
            told[side].append([None, *first[1:]])
        for turn in range(runs):
            for side in list(sides)[:: 1 if turn % 2 else -1]:
                processes[side].stdin.write("again\n")
                processes[side].stdin.flush()
                told[side].append(_answer(processes[side]))
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    seconds = {side: [run[0] for run in runs[1:]] for side, runs in told.items()}
    return {
        "seconds": seconds,
        "medians": {side: statistics.median(each) for side, each in seconds.items()},
        "peaks": {side: max(run[1] for run in runs) for side, runs in told.items()},
        "same bits": len({run[2] for runs in told.values() for run in runs}) == 1,
    }


def _answer(process: Any) -> list[Any]:
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the process ended with {process.wait()}")
    return json.loads(line)


def _line(row: str, found: dict[str, Any]) -> str:
    (old, new), (was, now) = found["medians"].values(), found["peaks"].values()
    same = "" if found["same bits"] else "  OTHER BITS"
    return (
        f"{row:32}{old:10.2f}{new:8.2f}{new / old:7.3f}{was / 1e6:11.0f}{now / 1e6:8.0f}"
        f"{now / was:7.3f}{same}"
    )


if __name__ == "__main__":
    main()
