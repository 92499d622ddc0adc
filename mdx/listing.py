"""Samplers and their tables in words and figures, for the command.

What is said of a sampler is read off its tables: nothing here knows any of them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mdx import schedulers
from mdx.files import replacing
from mdx.schedulers import Scheduler, Table, testbed
from mdx.schedulers.config import SAMPLERS

__all__ = ["plot", "rows", "samplers"]

STEPS = 10  # of the run that a sampler's facts are read from


def samplers(scheduler: Scheduler) -> Iterator[str]:
    """Lines that list every sampler of a scheduler's model, with a line of heads.

    The order is measured on levels where no warm-up limits it; "-" stands for the samplers that
    have none because they add noise.
    """
    yield f"{'name':<10} {'class':<36} order  calls  slots  noise"
    family = schedulers.compatibles(scheduler)
    for sampler in [sampler for sampler in SAMPLERS if sampler.names[0] in family]:
        kind, name = sampler.names[:2]
        # Clipping bends what should be straight, and so does a last step of lower order: facts of
        # the config, not of the sampler.
        plain = {"clip_sample": False, "lower_order_final": False, "prediction_type": "epsilon"}
        known = {key: value for key, value in plain.items() if key in sampler.defaults}
        own = schedulers.from_config(scheduler, name, **known)
        table = schedulers.table(own, STEPS)
        noise = "yes" if table.stochastic else "no"
        yield f"{name:<10} {kind:<36} {order(own):>5} {table.rows:6} {table.slots:6}  {noise}"
    yield ""
    yield f"calls: of the model, for {STEPS} steps; slots: pictures kept between calls, the sample"
    yield "among them; order: errors fall like the number of steps to minus this power."


def order(scheduler: Scheduler) -> str:
    """The order of convergence, "-" where there is none to be measured."""
    try:
        return str(round(testbed.order(lambda r: schedulers.table(scheduler, sigmas=r.tolist()))))
    except ValueError:
        return "-"


def rows(scheduler: Scheduler, table: Table) -> Iterator[str]:
    """Lines that say what every row of a table does, one for each slot that a call fills."""
    noise = "with noise" if table.stochastic else "deterministic"
    yield (
        f"{scheduler.name}: {count(table.rows, 'model call')}, {count(table.slots, 'slot')}, "
        f"{noise}; first sample = {number(float(table.init_noise_scale)).strip()} noise"
    )
    yield ""
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
