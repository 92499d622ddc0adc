"""What samplers' configs have in common: their records, shared keys, and the levels of a run."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from . import flow_levels, noise
from . import levels as lv
from .levels import Levels
from .tables import PREDICTIONS, Array, Table

Config = Mapping[str, Any]


class Run(NamedTuple):
    """What a caller asks of a table, apart from the config."""

    steps: int  # transitions of the whole run
    timesteps: Array | None  # (steps,) model times instead of the config's
    sigmas: Array | None  # (steps+1,) sigma / alpha (flow: sigma) instead of the config's
    start: int  # transitions left out at the noisy end


class Sampler(NamedTuple):
    """One member of the family."""

    names: tuple[str, ...]  # the class name, then the short ones
    defaults: Config  # every key it knows
    choices: Mapping[str, tuple[Any, ...]]  # keys of which only these values are supported
    build: Callable[[Config, Run], Table]
    family: str = "diffusion"  # samplers that can stand in for each other
    # Values of a key that are other samplers' words; in a config they mean the own default.
    foreign: Mapping[str, tuple[Any, ...]] = {}


BETAS = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
}
SPACING = {"timestep_spacing": "linspace", "steps_offset": 0}
RAMPS = {
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
}
RAMP = {
    "use_karras_sigmas": lv.karras,
    "use_exponential_sigmas": lv.exponential,
    "use_beta_sigmas": lv.beta,
    "use_lu_lambdas": lv.exponential,  # evenly spaced in log-SNR is what it means
}
FLOW_SIGMAS = {
    "use_flow_sigmas": False,
    "flow_shift": 1.0,
    "use_dynamic_shifting": False,
    "time_shift_type": "exponential",
}
FLOW_SIGMAS_CHOICES = {"use_dynamic_shifting": (False,), "time_shift_type": ("exponential",)}
THRESHOLDING = {
    "thresholding": False,
    "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0,
}
COMMON_CHOICES = {
    "beta_schedule": noise.SCHEDULES,
    "prediction_type": PREDICTIONS,
    "timestep_spacing": lv.SPACINGS,
    "final_sigmas_type": ("zero", "sigma_min"),
    "thresholding": (False,),
}


def training(c: Config, smallest: float = 0.0) -> Array:
    """alphas_cumprod of the training schedule a config describes, none below `smallest`."""
    count = c["num_train_timesteps"]
    if c["trained_betas"] is not None:
        beta = noise.proper(c["trained_betas"])
        if len(beta) != count:
            raise ValueError(f"{len(beta)} trained_betas for num_train_timesteps {count}")
    else:
        beta = noise.betas(c["beta_schedule"], count, c["beta_start"], c["beta_end"])
    kept = noise.alphas_cumprod(beta)
    if c.get("rescale_betas_zero_snr"):
        kept = np.maximum(noise.zero_snr(kept), smallest)
    return kept


def asked(kept: Array, run: Run, times: Callable[[], Array]) -> tuple[Levels, bool]:
    """The levels of the caller's own choice, or else at `times`; and whether they are complete."""
    if run.sigmas is not None:
        return lv.at_ratios(kept, run.sigmas), True
    return lv.at_times(kept, times() if run.timesteps is None else run.timesteps), False


def cut(levels: Levels, start: int) -> Levels:
    """The levels from `start` on. A run that begins late is a run of its own: no history."""
    return Levels(*(part[start:] for part in levels))


def on_grid(c: Config, kept: Array, run: Run) -> Levels:
    """Levels of the samplers that know whole training steps only: DDPM, DDIM and PNDM."""

    def times() -> Array:
        total = len(kept)
        return np.round(lv.spaced(c["timestep_spacing"], run.steps, total, c["steps_offset"]))

    levels, complete = asked(kept, run, times)
    if complete:
        return levels
    clean = c.get("set_alpha_to_one", True)
    return lv.ending(levels, None if clean else lv.at_times(kept, [0.0]))


def only(c: Config, run: Run, keys: tuple[str, ...]) -> str | None:
    """The one option of `keys` that chooses the levels, if any; ValueError for two choices."""
    chosen = [key for key in keys if c.get(key)]
    if len(chosen) > 1 or (chosen and (run.timesteps is not None or run.sigmas is not None)):
        own = [key for key in ("timesteps", "sigmas") if getattr(run, key) is not None]
        raise ValueError(f"{' and '.join(chosen + own)} exclude each other")
    return chosen[0] if chosen else None


def flowing(c: Config, steps: int, first: float) -> Levels:
    """Evenly spaced flow levels, shifted, from sigma = `first`; the final one included.

    "sigma_min" is the first training step's, as for other levels.
    """
    total = c["num_train_timesteps"]
    low = 0.0 if first < 1 else 1 / total
    sigma = flow_levels.shifted(np.linspace(first, low, steps + 1)[:-1], c["flow_shift"])
    # Where nothing but noise is left, log-SNR is infinite.
    sigma = np.append(np.minimum(sigma, 1 - 1e-6), 0.0)
    if c.get("final_sigmas_type", "zero") == "sigma_min":
        sigma[-1] = flow_levels.shifted(np.array([1 / total]), c["flow_shift"])[0]
    return flow_levels.of_sigmas(sigma, total)


def ramped(
    c: Config,
    kept: Array,
    run: Run,
    grid: Array,
    times: Callable[[], Array],
    flow: float = 1.0,
) -> Levels:
    """Levels of the samplers that may leave the grid: by a ramp between the extremes.

    `grid` are the ratios whose first and last the ramp connects; `flow` is the first sigma of flow
    levels.
    """
    chosen = only(c, run, (*RAMP, "use_flow_sigmas"))
    if chosen == "use_flow_sigmas":
        return flowing(c, run.steps, flow)
    if chosen in RAMP and run.steps > 1:
        high = grid[0] if c.get("sigma_max") is None else c["sigma_max"]
        low = grid[-1] if c.get("sigma_min") is None else c["sigma_min"]
        levels, complete = lv.at_ratios(kept, RAMP[chosen](high, low, run.steps)), False
    else:
        levels, complete = asked(kept, run, times)
    if complete:
        return levels
    zero = c.get("final_sigmas_type", "zero") == "zero"
    return lv.ending(levels, None if zero else lv.at_times(kept, [0.0]))


def bound(c: Config) -> float:
    """The bound on |x0|; inf is none."""
    return c["clip_sample_range"] if c.get("clip_sample") else np.inf


def halfway(kept: Array, levels: Levels, *, in_time: bool) -> Levels:
    """Levels halfway between neighbours, in time (on the grid, if they are) or in sigma / alpha."""
    if not in_time:
        ratio = levels.sigma / levels.alpha
        return lv.at_ratios(kept, (ratio[1:] + ratio[:-1]) / 2)
    half = (levels.t[:-1] - levels.t[1:]) / 2
    on_grid = np.all(levels.t == np.round(levels.t))
    return lv.at_times(kept, levels.t[1:] + (np.floor(half) if on_grid else half))
