"""Samplers and their tables in words and figures, for the command.

What is said of a sampler is read off its tables: nothing here knows any of them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdx import schedulers
from mdx.files import replacing
from mdx.schedulers import Scheduler, Table, testbed
from mdx.schedulers.config import runs
from mdx.schedulers.runs import Sampler
from mdx.schedulers.samplers import FAMILIES, SAMPLERS
from mdx.schedulers.tables import Array

__all__ = ["chosen", "plot", "rows", "samplers"]

STEPS = 20  # of the run that a sampler's facts are read from, beside one twice as long


def chosen(
    base: Scheduler, name: str, options: Mapping[str, Any], *, strict: bool = False
) -> Scheduler:
    """A sampler by name: on a checkpoint's own schedule if it can run its network, else on its own.

    ValueError for an unknown name, for options that the sampler does not have, and if it is
    `strict` for a sampler of other networks.
    """
    alone = schedulers.from_config({}, name)
    strange = sorted(options.keys() - alone.config.keys())
    if strange:
        raise ValueError(f"{alone.name} has no option {', '.join(strange)}")
    if runs(alone, base):
        return schedulers.from_config(base, name, **options)
    if strict:
        raise ValueError(f"{alone.name} is for other networks than {base.name}'s: see mdx samplers")
    return schedulers.from_config({}, name, **options)


def samplers(base: Scheduler) -> Iterator[str]:
    """Lines that list every sampler, by the kind of model that it is for.

    The order is measured on levels where no warm-up limits it; "-" stands for the samplers that
    have none because they add noise.
    """
    yield f"  {'name':<16} {'class':<35} order  calls    slots  noise"
    for family, models in FAMILIES.items():
        yield f"{family}: {models}"
        for sampler in SAMPLERS:
            if sampler.family == family:
                kind, name = sampler.names[:2]
                known = {k: v for k, v in PLAIN.items() if fits(sampler, k, v)}
                yield f"  {name:<16} {kind:<35} {facts(chosen(base, name, known))}"
    yield ""
    yield "order: errors fall like the number of steps to minus this power. calls: of the model, a"
    yield "step; after it, what a run has more or less. slots: pictures kept between calls, the"
    yield "sample among them. noise: whether it adds any. `mdx table NAME` shows one in numbers."


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


def facts(scheduler: Scheduler) -> str:
    """Order, calls, slots and noise, as the sampler's tables have them."""
    table, longer = (schedulers.table(scheduler, steps) for steps in (STEPS, 2 * STEPS))
    each = (longer.rows - table.rows) // STEPS
    more = table.rows - STEPS * each
    calls = f"{each} {more:+d}" if more else str(each)
    noise = "yes" if table.stochastic else "no"
    return f"{order(scheduler, table):>5}  {calls:<7} {table.slots:6}  {noise}"


def order(scheduler: Scheduler, table: Table) -> str:
    """The order of convergence, "-" where there is none to be measured."""
    flow = np.allclose(table.alpha + table.sigma, 1)
    if table.stochastic:
        return "-"
    for turn in (1, -1):  # an inversion wants its levels the other way round

        def build(ratio: Array, turn: int = turn) -> Table:
            sigmas = ratio / (1 + ratio) if flow else ratio
            return schedulers.table(scheduler, sigmas=sigmas[::turn].tolist())

        try:
            return str(round(testbed.order(build)))
        except ValueError:
            continue
    return "-"


def rows(scheduler: Scheduler, table: Table) -> Iterator[str]:
    """Lines that say what every row of a table does, one for each slot that a call fills."""
    noise = "with noise" if table.stochastic else "deterministic"
    calls, slots = count(table.rows, "model call"), count(table.slots, "slot")
    yield f"{scheduler.name}: {calls}, {slots}, {noise}"
    factor = number(float(table.init_noise_scale)).strip()
    upward = table.sigma[0] < table.sigma[-1]
    yield f"begins with {'a picture' if upward else f'{factor} times unit noise'}"
    names = columns(table)
    used = [c for c in range(len(names)) if np.any(table.mix[..., c])]
    head = "".join(f"{names[c]:>9}" for c in used)
    yield f"{'row':>3} {'t':>7} {'alpha':>6} {'sigma':>6}      {head}"
    for i, (t, alpha, sigma) in enumerate(zip(table.t, table.alpha, table.sigma, strict=False)):
        lead = f"{i:3} {t:7.2f} {alpha:6.4f} {sigma:6.4f}"
        for slot, mix in enumerate(table.mix[i]):
            if slot == 0 or np.any(mix):
                values = "".join(f" {number(mix[c])}" for c in used)
                yield f"{lead:25} {names[slot]:>2} ={values}"
                lead = ""
    yield f"{'end':>3} {'':7} {table.alpha[-1]:6.4f} {table.sigma[-1]:6.4f}"
    yield ""
    yield "x: the sample; out: what the model returned for it; x0: the clean picture that it means;"
    yield "s1, s2, ...: what is kept between calls. A row makes the new values from the old ones."
    if np.any(np.isfinite(table.clip)):
        yield f"x0 is clipped to {table.clip.min():g}."


def columns(table: Table) -> list[str]:
    """The names of the columns of table.mix."""
    return ["x", *(f"s{k}" for k in range(1, table.slots)), "out", "x0", "noise"]


def number(value: float) -> str:
    """A coefficient in eight characters."""
    if value == 0:
        return f"{'.':>8}"
    if abs(value) < 5e-4:
        return f"{value:8.0e}"
    return f"{value:8.4f}" if abs(value) < 100 else f"{value:8.4g}"


def count(n: int, word: str) -> str:
    """A number of things."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def plot(scheduler: Scheduler, table: Table, path: Path) -> None:
    """Draw a table's levels, and what the new sample holds of everything, as a PNG file.

    ModuleNotFoundError if matplotlib is missing; OSError if the file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(
        2, 1, figsize=(9, 8), dpi=110, sharex=True, layout="constrained"
    )
    calls = np.arange(table.rows)
    above.plot(np.arange(table.rows + 1), table.alpha, "o-", ms=4, label="alpha, of the picture")
    above.plot(np.arange(table.rows + 1), table.sigma, "s-", ms=4, label="sigma, of the noise")
    above.set_ylabel("factor in the sample")
    above.set_title(f"{scheduler.name}, {count(table.rows, 'model call')}", loc="left")
    for c, name in enumerate(columns(table)):
        if np.any(table.mix[:, 0, c]):
            below.plot(calls, table.mix[:, 0, c], "o-", ms=4, label=name)
    below.set_ylabel("coefficient in the new sample")
    below.set_xlabel("row: one model call each")
    below.axhline(0, color="black", lw=0.5)
    times = above.secondary_xaxis("top")
    shown = np.unique(np.linspace(0, table.rows - 1, 8).round().astype(int))
    times.set_xticks(shown, [f"{table.t[i]:.0f}" for i in shown])
    times.set_xlabel("time that the model is told")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    with replacing(path) as partial:
        figure.savefig(partial)
    plt.close(figure)
