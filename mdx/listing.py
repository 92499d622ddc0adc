"""Samplers and their tables in words and figures, for the command.

What is said of a sampler is read off its tables: nothing here knows any of them.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdx import schedulers
from mdx.checks import did_you_mean
from mdx.files import replacing
from mdx.sampler_facts import Facts, facts_of
from mdx.schedulers import Scheduler, Table
from mdx.schedulers.config import is_compatible, resolved
from mdx.schedulers.runs import Sampler
from mdx.schedulers.samplers import FAMILIES, SAMPLERS

__all__ = ["check", "chosen", "find", "options", "plot", "rows", "samplers"]


def chosen(
    base: Scheduler, name: str, options: Mapping[str, Any], *, strict: bool = False
) -> Scheduler:
    """A sampler by name: on a checkpoint's own schedule if it can run its network, else on its own.

    ValueError for an unknown name, for options that the sampler does not have, and if it is
    `strict` for a sampler of other networks.
    """
    check(name, options)
    alone = schedulers.from_config({}, name)
    if is_compatible(alone, base):
        return schedulers.from_config(base, name, **options)
    if strict:
        raise ValueError(f"{alone.name} is for other networks than {base.name}'s: see mdx samplers")
    return schedulers.from_config({}, name, **options)


def check(name: str | None, options: Mapping[str, Any]) -> None:
    """Raise ValueError for a name that no sampler has, and for options that it has not.

    Without a name, an option is good that any sampler has, and its value is not looked at.
    """
    some = SAMPLERS if name is None else [find(name)]
    known = {key for sampler in some for key in sampler.defaults}
    if strange := sorted(set(options) - known):
        has = "no sampler has" if name is None else f"{some[0].names[0]} has no"
        lists = f"`mdx samplers {some[0].names[1] if name else 'NAME'}` lists them"
        meant = did_you_mean(strange[0], known)
        raise ValueError(f"{has} option {', '.join(strange[:5])} ({lists}){meant}")
    if name is not None:
        schedulers.from_config({}, name, **options)


def find(name: str) -> Sampler:
    """The sampler of a name, own or of a menu; ValueError with the nearest if there is none."""
    return resolved(name, " (`mdx samplers` lists them)")[0]


def samplers() -> Iterator[str]:
    """Lines that list every sampler, by the kind of model that it is for.

    "-" stands for the order of samplers that have none because they add noise.
    """
    yield f"  {'name':<16} {'class':<35} order  calls    slots  noise"
    for family, models in FAMILIES.items():
        yield f"{family}: {models}"
        for sampler in SAMPLERS:
            if sampler.family == family:
                kind, name = sampler.names[:2]
                yield f"  {name:<16} {kind:<35} {in_columns(facts_of(sampler))}"
    yield ""
    yield "order: errors fall like the number of steps to minus this power. calls: of the model, a"
    yield "step; after it, what a run has more or less. slots: pictures kept between calls, the"
    yield "sample among them. noise: whether it adds any. `mdx samplers NAME` lists the options of"
    yield "one, `mdx table NAME` shows it in numbers."


def in_columns(facts: Facts) -> str:
    """Order, calls, slots and noise."""
    order = "-" if facts.order is None else facts.order
    noise = "yes" if facts.noise else "no"
    return f"{order:>5}  {calls(facts):<7} {facts.slots:6}  {noise}"


def calls(facts: Facts) -> str:
    """Model calls a step, and what a run has more or less."""
    return f"{facts.calls} {facts.more:+d}" if facts.more else str(facts.calls)


def options(name: str) -> Iterator[str]:
    """Lines that list the options of one sampler: default, and what each may be.

    Raises ValueError for an unknown name.
    """
    sampler = find(name)
    facts = facts_of(sampler)
    order = "no order" if facts.order is None else f"order {facts.order}"
    noise = "with noise" if facts.noise else "deterministic"
    yield f"{sampler.names[0]} ({', '.join(sampler.names[1:])})"
    yield f"for {FAMILIES[sampler.family]}"
    yield f"{order}, calls {calls(facts)}, {count(facts.slots, 'slot')}, {noise}"
    yield ""
    width = max(map(len, sampler.defaults))
    yield f"  {'option':<{width}}  {'default':<18}  may be"
    for key in sorted(sampler.defaults):
        lead = f"  {key:<{width}}  {in_words(sampler.defaults[key]):<18}  "
        yield from textwrap.wrap(
            allowed(sampler, key),
            100,
            initial_indent=lead,
            subsequent_indent=" " * len(lead),
            break_on_hyphens=False,
        )
    yield ""
    yield "What a checkpoint's config says takes the place of a default, and what is given that of"
    yield f"both: mdx PROMPT --scheduler {sampler.names[1]} --set KEY=VALUE, with a --set for each,"
    yield f"or mdx table {sampler.names[1]} KEY=VALUE ..."


def allowed(sampler: Sampler, key: str) -> str:
    """What an option may be, in words."""
    if key in sampler.choices:
        return ", ".join(map(in_words, sampler.choices[key]))
    default = sampler.defaults[key]
    if isinstance(default, bool):
        return "true, false"
    if isinstance(default, int):
        return "a whole number, 0 or more"
    if isinstance(default, float):
        return "a number"
    if isinstance(default, tuple):
        return "a list of whole numbers, 0 or more"
    return LISTS.get(key, "a number") + ", or null"


# Options that are lists, of those whose default is none.
LISTS = {"trained_betas": "a list of numbers"}


def in_words(value: Any) -> str:
    """A value as KEY=VALUE takes it: words as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


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
