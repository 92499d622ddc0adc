"""One file against the folder of the same checkpoint: the same latents, and what loading takes.

    python benchmarks/single_file.py FOLDER        # writes SD 1.5's size there, 2.1 GB twice
    python benchmarks/single_file.py FOLDER --steps 2

Weights are random, float16. Each side loads in a process of its own, several times in turns; the
file system's cache holds the files, so what is measured is mdx's own work. Memory is what the
process has of its own (not of files) and what it has of them, after loading.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

TURNS = 5
MOST = 1.2  # times of the folder's


def load(folder: Path, file: Path, side: str):
    """The checkpoint, from the folder or from the file that is like it."""
    import mdx

    if side == "folder":
        return mdx.load(folder, dtype="float16")
    return mdx.load(file, dtype="float16", config=folder)


def memory() -> dict[str, float]:
    """Megabytes that this process has: of its own, and of files."""
    text = Path("/proc/self/status").read_text()
    lines = dict(line.split(":", 1) for line in text.splitlines())
    return {name: int(lines[name].split()[0]) / 1e3 for name in ("RssAnon", "RssFile")}


def one(folder: Path, file: Path, side: str) -> dict[str, float]:
    """The seconds and megabytes of one load."""
    import mdx.loading
    import mdx.single_file.assembling  # noqa: F401

    before, begin = memory(), time.perf_counter()
    model = load(folder, file, side)
    seconds, after = time.perf_counter() - begin, memory()
    assert model.unet.params
    return {"seconds": seconds} | {name: after[name] - before[name] for name in after}


def latents(folder: Path, file: Path, side: str, steps: int):
    """What a short run of 128 by 128 pixels comes to."""
    import mdx

    model = load(folder, file, side)
    return mdx.generate(
        model, "a red circle", seed=0, steps=steps, height=128, width=128, output="latent",
        progress=False,
    )  # fmt: skip


def written(place: Path) -> tuple[Path, Path]:
    """The folder and the file, made where they are not there."""
    import checkpoint

    import mdx

    folder, file = place / "folder", place / "one.safetensors"
    if not (folder / "model_index.json").exists():
        wide = checkpoint.write(place / "wide", checkpoint.configs()["SD 1.5"])
        mdx.save(mdx.load(wide), folder, dtype="float16")
    if not file.exists():
        mdx.save(mdx.load(folder, dtype="float16"), file)
    return folder, file


def main() -> int:
    """Print the figures as JSON; 1 where the file takes more than MOST times the folder's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("place", type=Path)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--side", choices=("folder", "file"))
    options = parser.parse_args()
    folder, file = written(options.place)
    if options.side:
        print(json.dumps(one(folder, file, options.side)))
        return 0
    runs: dict[str, list[dict[str, float]]] = {"folder": [], "file": []}
    for turn in range(TURNS):
        for side in list(runs)[:: 1 if turn % 2 else -1]:
            command = [sys.executable, __file__, str(options.place), "--side", side]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            runs[side].append(json.loads(out.splitlines()[-1]))
    figures = {
        side: {key: statistics.median(run[key] for run in some) for key in some[0]}
        for side, some in runs.items()
    }
    print(json.dumps(figures), flush=True)
    first, second = (latents(folder, file, side, options.steps) for side in runs)
    figures["same latents"] = bool((first == second).all())
    print(json.dumps(figures, indent=2))
    within = all(
        figures["file"][key] <= MOST * figures["folder"][key] + 5 * (key != "seconds")
        for key in figures["folder"]
    )
    return 0 if within and figures["same latents"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
