"""mdx.plan against the memory that runs take, at random settings that it was not fitted to.

    python benchmarks/plan_check.py [--packaged 20] [--sd15 10] [--seed 1] [--scratch FOLDER]

Each setting runs twice in a fresh process, with an empty cache of graphs (cold) and with the files
of the first run (warm): see plan_settings.py. The peaks go to plan_checked.json, in place of this
device's before, and the table that is printed to plan_checked.md. Exit status 1 where a run took
more than its plan, or a cold one less than 0.85 of it. Needs Linux, 7 GB of disk, 16 GB of memory
and about a minute and a half for a setting of SD 1.5's size. --show measures nothing: it holds the
plans of today against the peaks that are there.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plan_settings import Setting, arguments, every, from_json, measure, model_of, store, words

import mdx
from mdx.kernels.device import lowering
from mdx.memory_figures import name_of

LEAST = 0.85  # of a plan that a run with an empty cache must take; no run may take more than all
CHECKED = Path(__file__).with_name("plan_checked.json")
HEAD = """\
# What runs took of their plans

Written by `plan_check.py`: random settings to which no figure was fitted, each in a fresh process,
with an empty cache of graphs (cold) and with files in it (warm). Beside the plan in MB stand the
shares of it that they took at most.
"""
COLUMNS = """\
| checkpoint | pictures | guidance | dtype | weights, parts | plan | cold | warm |
|---|---|---|---|---|---|---|---|
"""


def main() -> int:
    """Run the command; returns its exit status."""
    parser = arguments(__doc__, packaged=20, sd15=10, seed=1)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    device = name_of(lowering())
    with tempfile.TemporaryDirectory() as name:
        scratch = options.scratch or Path(name)
        if options.show:
            everything = json.loads(CHECKED.read_text())
        else:
            chosen = every(options.packaged, options.sd15, options.seed)
            everything = measure(CHECKED, device, chosen, scratch, times=2)
        lines, right = table(everything[device]["runs"], scratch)
    everything[device]["table"] = lines
    store(CHECKED, everything)
    text = "".join([HEAD, *(_section(name, found) for name, found in everything.items())])
    CHECKED.with_suffix(".md").write_text(text)
    print(text)
    return int(not right)


def _section(device: str, found: Mapping[str, Any]) -> str:
    machine = found["machine"]
    where = (
        f"{machine['processor']}, {machine['threads']} threads, MindSpore {machine['mindspore']}"
    )
    return f"\n## {device}\n\n{where}.\n\n{COLUMNS}" + "".join(f"{one}\n" for one in found["table"])


def table(runs: Sequence[Mapping[str, Any]], scratch: Path) -> tuple[list[str], bool]:
    """A line for each run, and whether all keep to their plans."""
    lines, right = [], True
    for run in runs:
        setting, (cold, warm) = from_json(run)
        planned = plan_of(setting, scratch).peak
        first, second = max(cold) / planned, max(warm) / planned
        right &= LEAST <= first <= 1 and second <= 1
        lines.append(f"| {words(setting)} | {planned / 1e6:.0f} | {first:.2f} | {second:.2f} |")
    return lines, right


def plan_of(setting: Setting, scratch: Path) -> mdx.Plan:
    """What mdx says of a setting."""
    return mdx.plan(
        model_of(setting, scratch), setting.height, setting.width, setting.batch,
        memory=setting.memory, guided=setting.guidance > 1, one_graph=setting.one_graph,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
