"""Configs of the samplers that papers write in sigma / alpha: Euler, Heun, LMS, DPM2 and kin."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

from . import levels as lv
from . import tables
from .clocks import LOGARITHM
from .euler import euler, ratio
from .euler_ancestral import euler_ancestral, parts
from .heun import heun
from .kdpm2 import kdpm2
from .kdpm2_ancestral import kdpm2_ancestral
from .levels import Level, Levels, unpack
from .lms import ORDERS, lms
from .runs import (
    BETAS,
    COMMON_CHOICES,
    RAMPS,
    SPACING,
    Config,
    Run,
    Sampler,
    bound,
    ramped,
    skip_first,
    training,
)
from .tables import Array, Method, Table

CHURN = {"s_churn": 0.0, "s_tmin": 0.0, "s_tmax": np.inf, "s_noise": 1.0}


# Makes levels of sigma / alpha, with the times that the model is told.
At = Callable[[Array], Levels]


def built(c: Config, run: Run, method: Callable[[At, Levels], Method]) -> Table:
    """The table of a method that is made from the levels, and others it may ask for."""
    alphas_cumprod = training(c, smallest=2.0**-24)
    continuous = c.get("timestep_type") == "continuous"
    at = LOGARITHM.levels if continuous else partial(lv.of_ratios, alphas_cumprod)

    def times() -> Array:
        return lv.spaced(c["timestep_spacing"], run.steps, len(alphas_cumprod), c["steps_offset"])

    if continuous and run.timesteps is not None:
        ratios = LOGARITHM.ratio(run.timesteps)
        last = 0.0 if c["final_sigmas_type"] == "zero" else lv.ratios(alphas_cumprod)[0]
        run = run._replace(timesteps=None, sigmas=np.append(ratios, last))
    grid = np.interp(times(), np.arange(len(alphas_cumprod)), lv.ratios(alphas_cumprod))
    levels = skip_first(ramped(c, alphas_cumprod, run, grid, times), run.start)
    if continuous:
        levels = levels._replace(t=at(levels.sigma / levels.alpha).t)
    made = method(at, levels)
    first, leading = made.calls[0].now, c["timestep_spacing"] == "leading"
    scale = first.alpha * beginning(c, levels, first, with_data=leading)
    return tables.trace(made, c["prediction_type"], bound(c), init_noise_scale=scale)


def beginning(c: Config, levels: Levels, raised: Level, *, with_data: bool) -> float:
    """How large x / alpha is when a run begins.

    sigma_max, or the norm of data and noise together; then what churn adds to it.
    """
    r = levels.sigma[0] / levels.alpha[0]
    added = c.get("s_noise", 1.0) ** 2 * (ratio(raised) ** 2 - r**2)
    return float(np.sqrt(r**2 + with_data + added))


def churned(c: Config, at: At, run: Run, levels: Levels) -> Levels | None:
    """The levels that s_churn raises the noise to before each call; None without churn.

    Where nothing but noise is left, there is nothing to raise it to.
    """
    gamma = min(c["s_churn"] / run.steps, np.sqrt(2) - 1)
    if 1 + gamma == 1:  # the noise would be the root of a rounding
        return None
    some = levels.alpha > 0
    r = levels.sigma / np.where(some, levels.alpha, 1)
    raised = (r >= c["s_tmin"]) & (r <= c["s_tmax"]) & (np.arange(len(r)) < len(r) - 1) & some
    up = at(np.where(raised, r * (1 + gamma), r))
    return Levels(*(np.where(raised, a, b) for a, b in zip(up, levels, strict=True)))


def middles(at: At, levels: Levels, down: Callable[[Level, Level], float]) -> list[Level]:
    """Levels at the geometric mean of each level's ratio and the one its step goes down to."""
    visited = unpack(levels)
    steps = [(a, b) for a, b in pairwise(visited) if b.sigma > 0]
    if not steps:
        return []
    return unpack(at(np.array([np.sqrt(ratio(a) * down(a, b)) for a, b in steps])))


def build_euler(c: Config, run: Run) -> Table:
    """Euler's table."""
    return built(
        c,
        run,
        lambda at, x: euler(x, churned=churned(c, at, run, x), strength=c["s_noise"]),
    )


def build_ancestral(c: Config, run: Run) -> Table:
    """Ancestral Euler's table."""
    return built(c, run, lambda _, levels: euler_ancestral(levels))


def build_heun(c: Config, run: Run) -> Table:
    """Heun's table."""
    return built(
        c,
        run,
        lambda at, x: heun(x, churned=churned(c, at, run, x), strength=c["s_noise"]),
    )


def build_lms(c: Config, run: Run) -> Table:
    """Linear multistep's table."""
    return built(c, run, lambda _, levels: lms(levels, order=c["order"]))


def build_kdpm2(c: Config, run: Run) -> Table:
    """DPM2's table."""
    return built(
        c,
        run,
        lambda at, x: kdpm2(x, middles(at, x, lambda _, to: ratio(to))),
    )


def build_kdpm2_ancestral(c: Config, run: Run) -> Table:
    """Ancestral DPM2's table."""
    return built(
        c,
        run,
        lambda at, x: kdpm2_ancestral(x, middles(at, x, lambda a, b: parts(a, b)[0])),
    )


# The betas these three classes default to.
LATENT_BETAS = {**BETAS, "beta_start": 0.00085, "beta_end": 0.012}

SIGMA = (
    Sampler(
        names=("EulerDiscreteScheduler", "euler"),
        defaults={
            **BETAS,
            "interpolation_type": "linear",
            **RAMPS,
            "sigma_min": None,
            "sigma_max": None,
            **SPACING,
            "timestep_type": "discrete",
            "rescale_betas_zero_snr": False,
            "final_sigmas_type": "zero",
            **CHURN,
        },
        choices={
            **COMMON_CHOICES,
            "interpolation_type": ("linear", "log_linear"),
            "timestep_type": ("discrete", "continuous"),
        },
        build=build_euler,
    ),
    Sampler(
        names=("EulerAncestralDiscreteScheduler", "euler_a"),
        defaults={**BETAS, **SPACING, "rescale_betas_zero_snr": False},
        choices=COMMON_CHOICES,
        build=build_ancestral,
    ),
    Sampler(
        names=("HeunDiscreteScheduler", "heun"),
        defaults={
            **LATENT_BETAS,
            **RAMPS,
            "clip_sample": False,
            "clip_sample_range": 1.0,
            **SPACING,
            **CHURN,
        },
        choices=COMMON_CHOICES,
        build=build_heun,
    ),
    Sampler(
        names=("LMSDiscreteScheduler", "lms"),
        defaults={**BETAS, **RAMPS, **SPACING, "order": 4},
        choices={**COMMON_CHOICES, "order": ORDERS},
        build=build_lms,
    ),
    Sampler(
        names=("KDPM2DiscreteScheduler", "dpm2"),
        defaults={**LATENT_BETAS, **RAMPS, **SPACING},
        choices=COMMON_CHOICES,
        build=build_kdpm2,
    ),
    Sampler(
        names=("KDPM2AncestralDiscreteScheduler", "dpm2_a"),
        defaults={**LATENT_BETAS, **RAMPS, **SPACING},
        choices=COMMON_CHOICES,
        build=build_kdpm2_ancestral,
    ),
)
