"""Configs of the exponential integrators, written in log-SNR: the DPM-Solver family."""

import numpy as np

from . import levels as lv
from . import tables
from .dpmpp_2m import dpmpp_2m
from .runs import (
    BETAS,
    COMMON_CHOICES,
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
            "use_flow_sigmas": False,
            "flow_shift": 1.0,
            "final_sigmas_type": "zero",
            "lambda_min_clipped": -np.inf,
            "variance_type": None,
            **SPACING,
            "rescale_betas_zero_snr": False,
            "use_dynamic_shifting": False,
            "time_shift_type": "exponential",
        },
        choices={
            **COMMON_CHOICES,
            "solver_order": (1, 2),
            "algorithm_type": ("dpmsolver++",),
            "solver_type": ("midpoint", "heun"),
            "use_flow_sigmas": (False,),
            "variance_type": (None,),
            "use_dynamic_shifting": (False,),
            "time_shift_type": ("exponential",),
        },
        build=build_dpmpp,
    ),
)
