"""What is measured of each sampler: its order, its calls a step, its slots, whether it adds noise.

Measuring takes seconds, so that the figures stand in sampler_facts.json, which

    python -m mdx.sampler_facts

writes anew; the tests measure them again. What is not in the file is measured when it is asked for.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mdx import hub, schedulers
from mdx.files import read_json, replacing
from mdx.schedulers import Scheduler, Table, testbed
from mdx.schedulers.config import is_compatible
from mdx.schedulers.runs import Sampler
from mdx.schedulers.samplers import SAMPLERS
from mdx.schedulers.tables import Array

__all__ = ["Facts", "facts_of", "measured"]

FILE = Path(__file__).with_name("sampler_facts.json")
STEPS = 20  # of the run that a sampler's facts are read from, beside one twice as long


class Facts(NamedTuple):
    """What a sampler's tables say of it."""

    order: int | None  # errors fall like steps to minus this power; None with noise, or for one row
    calls: int  # of the model, a step
    more: int  # calls that a run has beside those; below 0 where its last step has fewer
    slots: int  # pictures kept between calls, the sample among them
    noise: bool  # whether it adds any


def facts_of(sampler: Sampler) -> Facts:
    """The facts of a sampler, from the file; measured if it has none."""
    found = _kept().get(sampler.names[1])
    return measured(sampler) if found is None else Facts(**found)


@cache
def _kept() -> Mapping[str, Any]:
    return read_json(FILE) if FILE.is_file() else {}


def measured(sampler: Sampler) -> Facts:
    """The facts of a sampler, from its tables on the packaged checkpoint's schedule.

    Of other networks' samplers from those on their own. The order is measured on levels where no
    warm-up limits it.
    """
    plain = {k: v for k, v in PLAIN.items() if fits(sampler, k, v)}
    alone = schedulers.from_config({}, sampler.names[0], **plain)
    base = schedulers.from_config(hub.resolve(None) / "scheduler")
    if is_compatible(alone, base):
        alone = schedulers.from_config(base, sampler.names[0], **plain)
    table, longer = (schedulers.table(alone, steps) for steps in (STEPS, 2 * STEPS))
    each = (longer.rows - table.rows) // STEPS
    return Facts(
        order(alone, table), each, table.rows - STEPS * each, table.slots, bool(table.stochastic)
    )


# Clipping bends what should be straight, and so does a last step of lower order: facts of a config,
# not of the sampler.
PLAIN = {
    "clip_sample": False,
    "clip_denoised": False,
    "lower_order_final": False,
    "prediction_type": "epsilon",
}


def fits(sampler: Sampler, key: str, value: Any) -> bool:
    """Whether the sampler has the option, and the value."""
    return key in sampler.defaults and value in sampler.choices.get(key, (value,))


def order(scheduler: Scheduler, table: Table) -> int | None:
    """The order of convergence, None where there is none to be measured."""
    flow = np.allclose(table.alpha + table.sigma, 1)
    if table.stochastic:
        return None
    for turn in (1, -1):  # an inversion wants its levels the other way round

        def build(ratio: Array, turn: int = turn) -> Table:
            sigmas = ratio / (1 + ratio) if flow else ratio
            return schedulers.table(scheduler, sigmas=sigmas[::turn].tolist())

        try:
            return round(testbed.order(build))
        except ValueError:
            continue
    return None


def write() -> None:
    """Measure all samplers, and write the file: one of them a line."""
    lines = [
        f"{json.dumps(one.names[1])}: {json.dumps(measured(one)._asdict())}" for one in SAMPLERS
    ]
    with replacing(FILE) as part:
        part.write_text("{\n  " + ",\n  ".join(lines) + "\n}\n")


if __name__ == "__main__":
    write()
