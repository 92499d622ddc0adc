"""Configs of the samplers for models with EDM's preconditioning: arXiv 2206.00364, table 1."""

import numpy as np

from . import levels as lv
from . import tables
from .clocks import ANGLE, LOGARITHM, Clock
from .configs_log_snr import IGNORED_VALUES, lowered
from .configs_sigma import CHURN, beginning, churned
from .dpm_multistep import ORDERS, SOLVERS, dpm_multistep
from .euler import euler
from .levels import Levels
from .preconditioning import preconditioned
from .runs import THRESHOLDING, Config, Run, Sampler, bound, skip_first
from .tables import Method, Table


def visited(c: Config, run: Run, clock: Clock) -> Levels:
    """The levels of a run; a caller's timesteps are what the model is told."""
    low, high = c["sigma_min"], c["sigma_max"]
    if not 0 < low < high:
        raise ValueError(f"sigma_min must lie between 0 and sigma_max {high}, not {low}")
    if not c["sigma_data"] > 0:
        raise ValueError(f"sigma_data must be more than 0, not {c['sigma_data']}")
    if run.sigmas is not None:
        return skip_first(clock.levels(lv.falling("sigmas", run.sigmas)), run.start)
    if run.timesteps is not None:
        ratio = lv.falling("timesteps", run.timesteps, clock.ratio)
    elif c["sigma_schedule"] == "karras":
        ratio = lv.karras(high, low, run.steps, c["rho"])
    else:
        ratio = lv.exponential(high, low, run.steps)
    last = 0.0 if c["final_sigmas_type"] == "zero" else low
    return skip_first(clock.levels(np.append(ratio, last)), run.start)


def build_edm_euler(c: Config, run: Run) -> Table:
    """EDM Euler's table."""
    levels = visited(c, run, LOGARITHM)
    raised = churned(c, LOGARITHM.levels, run, levels)
    return traced(c, levels, euler(levels, churned=raised, strength=c["s_noise"]))


def build_edm_dpm(c: Config, run: Run) -> Table:
    """EDM DPM-Solver++'s table."""
    return solved(c, run, LOGARITHM, c["algorithm_type"])


def build_cosine_dpm(c: Config, run: Run) -> Table:
    """Cosine DPM-Solver++'s table: always the stochastic kind."""
    return solved(c, run, ANGLE, "sde-dpmsolver++")


def solved(c: Config, run: Run, clock: Clock, kind: str) -> Table:
    """The table of DPM-Solver++ multistep on EDM's levels."""
    levels = visited(c, run, clock)
    method = dpm_multistep(
        levels,
        order=c["solver_order"],
        kind=kind,
        solver=c["solver_type"],
        last_orders=lowered(c, run),
    )
    return traced(c, levels, method)


def said(c: Config) -> str:
    """What a preconditioned network returns: configs call it "epsilon", or "v_prediction" with the
    other sign, and it is neither.
    """
    return f"preconditioned {c['prediction_type']}"


def traced(c: Config, levels: Levels, method: Method) -> Table:
    """The table of a method over the levels, for a preconditioned network."""
    first, sign = method.calls[0].now, 1.0 if c["prediction_type"] == "epsilon" else -1.0
    return tables.trace(
        preconditioned(method, c["sigma_data"], sign=sign),
        said(c),
        bound(c),
        init_noise_scale=first.alpha * beginning(c, levels, first, with_data=True),
    )


MODEL = {
    "sigma_min": 0.002,
    "sigma_max": 80.0,
    "sigma_data": 0.5,
    "sigma_schedule": "karras",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "rho": 7.0,
}
SOLVER = {
    "solver_order": 2,
    "solver_type": "midpoint",
    "lower_order_final": True,
    "euler_at_final": False,
    "final_sigmas_type": "zero",
}
CHOICES = {
    "sigma_schedule": ("karras", "exponential"),
    "prediction_type": ("epsilon", "v_prediction"),
    "final_sigmas_type": ("zero", "sigma_min"),
    "solver_order": ORDERS,
    "solver_type": SOLVERS,
    "algorithm_type": ("dpmsolver++", "sde-dpmsolver++"),
}

# Samplers of other models leave it to the betas.
UNSET = {"sigma_min": (None,), "sigma_max": (None,)}

EDM = (
    Sampler(
        names=("EDMEulerScheduler", "edm_euler"),
        defaults={**MODEL, "final_sigmas_type": "zero", **CHURN},
        choices=CHOICES,
        ignored_values=UNSET,
        build=build_edm_euler,
        says=said,
    ),
    Sampler(
        names=("EDMDPMSolverMultistepScheduler", "edm_dpmpp_2m"),
        defaults={**MODEL, **THRESHOLDING, "algorithm_type": "dpmsolver++", **SOLVER},
        choices=CHOICES,
        ignored_values=IGNORED_VALUES,
        build=build_edm_dpm,
        family="edm",
        says=said,
    ),
    Sampler(
        names=("CosineDPMSolverMultistepScheduler", "cosine_dpmpp_2m"),
        defaults={
            **MODEL,
            "sigma_min": 0.3,
            "sigma_max": 500.0,
            "sigma_data": 1.0,
            "sigma_schedule": "exponential",
            "prediction_type": "v_prediction",
            **SOLVER,
        },
        choices=CHOICES,
        ignored_values=IGNORED_VALUES,
        build=build_cosine_dpm,
        family="edm",
        says=said,
    ),
)
