"""Schedules by the names that the menus of ComfyUI and A1111 have for them.

A rule takes the noise ratios sigma / alpha of the training steps, (T,) from clean to noisy, and a
number of steps; it returns those of a run, (steps,) from noisy to clean, which then ends clean. The
rules are those of the programs, which are not always a paper's. Two of them may return another
number: "ddim_uniform" counts whole training steps from the second one up, so that 30 steps of 1000
become 31, and "beta" drops levels that it would visit twice.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import levels as lv
from .levels import Array
from .runs import RAMP, Config, Run, training

__all__ = ["OPTIONS", "SCHEDULES", "chosen"]

Rule = Callable[[Array, int], Array]


def between(ratio: Array, times: Array) -> Array:
    """The ratios at fractional training times, by linear interpolation of their logarithms."""
    return np.exp(np.interp(times, np.arange(len(ratio)), np.log(ratio)))


def normal(ratio: Array, steps: int) -> Array:
    """Even in time, from the last training step to the first."""
    return between(ratio, np.linspace(len(ratio) - 1, 0, steps))


def sgm_uniform(ratio: Array, steps: int) -> Array:
    """Even in time, the first training step left out: the clean level stands in its place."""
    return between(ratio, np.linspace(len(ratio) - 1, 0, steps + 1)[:-1])


def simple(ratio: Array, steps: int) -> Array:
    """Every (T / steps)-th training step, rounded towards the noise, from the last on."""
    down = (np.arange(steps) * (len(ratio) / steps)).astype(int)
    return ratio[len(ratio) - 1 - down]


def ddim_uniform(ratio: Array, steps: int) -> Array:
    """Every (T // steps)-th training step from the second on: as many as there are."""
    return ratio[1 :: max(len(ratio) // steps, 1)][::-1]


def beta(ratio: Array, steps: int) -> Array:
    """Training steps at even quantiles of Beta(0.6, 0.6), each once. arXiv 2407.12173."""
    shares = lv.beta_quantiles(1 - np.arange(steps) / steps, 0.6)
    # The median lies between two steps: its last bit must not choose.
    picked = np.rint(np.round(shares, 12) * (len(ratio) - 1)).astype(int)
    return ratio[np.unique(picked)[::-1]]


def kl_optimal(ratio: Array, steps: int) -> Array:
    """Even in the angle whose tangent is the ratio. arXiv 2404.14507, theorem 3.1."""
    return np.tan(np.linspace(np.arctan(ratio[-1]), np.arctan(ratio[0]), steps))


def ramp(function: Callable[[float, float, int], Array]) -> Rule:
    """A ramp from the noisiest training step to the cleanest."""
    return lambda ratio, steps: function(float(ratio[-1]), float(ratio[0]), steps)


SCHEDULES: Mapping[str, Rule] = {
    "normal": normal,
    "simple": simple,
    "sgm_uniform": sgm_uniform,
    "ddim_uniform": ddim_uniform,
    "beta": beta,
    "karras": ramp(lv.karras),
    "exponential": ramp(lv.exponential),
    "kl_optimal": kl_optimal,
    "beta_sigmas": ramp(lv.beta),  # A1111's "Beta": quantiles of the ratio, not of the time
}

# Of every sampler that may end clean: a rule; and whether one step more is asked of it and the last
# noisy level dropped, as both programs do for some samplers.
OPTIONS: Mapping[str, Any] = {"schedule": None, "discard_penultimate": False}


def chosen(c: Config, run: Run) -> Run:
    """The run with the levels that the config's schedule has for it; the same where it has none.

    ValueError where something else chooses levels, too.
    """
    name = c.get("schedule")
    if name is None:
        if c.get("discard_penultimate"):
            raise ValueError("discard_penultimate is of a schedule: give that, too")
        return run
    others = [key for key in (*RAMP, "use_flow_sigmas") if c.get(key)]
    others += [key for key in ("timesteps", "sigmas") if getattr(run, key) is not None]
    if others:
        raise ValueError(f"schedule and {' and '.join(others)} exclude each other")
    more = 1 if c["discard_penultimate"] else 0
    found = SCHEDULES[name](lv.ratios(training(c, smallest=2.0**-24)), run.steps + more)
    kept = found[: len(found) - more]
    return run._replace(steps=len(kept), sigmas=np.append(kept, 0.0))
