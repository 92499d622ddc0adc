"""scheduler_config.json as an immutable value, and the table it stands for."""

import os
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from reprlib import repr as short
from typing import Any, NamedTuple

from mdx.checks import did_you_mean
from mdx.fields import TEXT, nullable, shown, value
from mdx.files import as_path, read_json

from . import schedules
from .keys import NEUTRAL, SILENT, checked
from .levels import numbers
from .naming import meant, nearest
from .record import Misses
from .runs import Run, Sampler
from .samplers import ALIKE, SAMPLERS
from .tables import Table

FILE = "scheduler_config.json"


class Scheduler(NamedTuple):
    """A sampler's name and what its config says; a value that is never changed."""

    name: str  # class name, as in scheduler_config.json
    given: tuple[tuple[str, Any], ...]  # what the config said, sorted by key; lists as tuples

    @property
    def config(self) -> dict[str, Any]:
        """Every key of this sampler: what the config said, and the sampler's own defaults."""
        sampler, given = find(self.name), dict(self.given)
        own = {k: v for k, v in given.items() if v not in sampler.ignored_values.get(k, ())}
        return {key: own.get(key, default) for key, default in sampler.defaults.items()}

    def __repr__(self) -> str:
        """Its name and what its config said; of long lists, where they begin."""
        try:
            said = "".join(f", {key}={short(value)}" for key, value in self.given)
        except (TypeError, ValueError):
            said = ", of keys that make none"
        return f"Scheduler({self.name!r}{said})"


def from_config(
    config: Mapping[str, Any] | str | os.PathLike[str] | Scheduler,
    name: str | None = None,
    **overrides: Any,
) -> Scheduler:
    """A scheduler from a config: another sampler for the same model, or the same.

    What the source says is kept, betas and prediction type above all; keys it lacks are the
    sampler's own defaults, and keys of other samplers are kept for when it is turned into one of
    them, as are values that are another sampler's words. Keys that no sampler knows are warned of.
    The source stays as it is.

    Args:
        config: a dict, a path to the file or its folder, or another scheduler.
        name: of the sampler, a class name or a short one like "ddim", or what the menus of A1111
            and ComfyUI call a sampler and its schedule, as "DPM++ 2M Karras" or "euler simple"
            (`mdx samplers --menus` lists them); None for the source's own.
        overrides: keys of the sampler, in the place of what the source says.

    Returns:
        The Scheduler.

    Raises:
        ValueError: for an unknown sampler, or one of a menu that is not here, an override that the
            sampler does not have, and a value that is not supported.
        FileNotFoundError: if there is no file.
    """
    if isinstance(config, Scheduler):
        sampler_of(config)
        given, source = dict(config.given), config.name
    else:
        if not isinstance(config, (Mapping, str, os.PathLike)):
            raise TypeError(f"config must be a dict, a path or a Scheduler, not {shown(config)}")
        content = dict(config) if isinstance(config, Mapping) else read(config)
        source = value("_class_name", content.get("_class_name"), nullable(TEXT))
        given = _said(content)
    chosen = name if name is not None else source
    if chosen is None:
        raise ValueError(f"the config has no _class_name, and no name was given: {listing()}")
    sampler, own = resolved(chosen) if name is not None else (find(chosen), {})
    strange = sorted(set(overrides) - set(sampler.defaults))
    if strange:
        meant = did_you_mean(strange[0], sampler.defaults)
        raise ValueError(f"{sampler.names[0]} has no option {', '.join(strange)}{meant}")
    unknown = sorted(set(given).difference(*(s.defaults for s in SAMPLERS)))
    if unknown:
        names = ", ".join(shown(key)[1:-1] for key in unknown[:10])
        warnings.warn(f"scheduler config keys that no sampler knows: {names}", stacklevel=2)
    merged = {**{k: v for k, v in given.items() if k not in unknown}, **own, **overrides}
    values = {k: checked(sampler, k, v, asked=k in overrides) for k, v in merged.items()}
    return Scheduler(sampler.names[0], tuple(sorted(values.items())))


def _said(content: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a config's file that are a sampler's."""
    for key in NEUTRAL.keys() & content.keys():
        value(key, content[key], NEUTRAL[key])
    unset = content.get("_use_default_values")
    unset = unset if isinstance(unset, list | tuple) else ()
    left_out = {*NEUTRAL, *SILENT, *(key for key in unset if isinstance(key, str))}
    return {k: v for k, v in content.items() if not k.startswith("_") and k not in left_out}


def compatibles(scheduler: Scheduler) -> list[str]:
    """Class names of the samplers that a scheduler's model can run with.

    Args:
        scheduler: what `from_config` made.

    Returns:
        Them, sorted.
    """
    family = sampler_of(scheduler).family
    return sorted(sampler.names[0] for sampler in SAMPLERS if sampler.family == family)


def is_compatible(scheduler: Scheduler, other: Scheduler) -> bool:
    """Whether the network that one scheduler belongs to is of the kind that the other's are."""
    families = {sampler_of(one).family for one in (scheduler, other)}
    return len(families) == 1 or families <= set(ALIKE)


def table(
    scheduler: Scheduler,
    steps: int | None = None,
    *,
    timesteps: Sequence[float] | None = None,
    sigmas: Sequence[float] | None = None,
    start: int = 0,
) -> Table:
    """The table of a run between noise levels.

    For every sampler they fall from noisy to clean; an inversion visits them from the other end, so
    that what was inverted comes back by the same numbers.

    Args:
        scheduler: what `from_config` made.
        steps: transitions; may be left out where levels are given. Some samplers call the model
            more than once for each: table.rows is the number of calls. With the options
            schedule="ddim_uniform" and schedule="beta" they are what those rules make of them.
        timesteps: (steps,) model times in the place of the config's levels.
        sigmas: (steps+1,), the final one included, likewise: sigma / alpha; for flow models, and
            with use_flow_sigmas, sigma itself, to be shifted by no option.
        start: how many of the first transitions are left out, for a run that begins with a noised
            image: see `add_noise` and `begin`.

    Returns:
        The Table.

    Raises:
        ValueError: for numbers that make no run.
    """
    sampler, config = sampler_of(scheduler), scheduler.config
    if timesteps is not None and sigmas is not None:
        raise ValueError("timesteps and sigmas exclude each other")
    times = None if timesteps is None else numbers("timesteps", timesteps)
    ratios = None if sigmas is None else numbers("sigmas", sigmas)
    if times is not None:
        steps = agreed(steps, len(times))
    if ratios is not None:
        steps = agreed(steps, len(ratios) - 1)
    most = config["num_train_timesteps"]
    if isinstance(steps, bool) or not isinstance(steps, Integral) or not 1 <= steps <= most:
        raise ValueError(
            f"steps must be a whole number from 1 to {most}, not {shown(steps)}; timesteps or "
            "sigmas that are given are as many"
        )
    if isinstance(start, bool) or not isinstance(start, Integral) or not 0 <= start < steps:
        raise ValueError(f"start must be a whole number from 0 to {steps - 1}, not {shown(start)}")
    try:
        run = schedules.chosen(config, Run(int(steps), times, ratios, int(start)))
        return sampler.build(config, run)
    except ArithmeticError as error:
        raise ValueError(
            f"{scheduler.name}: the numbers of its config make no run of {steps} steps ({error})"
        ) from None
    except Misses as error:
        raise Misses(
            f"{scheduler.name}: the betas and levels of its config make no run of {steps} steps: "
            f"{error}"
        ) from None


def agreed(steps: int | None, count: int) -> int:
    """The number of steps that given levels make; ValueError if another was asked."""
    if steps is not None and not (isinstance(steps, Integral) and steps == count):
        raise ValueError(f"steps {shown(steps)} does not fit the {count} steps of the levels given")
    return count


def sampler_of(scheduler: Scheduler) -> Sampler:
    """A scheduler's sampler; TypeError or ValueError unless it is what `from_config` makes."""
    if not isinstance(scheduler, Scheduler):
        raise TypeError(f"scheduler must be what from_config makes, not {shown(scheduler)}")
    try:
        dict(scheduler.given)
    except (TypeError, ValueError):
        raise ValueError(f"the scheduler's keys make none: {shown(scheduler.given)}") from None
    return find(scheduler.name)


def resolved(name: str, where: str = "") -> tuple[Sampler, Mapping[str, Any]]:
    """The sampler of a name, and the options that the name says; of a menu's as of its own.

    ValueError for a name that nobody has, which says `where` there are others, or for that of what
    is not here.
    """
    if not isinstance(name, str):
        raise ValueError(f"the name of a scheduler must be text, not {shown(name)}")
    if any(name in sampler.names for sampler in SAMPLERS):
        return find(name), {}
    one = meant(name)
    if one is None:
        others = nearest(name) or ("" if where else "; " + listing())
        raise ValueError(f"unknown scheduler {shown(name)}{where}{others}")
    return find(str(one.sampler)), one.options


def find(name: str) -> Sampler:
    """The sampler of a class name or short name; ValueError listing all if there is none."""
    for sampler in SAMPLERS:
        if isinstance(name, str) and name in sampler.names:
            return sampler
    meant = did_you_mean(name, (name for sampler in SAMPLERS for name in sampler.names))
    raise ValueError(f"unknown scheduler {shown(name)}{meant or '; ' + listing()}")


def listing() -> str:
    """The known names in words."""
    return "known are " + ", ".join(sampler.names[1] for sampler in SAMPLERS)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The config in a file, or in the file of a folder."""
    file = Path(path)
    file = file / FILE if file.is_dir() else file
    if not file.is_file():
        raise FileNotFoundError(f"no scheduler config at {as_path(file)}")
    return read_json(file)
