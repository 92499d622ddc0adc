"""What samplers' configs have in common: their records, shared keys, and the levels of a run."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from . import flow_levels, noise
from . import levels as lv
from .levels import Levels
from .tables import PREDICTIONS, Array, Bound, Table

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
    ignored_values: Mapping[str, tuple[Any, ...]] = {}
    # What its models return, where the config's word means something else to it than to others.
    says: Callable[[Config], str] = lambda c: c["prediction_type"]


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
# `mu` is what a caller says of the picture's size, with use_dynamic_shifting.
FLOW_SIGMAS = {
    "use_flow_sigmas": False,
    "flow_shift": 1.0,
    "use_dynamic_shifting": False,
    "time_shift_type": "exponential",
    "mu": None,
}
TIME_SHIFTS = ("exponential", "linear")
FLOW_SIGMAS_CHOICES = {"time_shift_type": TIME_SHIFTS[:1]}
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
    alphas_cumprod = noise.alphas_cumprod(beta)
    if c.get("rescale_betas_zero_snr"):
        alphas_cumprod = np.maximum(noise.zero_snr(alphas_cumprod), smallest)
    return alphas_cumprod


def asked(
    alphas_cumprod: Array, run: Run, times: Callable[[], Array], *, log: bool = False
) -> tuple[Levels, bool]:
    """The levels of the caller's own choice, or else at `times`; and whether they are complete."""
    if run.sigmas is not None:
        return lv.at_ratios(alphas_cumprod, run.sigmas), True
    return lv.at_times(
        alphas_cumprod, times() if run.timesteps is None else run.timesteps, log=log
    ), False


def skip_first(levels: Levels, start: int) -> Levels:
    """The levels from `start` on. A run that begins late is a run of its own: no history."""
    return Levels(*(part[start:] for part in levels))


def on_grid(c: Config, alphas_cumprod: Array, run: Run) -> Levels:
    """Levels of the samplers that know whole training steps only: DDPM, DDIM and PNDM."""

    def times() -> Array:
        total = len(alphas_cumprod)
        return np.round(lv.spaced(c["timestep_spacing"], run.steps, total, c["steps_offset"]))

    levels, complete = asked(alphas_cumprod, run, times)
    if complete:
        return levels
    clean = c.get("set_alpha_to_one", True)
    return lv.append_final(levels, None if clean else lv.at_times(alphas_cumprod, [0.0]))


def only(c: Config, run: Run, keys: tuple[str, ...]) -> str | None:
    """The one option of `keys` that chooses the levels, if any; ValueError for two choices."""
    chosen = [key for key in keys if c.get(key)]
    if len(chosen) > 1 or (chosen and (run.timesteps is not None or run.sigmas is not None)):
        own = [key for key in ("timesteps", "sigmas") if getattr(run, key) is not None]
        raise ValueError(f"{' and '.join(chosen + own)} exclude each other")
    return chosen[0] if chosen else None


def shift(c: Config, plain: float) -> float:
    """How much a flow's noise to signal ratio is raised: by `plain`, or for the picture's size.

    arXiv 2403.03206, section 5.3.2. ValueError if dynamic shifting is not told the size.
    """
    if not c.get("use_dynamic_shifting"):
        return plain
    mu = c["mu"]
    if mu is None and c.get("image_seq_len") is not None:
        # A line through two sizes, in tokens.
        few, many = c["base_image_seq_len"], c["max_image_seq_len"]
        slope = (c["max_shift"] - c["base_shift"]) / (many - few)
        mu = c["base_shift"] + slope * (c["image_seq_len"] - few)
    if mu is None:
        own = "mu or image_seq_len" if "image_seq_len" in c else "mu"
        raise ValueError(f"use_dynamic_shifting needs {own}, which depends on the picture's size")
    factor = float(np.exp(mu)) if c["time_shift_type"] == "exponential" else float(mu)
    if not 0 < factor < np.inf:
        raise ValueError(f"mu must make a shift above 0, not {factor:g}: mu {mu!r}")
    return factor


def flowing(c: Config, run: Run, first: float, ramp: Array | None = None) -> Levels:
    """The levels of a run in a flow's coordinates, alpha = 1 - sigma; the final one included.

    The caller's own, `ramp` being sigma / alpha, or sigma even from `first` and shifted. A caller's
    are not shifted. "sigma_min" is the first training step's, as for other levels.
    """
    total = c["num_train_timesteps"]
    raised = shift(c, c["flow_shift"])
    if run.sigmas is not None:
        sigma = run.sigmas
    elif run.timesteps is not None:
        sigma = np.append(run.timesteps / total, 0.0)
    elif ramp is not None:
        sigma = np.append(ramp / (1 + ramp), 0.0)
    else:
        low = 0.0 if first < 1 else 1 / total
        sigma = flow_levels.shifted(np.linspace(first, low, run.steps + 1)[:-1], raised)
        if c.get("shift_terminal"):
            sigma = flow_levels.stretched(sigma, c["shift_terminal"])
        sigma = np.append(sigma, 0.0)
    if run.sigmas is None and c.get("final_sigmas_type", "zero") == "sigma_min":
        least = flow_levels.shifted(np.array([1 / total]), raised)[0]
        sigma[-1] = min(least, sigma[-2] * (1 - 1e-6))
    levels = flow_levels.of_sigmas(sigma, total)
    # Where nothing but noise is left, log-SNR is infinite.
    return flow_levels.of_sigmas(np.minimum(levels.sigma, 1 - 1e-6), total)


def ramped(
    c: Config,
    alphas_cumprod: Array,
    run: Run,
    grid: Array,
    times: Callable[[], Array],
    flow: float = 1.0,
) -> Levels:
    """Levels of the samplers that may leave the grid: by a ramp between the extremes.

    `grid` are the ratios whose first and last the ramp connects; `flow` is the first sigma of flow
    levels. ValueError for options that exclude each other.
    """
    chosen, ramp = only(c, run, tuple(RAMP)), None
    if chosen is not None and run.steps > 1:
        high = grid[0] if c.get("sigma_max") is None else c["sigma_max"]
        low = grid[-1] if c.get("sigma_min") is None else c["sigma_min"]
        ramp = RAMP[chosen](high, low, run.steps)
    if c.get("use_flow_sigmas"):
        return flowing(c, run, flow, ramp)
    if c.get("shift_terminal"):
        raise ValueError("shift_terminal is for a flow's levels: it needs use_flow_sigmas")
    if ramp is not None:
        levels, complete = lv.at_ratios(alphas_cumprod, ramp), False
    else:
        log = c.get("interpolation_type") == "log_linear"
        levels, complete = asked(alphas_cumprod, run, times, log=log)
    if complete:
        return levels
    zero = c.get("final_sigmas_type", "zero") == "zero"
    return lv.append_final(levels, None if zero else lv.at_times(alphas_cumprod, [0.0]))


def bound(c: Config, *, in_eps: bool = False) -> Bound:
    """What keeps x0 small: dynamic thresholding, or else a clip, or else nothing.

    `in_eps` is for samplers that use eps and no x0. ValueError for numbers that bound nothing.
    """
    if not c.get("thresholding"):
        return Bound(c["clip_sample_range"] if c.get("clip_sample") else np.inf, in_eps=in_eps)
    share, most = c["dynamic_thresholding_ratio"], c["sample_max_value"]
    if not 0 < share <= 1:
        raise ValueError(f"dynamic_thresholding_ratio must lie within 0 to 1, not {share!r}")
    if not most >= 1:
        raise ValueError(f"sample_max_value must be 1 or more, not {most!r}")
    return Bound(most, share, in_eps)


def halfway(alphas_cumprod: Array, levels: Levels, *, in_time: bool) -> Levels:
    """Levels halfway between neighbours, in time (on the grid, if they are) or in sigma / alpha."""
    if not in_time:
        ratio = levels.sigma / levels.alpha
        return lv.at_ratios(alphas_cumprod, (ratio[1:] + ratio[:-1]) / 2)
    half = (levels.t[:-1] - levels.t[1:]) / 2
    on_grid = np.all(levels.t == np.round(levels.t))
    return lv.at_times(alphas_cumprod, levels.t[1:] + (np.floor(half) if on_grid else half))
