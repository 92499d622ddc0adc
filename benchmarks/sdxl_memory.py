"""A picture of SDXL's size within a budget: 1024x1024 pixels, float16 files, random weights.

    python benchmarks/sdxl_memory.py

Writes a checkpoint of SDXL's size in float16, 7 GB (and 14 GB meanwhile), and draws one picture of
two steps in processes of their own: within 8 GB, and within the least budget that `mdx.plan`
accepts, each with graphs that are compiled and again with their files. Printed are the plan, the
most that was taken, and the ratio. An hour on two cores that do nothing else.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from checkpoint import configs, file_name, write
from processes import fresh, peak_memory

SIDE = 1024  # pixels
LARGE = "8GB"


class Run(NamedTuple):
    """One picture."""

    planned: int  # bytes
    taken: int  # bytes, of the process over its whole life
    seconds: float
    plan: str  # in words


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="folder for the weights, to use them again")
    parser.add_argument("--name", default="SDXL", choices=sorted(configs()))
    parser.add_argument("--side", type=int, default=SIDE, help=f"pixels [{SIDE}]")
    parser.add_argument("--steps", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.checkpoint or Path(scratch) / "checkpoint"
        if not (folder / "model_index.json").exists():
            fresh(_written, folder, given.name)
        least = fresh(least_budget, folder, given.side)
        for budget in (LARGE, least):
            graphs = Path(tempfile.mkdtemp(dir=scratch))
            for kind in ("compiled", "from files"):
                run = fresh(drawn, folder, budget, given.side, given.steps, graphs)
                if kind == "compiled":
                    print(run.plan)
                print(
                    f"budget {budget}, graphs {kind}: planned {run.planned / 1e6:.0f} MB, taken "
                    f"{run.taken / 1e6:.0f} MB, ratio {run.taken / run.planned:.3f}, "
                    f"{run.seconds:.0f} s",
                    flush=True,
                )


def _written(folder: Path, name: str) -> None:
    """A checkpoint whose files are float16; the index is the last of them."""
    import mdx
    from mdx import weights

    whole = write(folder.with_name(folder.name + "-float32"), configs()[name])
    model = mdx.load(whole, dtype="float16")
    for part in configs()[name]:
        shutil.copytree(whole / part, folder / part, ignore=shutil.ignore_patterns("*.safetensors"))
        weights.save(getattr(model, part).params, folder / part / file_name(part))
    for part in whole.iterdir():
        if part.is_dir() and part.name not in configs()[name]:
            shutil.copytree(part, folder / part.name)
    shutil.copyfile(whole / "model_index.json", folder / "model_index.json")
    shutil.rmtree(whole)


def least_budget(folder: Path, side: int) -> int:
    """The peak of the plan that takes least, of choices that do not change the picture."""
    import mdx

    model = mdx.load(folder, dtype="float16")
    return mdx.plan(model, side, side, 1, budget=1).peak


def drawn(folder: Path, budget: int | str, side: int, steps: int, graphs: Path) -> Run:
    """One picture within a budget."""
    os.environ["MDX_COMPILE_CACHE"] = str(graphs)
    import mdx

    model = mdx.load(folder, dtype="float16")
    plan = mdx.plan(model, side, side, 1, budget=budget)
    began = time.perf_counter()
    options = {"steps": steps, "seed": 0, "height": side, "width": side, "progress": False}
    mdx.generate(model, "a photograph", memory=budget, **options)
    return Run(plan.peak, peak_memory(), time.perf_counter() - began, str(plan))


if __name__ == "__main__":
    main()
