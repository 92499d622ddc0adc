"""Measure what runs hold in memory, and fit the figures of mdx.plan to it.

    python benchmarks/plan_fit.py [--packaged 20] [--sd15 14] [--seed 0] [--scratch FOLDER]

Each random setting runs in a fresh process with an empty cache of graphs, where it takes most: see
plan_settings.py. The peaks of each step go to plan_measured.json, in place of this device's before,
and the figures into mdx/memory_figures.json. Run it anew where kernels, nets or MindSpore change,
and plan_check.py after it; a processor with AVX-512 is another device with
ONEDNN_MAX_CPU_ISA=AVX2 than with AVX512_CORE. Needs Linux, 7 GB of disk, 16 GB of memory and about
a minute for a setting of SD 1.5's size. --fit-only fits to what was measured before; with
--like DEVICE no figure is below that device's, for where few settings were measured.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from plan_settings import arguments, every, from_json, measure, works_of

from mdx.kernels.device import lowering
from mdx.memory_counts import Moment
from mdx.memory_figures import FILE, Figures, name_of

MEASURED = Path(__file__).with_name("plan_measured.json")
MARGIN = 1.03  # of every plan over the peak beside it: equal runs differ by 1%, settings by more
SWEEPS = 4000
# Sweeps at first in which every moment of a sample is taken for its peak: what is best is chosen.
FIRST = (100, 300, 1000)
TOO_LITTLE = 100.0  # times that a plan below the peak counts more than one above it
# What is known without measuring, so that it does not stand in for what few settings show: a
# stage's largest map, what it is made into and those that are kept; a hidden layer and its halves;
# the noise, as an array and as a tensor or two; all pixels, one by one and together, and what makes
# bytes of them (images.to_pil). And a VAE's graph, which is lost in large maps.
NONE = Figures(*[0.0] * len(Figures._fields))
LEAST = NONE._replace(
    wide_maps=3.0, hidden=1.0, noise=2.0, vae_graph=1e7, wide_vae_graph=8e7, pictures=5.0
)
MOST = Figures(*[np.inf] * len(NONE))._replace(hidden=3.0, noise=4.0, pictures=5.0)


class Sample(NamedTuple):
    """One step of one setting."""

    moments: tuple[Moment, ...]  # one of which is the peak
    copied: int  # bytes of weights beside those of each moment
    peak: int  # bytes


def main() -> None:
    """Run the command."""
    parser = arguments(__doc__, packaged=20, sd15=14, seed=0)
    parser.add_argument("--fit-only", action="store_true")
    parser.add_argument("--like", metavar="DEVICE")
    options = parser.parse_args()
    device = name_of(lowering())
    if options.fit_only:
        everything = json.loads(MEASURED.read_text())
    else:
        chosen = every(options.packaged, options.sd15, options.seed)
        with tempfile.TemporaryDirectory() as name:
            scratch = options.scratch or Path(name)
            everything = measure(MEASURED, device, chosen, scratch, times=1)
    samples = [sample for run in everything[device]["runs"] for sample in samples_of(run)]
    stored = json.loads(FILE.read_text()) if FILE.exists() else {}
    figures = fitted(samples, Figures(**stored[options.like]["figures"]) if options.like else LEAST)
    ratios = [one.peak / planned(figures, one) for one in samples]
    print(f"measured / planned: {min(ratios):.2f} to {max(ratios):.2f}, of {len(ratios)} steps")
    stored[device] = {
        "machine": everything[device]["machine"],
        "figures": {name: float(f"{value:.4g}") for name, value in figures._asdict().items()},
    }
    FILE.write_text(json.dumps(stored, indent=1) + "\n")


def samples_of(run: Mapping[str, Any]) -> list[Sample]:
    """The steps of a run that was measured."""
    setting, peaks = from_json(run)
    steps = zip(works_of(setting), peaks[0], strict=True)
    return [Sample(work.moments, work.copied, peak) for work, peak in steps]


def planned(figures: Figures, sample: Sample) -> float:
    """What figures say of it, in bytes."""
    each = (moment.weights + np.dot(figures, moment.counts) for moment in sample.moments)
    return float(sample.copied + max(each))


def fitted(samples: Sequence[Sample], lowest: Figures = LEAST) -> Figures:
    """Figures from `lowest` to MOST: every sample's plan is above its peak, and close to it.

    Least squares of relative errors from MARGIN times the peak, in which a plan that is too low
    counts TOO_LITTLE times as much, by coordinate descent, of each sample for the moment that is
    its largest then; in the end all are raised by what is missing. Of several ways to begin the one
    that ends closest counts.
    """
    moments = [(i, moment) for i, one in enumerate(samples) for moment in one.moments]
    owner = np.array([i for i, _ in moments])
    peaks = np.array([samples[i].peak for i in owner], float)
    fixed = np.array([samples[i].copied + moment.weights for i, moment in moments])
    rows = np.array([moment.counts for _, moment in moments], float) / peaks[:, None]
    target = MARGIN - fixed / peaks
    size = np.maximum(rows.max(axis=0), 1e-30)
    rows /= size
    least, most = np.array(lowest) * size, np.array(MOST) * size
    found = []
    for first in FIRST:
        values = least.copy()
        for sweep in range(SWEEPS):
            # The largest moment of each sample is where the least is missing. Without a time in
            # which all count, a figure that no largest moment has would stay what it is.
            order = np.lexsort((target - rows @ values, owner))
            largest = order[np.unique(owner[order], return_index=True)[1]]
            chosen = order if sweep < first else largest
            some, wanted = rows[chosen], target[chosen]
            for k in range(len(values)):
                rest = wanted - some @ values
                weight = np.where(rest > 0, TOO_LITTLE, 1.0)
                curve = weight @ some[:, k] ** 2
                if curve > 0:
                    step = (weight * some[:, k]) @ rest / curve
                    values[k] = min(max(values[k] + step, least[k]), most[k])
        # A sample's plan is high enough as soon as that of one of its moments is.
        wanting = np.full(len(samples), np.inf)
        np.minimum.at(wanting, owner, target / np.maximum(rows @ values, 1e-12))
        figures = Figures(*map(float, values * max(1.0, wanting.max()) / size))
        above = np.array([planned(figures, one) / one.peak - 1 for one in samples])
        found.append((float(above @ above), figures))
    return min(found)[1]


if __name__ == "__main__":
    main()
