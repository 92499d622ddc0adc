"""scheduler_config.json as an immutable value, and the table it stands for."""

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

from .levels import numbers
from .runs import Run, Sampler
from .samplers import ALIKE, SAMPLERS
from .tables import Table

FILE = "scheduler_config.json"
BOOLEAN = (True, False)


class Scheduler(NamedTuple):
    """A sampler's name and what its config says; a value that is never changed."""

    name: str  # class name, as in scheduler_config.json
    given: tuple[tuple[str, Any], ...]  # what the config said, sorted by key; lists as tuples

    @property
    def config(self) -> dict[str, Any]:
        """Every key of this sampler: what the config said, and the sampler's own defaults."""
        sampler, given = find(self.name), dict(self.given)
        own = {k: v for k, v in given.items() if v not in sampler.foreign.get(k, ())}
        return {key: own.get(key, default) for key, default in sampler.defaults.items()}


def from_config(
    config: Mapping[str, Any] | str | os.PathLike[str] | Scheduler,
    name: str | None = None,
    **overrides: Any,
) -> Scheduler:
    """A scheduler from a config: a dict, a path to the file or its folder, or another scheduler.

    `name` chooses another sampler for the same model: a class name or a short one like "ddim".
    What the source says is kept, betas and prediction type above all; keys it lacks are the
    sampler's own defaults, and keys of other samplers are kept for when it is turned into one of
    them, as are values that are another sampler's words. Keys that no sampler knows are warned of.
    The source stays as it is.

    ValueError for an unknown sampler, an override that the sampler does not have, and a value that
    is not supported; FileNotFoundError if there is no file.
    """
    if isinstance(config, Scheduler):
        given, source = dict(config.given), config.name
    else:
        content = dict(config) if isinstance(config, Mapping) else read(config)
        source = content.get("_class_name")
        unset = content.get("_use_default_values", ())
        given = {k: v for k, v in content.items() if not k.startswith("_") and k not in unset}
    chosen = name if name is not None else source
    if chosen is None:
        raise ValueError(f"the config has no _class_name, and no name was given: {listing()}")
    sampler = find(chosen)
    strange = sorted(set(overrides) - set(sampler.defaults))
    if strange:
        raise ValueError(f"{sampler.names[0]} has no option {', '.join(strange)}")
    unknown = sorted(set(given).difference(*(s.defaults for s in SAMPLERS)))
    if unknown:
        warnings.warn(
            f"scheduler config keys that no sampler knows: {', '.join(unknown)}", stacklevel=2
        )
    merged = {**{k: v for k, v in given.items() if k not in unknown}, **overrides}
    result = Scheduler(sampler.names[0], tuple(sorted((k, fixed(v)) for k, v in merged.items())))
    for key, value in {**result.config, **overrides}.items():
        supported(sampler, key, fixed(value))
    return result


def compatibles(scheduler: Scheduler) -> list[str]:
    """Class names of the samplers that a scheduler's model can run with, sorted."""
    family = find(scheduler.name).family
    return sorted(sampler.names[0] for sampler in SAMPLERS if sampler.family == family)


def runs(scheduler: Scheduler, other: Scheduler) -> bool:
    """Whether the network that one scheduler belongs to is of the kind that the other's are."""
    families = {find(one.name).family for one in (scheduler, other)}
    return len(families) == 1 or families <= set(ALIKE)


def table(
    scheduler: Scheduler,
    steps: int | None = None,
    *,
    timesteps: Sequence[float] | None = None,
    sigmas: Sequence[float] | None = None,
    start: int = 0,
) -> Table:
    """The table of a run of `steps` transitions between noise levels.

    `timesteps` (steps,) or `sigmas` (steps+1, sigma / alpha, for flow models sigma itself; the
    final one included) replace the config's levels, and `steps` may then be left out. `start`
    leaves out the first transitions, for a run that begins with a noised image: see `add_noise` and
    `begin`. Some samplers call the model more than once per transition: table.rows is the number of
    calls.

    ValueError for numbers that make no run.
    """
    sampler, config = find(scheduler.name), scheduler.config
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
        raise ValueError(f"steps must be a whole number from 1 to {most}, not {steps!r}")
    if isinstance(start, bool) or not isinstance(start, Integral) or not 0 <= start < steps:
        raise ValueError(f"start must be a whole number from 0 to {steps - 1}, not {start!r}")
    return sampler.build(config, Run(int(steps), times, ratios, int(start)))


def agreed(steps: int | None, count: int) -> int:
    """The number of steps that given levels make; ValueError if another was asked."""
    if steps not in (None, count):
        raise ValueError(f"steps {steps} does not fit the {count} steps of the levels given")
    return count


def find(name: str) -> Sampler:
    """The sampler of a class name or short name; ValueError listing all if there is none."""
    for sampler in SAMPLERS:
        if name in sampler.names:
            return sampler
    raise ValueError(f"unknown scheduler {name!r}; {listing()}")


def listing() -> str:
    """The known names in words."""
    return "known are " + ", ".join(f"{s.names[0]} ({s.names[1]})" for s in SAMPLERS)


def supported(sampler: Sampler, key: str, value: Any) -> None:
    """ValueError by name unless the sampler can do what the key asks."""
    default = sampler.defaults[key]
    if key in sampler.choices:
        choices = sampler.choices[key]
        fits = any(value == c and type(value) is type(c) for c in choices)
        allowed = f"one of {', '.join(map(repr, choices))}"
    elif isinstance(default, tuple):
        fits = isinstance(value, tuple) and all(type(v) is int and v >= 0 for v in value)
        allowed = "a list of whole numbers, 0 or more"
    elif isinstance(default, bool):
        fits, allowed = value in BOOLEAN and isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        allowed = "a whole number, 0 or more"
    elif isinstance(default, Real):
        fits = isinstance(value, Real) and not isinstance(value, bool) and value == value
        allowed = "a number"
    else:
        return
    if not fits:
        raise ValueError(f"{sampler.names[0]}: {key} {value!r} is not supported, only {allowed}")


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The config in a file, or in the file of a folder."""
    file = Path(path)
    file = file / FILE if file.is_dir() else file
    if not file.is_file():
        raise FileNotFoundError(f"no scheduler config at {file}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is no JSON file: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold a JSON object")
    return content


def fixed(value: Any) -> Any:
    """Lists and arrays as tuples of plain numbers."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(map(fixed, value)) if isinstance(value, (list, tuple)) else value
