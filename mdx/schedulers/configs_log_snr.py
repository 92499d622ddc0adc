"""Configs of the exponential integrators, written in log-SNR: DPM-Solver, DEIS, UniPC."""

import numpy as np

from . import levels as lv
from . import tables
from .ddpm import VARIANCES
from .dpm_multistep import ORDERS, SOLVERS, dpm_multistep
from .exponential import KINDS
from .levels import Levels
from .runs import (
    BETAS,
    COMMON_CHOICES,
    FLOW,
    FLOW_CHOICES,
    RAMPS,
    SPACING,
    THRESHOLDING,
    Config,
    Run,
    Sampler,
    cut,
    ramped,
    training,
)
from .tables import Array, Table


def visited(c: Config, run: Run) -> Levels:
    """The levels that all samplers of the family visit."""
    kept = training(c, smallest=2.0**-24)
    log_snr = -np.log(lv.ratios(kept))
    usable = int(np.sum(log_snr >= c.get("lambda_min_clipped", -np.inf)))

    def times() -> Array:
        # One more step than asked, its last left out, except for "trailing".
        spacing, offset = c["timestep_spacing"], c["steps_offset"]
        if spacing == "trailing":
            down = np.arange(run.steps, dtype=np.float64) * (len(kept) / run.steps)
            return np.round(usable - down) - 1
        t = np.round(lv.spaced(spacing, run.steps + 1, usable))[:-1]
        return t + offset if spacing == "leading" else t

    first = 1 - 1 / c["num_train_timesteps"]
    return cut(ramped(c, kept, run, lv.ratios(kept)[::-1], times, first), run.start)


def lowered(c: Config, levels: Levels) -> tuple[int, ...]:
    """Bounds on the order of a multistep run's last steps, the very last one first."""
    short = c["lower_order_final"] and len(levels.t) - 1 < 15
    return (1, 2) if short else (1,) if c.get("euler_at_final") else ()


def build_dpm_multistep(c: Config, run: Run) -> Table:
    """DPM-Solver multistep's table."""
    levels = visited(c, run)
    method = dpm_multistep(
        levels,
        order=c["solver_order"],
        kind=c["algorithm_type"],
        solver=c["solver_type"],
        last_orders=lowered(c, levels),
    )
    return tables.trace(method, c["prediction_type"])


LOG_SNR = (
    Sampler(
        names=("DPMSolverMultistepScheduler", "dpmpp_2m"),
        defaults={
            **BETAS,
            "solver_order": 2,
            **THRESHOLDING,
            "algorithm_type": "dpmsolver++",
            "solver_type": "midpoint",
            "lower_order_final": True,
            "euler_at_final": False,
            **RAMPS,
            "use_lu_lambdas": False,
            **FLOW,
            "final_sigmas_type": "zero",
            "lambda_min_clipped": -np.inf,
            "variance_type": None,
            **SPACING,
            "rescale_betas_zero_snr": False,
        },
        choices={
            **COMMON_CHOICES,
            **FLOW_CHOICES,
            "solver_order": ORDERS,
            "algorithm_type": KINDS,
            "solver_type": SOLVERS,
            "variance_type": (None,),
        },
        foreign={
            "algorithm_type": ("deis",),
            "solver_type": ("logrho", "bh1", "bh2"),
            "variance_type": VARIANCES,
        },
        build=build_dpm_multistep,
    ),
)
