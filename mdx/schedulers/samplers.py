"""What each sampler's config means: its keys, their defaults, and the table they ask for.

Keys and defaults are those of the scheduler_config.json files that checkpoints carry.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from . import levels as lv
from . import noise
from .ddim import ddim
from .dpmpp_2m import dpmpp_2m
from .euler import euler
from .levels import Levels
from .pndm import pndm
from .tables import PREDICTIONS, Array, Table, trace

Config = Mapping[str, Any]


class Run(NamedTuple):
    """What a caller asks of a table, apart from the config."""

    steps: int  # transitions of the whole run
    timesteps: Array | None  # (steps,) model times instead of the config's
    sigmas: Array | None  # (steps+1,) sigma / alpha instead of the config's
    start: int  # transitions left out at the noisy end


class Sampler(NamedTuple):
    """One member of the family."""

    names: tuple[str, ...]  # the class name, then the short ones
    defaults: Config  # every key it knows
    choices: Mapping[str, tuple[Any, ...]]  # keys of which only these values are supported
    build: Callable[[Config, Run], Table]


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
    """Levels of the samplers that know whole training steps only: DDIM and PNDM."""

    def times() -> Array:
        total = len(kept)
        return np.round(lv.spaced(c["timestep_spacing"], run.steps, total, c["steps_offset"]))

    levels, complete = asked(kept, run, times)
    if complete:
        return levels
    return lv.ending(levels, None if c["set_alpha_to_one"] else lv.at_times(kept, [0.0]))


def ramped(c: Config, kept: Array, run: Run, grid: Array, times: Callable[[], Array]) -> Levels:
    """Levels of the samplers that may leave the grid: Karras or exponential between the extremes.

    `grid` are the ratios whose first and last the ramp connects.
    """
    ramps = {"use_karras_sigmas": lv.karras, "use_exponential_sigmas": lv.exponential}
    chosen = [key for key in ramps if c[key]]
    if len(chosen) > 1 or (chosen and (run.timesteps is not None or run.sigmas is not None)):
        own = [key for key in ("timesteps", "sigmas") if getattr(run, key) is not None]
        raise ValueError(f"{' and '.join(chosen + own)} exclude each other")
    if chosen and run.steps > 1:
        high = grid[0] if c.get("sigma_max") is None else c["sigma_max"]
        low = grid[-1] if c.get("sigma_min") is None else c["sigma_min"]
        levels, complete = lv.at_ratios(kept, ramps[chosen[0]](high, low, run.steps)), False
    else:
        levels, complete = asked(kept, run, times)
    if complete:
        return levels
    return lv.ending(levels, None if c["final_sigmas_type"] == "zero" else lv.at_times(kept, [0.0]))


def halfway(kept: Array, levels: Levels, *, in_time: bool) -> Levels:
    """Levels halfway between neighbours, in time (on the grid, if they are) or in sigma / alpha."""
    if not in_time:
        ratio = levels.sigma / levels.alpha
        return lv.at_ratios(kept, (ratio[1:] + ratio[:-1]) / 2)
    half = (levels.t[:-1] - levels.t[1:]) / 2
    on_grid = np.all(levels.t == np.round(levels.t))
    return lv.at_times(kept, levels.t[1:] + (np.floor(half) if on_grid else half))


def build_ddim(c: Config, run: Run) -> Table:
    """DDIM's table."""
    levels = cut(on_grid(c, training(c), run), run.start)
    clip = c["clip_sample_range"] if c["clip_sample"] else np.inf
    return trace(ddim(levels, eta=c["eta"]), c["prediction_type"], clip=clip)


def build_pndm(c: Config, run: Run) -> Table:
    """PNDM's table; Runge-Kutta for the first three transitions unless the config skips it."""
    kept = training(c)
    levels = cut(on_grid(c, kept, run), run.start)
    # Runge-Kutta steps join levels the model knows; the final level need not have a time.
    count = min(3, len(levels.t) - 2)
    middle = None
    if count > 0 and not c["skip_prk_steps"]:
        first = Levels(*(part[: count + 1] for part in levels))
        middle = halfway(kept, first, in_time=run.sigmas is None)
    return trace(pndm(levels, middle=middle), c["prediction_type"])


def build_euler(c: Config, run: Run) -> Table:
    """Euler's table."""
    kept = training(c, smallest=2.0**-24)

    def times() -> Array:
        return lv.spaced(c["timestep_spacing"], run.steps, len(kept), c["steps_offset"])

    grid = np.interp(times(), np.arange(len(kept)), lv.ratios(kept))
    levels = cut(ramped(c, kept, run, grid, times), run.start)
    # x / alpha begins at sigma_max times noise, or at the norm of the first level for "leading".
    scale = 1.0 if c["timestep_spacing"] == "leading" else levels.sigma[0]
    return trace(euler(levels), c["prediction_type"], init_noise_scale=scale)


def build_dpmpp(c: Config, run: Run) -> Table:
    """DPM-Solver++'s table."""
    kept = training(c, smallest=2.0**-24)
    log_snr = -np.log(lv.ratios(kept))
    usable = int(np.sum(log_snr >= c["lambda_min_clipped"]))

    def times() -> Array:
        # One more step than asked, its last left out, except for "trailing".
        spacing, offset = c["timestep_spacing"], c["steps_offset"]
        if spacing == "trailing":
            down = np.arange(run.steps, dtype=np.float64) * (len(kept) / run.steps)
            return np.round(usable - down) - 1
        t = np.round(lv.spaced(spacing, run.steps + 1, usable))[:-1]
        return t + offset if spacing == "leading" else t

    levels = cut(ramped(c, kept, run, lv.ratios(kept)[::-1], times), run.start)
    short = c["lower_order_final"] and len(levels.t) - 1 < 15
    method = dpmpp_2m(
        levels,
        order=c["solver_order"],
        solver=c["solver_type"],
        last_first_order=bool(short or c["euler_at_final"]),
    )
    return trace(method, c["prediction_type"])


BETAS = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
}
COMMON_CHOICES = {
    "beta_schedule": noise.SCHEDULES,
    "prediction_type": PREDICTIONS,
    "timestep_spacing": lv.SPACINGS,
}

SAMPLERS = (
    Sampler(
        names=("DDIMScheduler", "ddim"),
        defaults={
            **BETAS,
            "clip_sample": True,
            "clip_sample_range": 1.0,
            "set_alpha_to_one": True,
            "steps_offset": 0,
            "thresholding": False,
            "dynamic_thresholding_ratio": 0.995,
            "sample_max_value": 1.0,
            "timestep_spacing": "leading",
            "rescale_betas_zero_snr": False,
            "eta": 0.0,
        },
        choices={**COMMON_CHOICES, "thresholding": (False,)},
        build=build_ddim,
    ),
    Sampler(
        names=("PNDMScheduler", "pndm"),
        defaults={
            **BETAS,
            "skip_prk_steps": False,
            "set_alpha_to_one": False,
            "timestep_spacing": "leading",
            "steps_offset": 0,
        },
        choices=COMMON_CHOICES,
        build=build_pndm,
    ),
    Sampler(
        names=("EulerDiscreteScheduler", "euler"),
        defaults={
            **BETAS,
            "interpolation_type": "linear",
            "use_karras_sigmas": False,
            "use_exponential_sigmas": False,
            "use_beta_sigmas": False,
            "sigma_min": None,
            "sigma_max": None,
            "timestep_spacing": "linspace",
            "timestep_type": "discrete",
            "steps_offset": 0,
            "rescale_betas_zero_snr": False,
            "final_sigmas_type": "zero",
            "s_churn": 0.0,
        },
        choices={
            **COMMON_CHOICES,
            "interpolation_type": ("linear",),
            "use_beta_sigmas": (False,),
            "timestep_type": ("discrete",),
            "final_sigmas_type": ("zero", "sigma_min"),
            "s_churn": (0,),
        },
        build=build_euler,
    ),
    Sampler(
        names=("DPMSolverMultistepScheduler", "dpmpp_2m"),
        defaults={
            **BETAS,
            "solver_order": 2,
            "thresholding": False,
            "dynamic_thresholding_ratio": 0.995,
            "sample_max_value": 1.0,
            "algorithm_type": "dpmsolver++",
            "solver_type": "midpoint",
            "lower_order_final": True,
            "euler_at_final": False,
            "use_karras_sigmas": False,
            "use_exponential_sigmas": False,
            "use_beta_sigmas": False,
            "use_lu_lambdas": False,
            "use_flow_sigmas": False,
            "flow_shift": 1.0,
            "final_sigmas_type": "zero",
            "lambda_min_clipped": -np.inf,
            "variance_type": None,
            "timestep_spacing": "linspace",
            "steps_offset": 0,
            "rescale_betas_zero_snr": False,
            "use_dynamic_shifting": False,
            "time_shift_type": "exponential",
        },
        choices={
            **COMMON_CHOICES,
            "solver_order": (1, 2),
            "thresholding": (False,),
            "algorithm_type": ("dpmsolver++",),
            "solver_type": ("midpoint", "heun"),
            "use_beta_sigmas": (False,),
            "use_lu_lambdas": (False,),
            "use_flow_sigmas": (False,),
            "final_sigmas_type": ("zero", "sigma_min"),
            "variance_type": (None,),
            "use_dynamic_shifting": (False,),
            "time_shift_type": ("exponential",),
        },
        build=build_dpmpp,
    ),
)
