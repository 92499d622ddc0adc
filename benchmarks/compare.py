"""mdx against diffusers on torch, and OpenVINO where it is installed, on the same random weights.

    python benchmarks/compare.py --json benchmarks/compare.json --write

Writes a checkpoint of Stable Diffusion's size in the diffusers layout, with random weights, and
goes through the rows: a step of the UNet, decoding, encoding, the texts, whole pictures, loading,
compiling. For each row every side gets a process of its own, loads the checkpoint and does the work
once; then they take turns, one at work while the others wait, in another order each time. Printed
are the medians, the ratio of the medians with the least and the largest ratio of a turn, the most
memory that each process took over its whole life, and how far outputs are apart.

Exit status 1 where outputs that are to be equal are further apart than rounding explains. Needs
`pip install '.[parity]' accelerate`, 4 GB of disk, 9 GB of memory, two hours for all rows and an
otherwise idle machine. Rows are chosen by --rows, with patterns: "unet-64-b2", "vae-*". SDXL's
UNet is 10 GB, of which memory may hold one: --alone gives every turn a process of its own while no
other is there. 15 GB of disk, and of memory 14 GB:

    python benchmarks/compare.py --checkpoints SDXL --alone --runs 3 --rows unet-64-b2
    python benchmarks/compare.py --checkpoints SDXL --alone --runs 1 --latents 128 --rows unet-*-b2
"""

# No library is imported here: each process whose memory is measured holds one of them alone.

import argparse
import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import processes
import readme_table
from checkpoint import configs, write
from machine import about
from measuring import measured
from rows import SIDES, chosen, rows

TOLERANCE = 1e-4  # largest difference over largest value; tests/parity says why
TINY = {"SDXL": "tiny SDXL"}  # the checkpoint of --quick in the place of another, else "tiny"


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    given = _arguments(argv)
    entries, bad = _known(given.json), []
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.checkpoints:
            folder = (given.keep or Path(scratch)) / name.replace(" ", "-")
            _progress(f"{name}: random weights in {folder}")
            processes.fresh(write, folder, configs()[name])
            for row in chosen(rows(given.latents, given.batches), given.rows):
                row = _possible(row._replace(alone=given.alone))
                if row is None:
                    continue
                _progress(f"{name} {row.name}: {', '.join(row.sides)}")
                entry = measured(row, name, folder, given.runs, given.threads)
                entry["machine"] = about(given.threads)
                entries[f"{name} {row.name}"] = entry
                print("\n".join(readme_table.lines([entry])), flush=True)
                if row.exact and not entry["error"] <= TOLERANCE:
                    bad.append(f"{name} {row.name}")
                if given.json:
                    given.json.write_text(json.dumps(entries, indent=1) + "\n")
    if given.write:
        readme_table.write(list(entries.values()))
    if bad:
        print(f"further apart than {TOLERANCE}: {', '.join(bad)}")
    return 1 if bad else 0


def _arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=["*"], help="names or patterns of rows [all]")
    parser.add_argument("--latents", type=int, nargs="+", default=[32, 64, 96], help="sides")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8], help="of the UNet")
    parser.add_argument("--runs", type=int, default=5, help="turns that each side gets [5]")
    parser.add_argument("--threads", type=int, default=2, help="of each side [2]")
    parser.add_argument("--checkpoints", nargs="+", default=["SD 1.5"], choices=sorted(configs()))
    parser.add_argument(
        "--alone", action="store_true", help="each turn in a fresh process: one side in memory"
    )
    parser.add_argument("--keep", type=Path, help="folder for the weights, to use them again")
    parser.add_argument("--json", type=Path, help="write all figures here; other rows in it stay")
    parser.add_argument("--write", action="store_true", help="the page, with the table of --json")
    parser.add_argument("--quick", action="store_true", help="tiny nets, to see that it works")
    given = parser.parse_args(argv)
    if given.quick:
        given.checkpoints = [TINY.get(name, "tiny") for name in given.checkpoints]
        given.latents, given.batches, given.runs = [8], [2], 2
    for name in ("runs", "threads"):
        if getattr(given, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(given, name)}")
    if given.write and given.quick:
        parser.error("--write is for the real sizes: leave out --quick")
    try:
        chosen(rows(given.latents, given.batches), given.rows)
    except ValueError as error:
        parser.error(str(error))
    return given


def _known(path):
    """The rows that an earlier run has written."""
    return json.loads(path.read_text()) if path and path.exists() else {}


def _possible(row):
    """The row with the sides that are installed; None where none is left to compare with."""
    if importlib.util.find_spec("openvino") is None:
        sides = tuple(side for side in row.sides if SIDES[side][0] != "side_openvino")
        if sides != row.sides:
            _progress(f"{row.name}: openvino is not installed")
            return row._replace(sides=sides) if len(sides) > 1 else None
    return row


def _progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
