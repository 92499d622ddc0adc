"""The noise levels of a call, and the coordinates in which scripts see latents.

mdx keeps x = alpha x0 + sigma eps for every sampler. Scripts know latents of some samplers as
x0 + (sigma / alpha) eps, which is x / alpha.
"""

import bisect
import warnings
from typing import Any, NamedTuple

import numpy as np

from mdx import schedulers
from mdx.checks import array_of, finite, shown
from mdx.compat.calls import Call
from mdx.compat.scheduler import Sampler
from mdx.schedulers.config import is_compatible

__all__ = ["Levels", "chosen", "factor"]

STEPS = 50

# The samplers whose latents scripts know divided by alpha.
DIVIDED = frozenset(
    (
        "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler",
        "LMSDiscreteScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler",
        "DPMSolverSDEScheduler",
    )
)  # fmt: skip


class Levels(NamedTuple):
    """What `mdx.generate` takes as scheduler and steps."""

    scheduler: schedulers.Scheduler | schedulers.Table
    steps: int | None  # None of a Table

    @property
    def table(self) -> schedulers.Table:
        """The table of the run."""
        if isinstance(self.scheduler, schedulers.Table):
            return self.scheduler
        return schedulers.table(self.scheduler, self.steps)


def chosen(model: Any, sampler: Sampler, call: Call) -> Levels:
    """The levels of a call; ValueError or TypeError by name for those that make no run."""
    scheduler = _with_eta(sampler.value, call.eta)
    steps = STEPS if call.num_inference_steps is None else call.num_inference_steps
    own = [name for name in ("timesteps", "sigmas") if getattr(call, name) is not None]
    parts = [n for n in ("denoising_start", "denoising_end") if getattr(call, n) is not None]
    if not own and not parts:
        return Levels(scheduler, steps)
    if not is_compatible(scheduler, model.scheduler):  # which generate asks of no table
        raise ValueError(
            f"{scheduler.name} is for other networks than a checkpoint with "
            f"{model.scheduler.name} has: pipe.scheduler.compatibles are its samplers"
        )
    if own and parts:
        raise ValueError(f"{parts[0]} is a part of the scheduler's own levels: leave out {own[0]}")
    if len(own) > 1:
        raise ValueError("timesteps and sigmas exclude each other: give one of them")
    if own:
        times, sigmas = _numbers("timesteps", call.timesteps), _numbers("sigmas", call.sigmas)
        return Levels(schedulers.table(scheduler, timesteps=times, sigmas=sigmas), None)
    return Levels(_part(scheduler, steps, call.denoising_start, call.denoising_end), None)


def _numbers(name: str, given: Any) -> Any:
    """A list of numbers, of tensors too, or None."""
    return None if given is None else array_of(name, given)


def factor(name: str, alpha: Any, axes: int = 4) -> Any:
    """What latents of a sampler at a level are multiplied by to be what scripts know."""
    if name not in DIVIDED:
        return np.ones((), np.float32)
    return np.asarray(1 / alpha, np.float32)


def _with_eta(scheduler: schedulers.Scheduler, eta: Any) -> schedulers.Scheduler:
    """The scheduler with the noise that a call asks for.

    Scripts say it by the call, where 0 is the default, and what else has its own noise ignores it.
    """
    asked = 0.0 if eta is None else finite("eta", eta)
    if "eta" in scheduler.config:
        if eta is None and "eta" in dict(scheduler.given):
            return scheduler
        return schedulers.from_config(scheduler, eta=asked)
    if asked:
        warnings.warn(
            f"eta={asked:g} is ignored: {scheduler.name} does not read it, DDIM and TCD do",
            stacklevel=5,
        )
    return scheduler


def _part(scheduler: schedulers.Scheduler, steps: Any, start: Any, end: Any) -> schedulers.Table:
    """The rows of a run whose times lie between two parts of the training's.

    They begin at the first time below that of `start`, and end with the last one that is not below
    that of `end`, as SDXL's base and refiner take their turns: arXiv 2307.01952, section 2.5.
    """
    table = schedulers.table(scheduler, steps)
    if start is not None:
        first = _first_below(scheduler, steps, _time(scheduler, "denoising_start", start))
        if first == steps:
            raise ValueError(f"denoising_start {shown(start)} leaves no step of {steps}: lower it")
        table = schedulers.table(scheduler, steps, start=first)
    if end is None:
        return table
    below = table.t < _time(scheduler, "denoising_end", end)
    if below[0]:
        raise ValueError(f"denoising_end {shown(end)} leaves no step of {steps}: raise it")
    return schedulers.take(table, slice(0, int(np.argmax(below)))) if below.any() else table


def _time(scheduler: schedulers.Scheduler, name: str, part: Any) -> int:
    """The training time that is left after a part of the noise levels."""
    if not 0 < finite(name, part) < 1:
        raise ValueError(f"{name} must lie between 0 and 1, and be neither, not {shown(part)}")
    return round(scheduler.config["num_train_timesteps"] * (1 - float(part)))


def _first_below(scheduler: schedulers.Scheduler, steps: int, time: int) -> int:
    """The first transition that begins below a time; `steps` where none does."""
    return bisect.bisect_left(
        range(steps), True, key=lambda i: schedulers.table(scheduler, steps, start=i).t[0] < time
    )
