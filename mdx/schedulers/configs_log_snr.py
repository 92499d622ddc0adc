"""Configs of the exponential integrators, written in log-SNR: DPM-Solver, DEIS, UniPC."""

from functools import partial

import numpy as np

from . import levels as lv
from . import tables
from .ddim import ddim
from .ddpm import FIXED, LEARNED
from .deis import deis
from .dpm_multistep import ORDERS, SOLVERS, dpm_multistep
from .dpm_singlestep import dpm_singlestep
from .exponential import KINDS, of_x0
from .levels import Levels
from .runs import (
    BETAS,
    COMMON_CHOICES,
    FLOW_SIGMAS,
    FLOW_SIGMAS_CHOICES,
    RAMP,
    RAMPS,
    SPACING,
    THRESHOLDING,
    TIME_SHIFTS,
    Config,
    Run,
    Sampler,
    bound,
    flowing,
    only,
    ramped,
    skip_first,
    training,
)
from .tables import Array, Bound, Method, Table
from .unic import unic
from .unipc import SOLVERS as UNIPC_SOLVERS
from .unipc import unipc


def usable(c: Config, alphas_cumprod: Array) -> int:
    """How many training steps have a log-SNR that is not cut off."""
    return int(np.sum(-np.log(lv.ratios(alphas_cumprod)) >= c.get("lambda_min_clipped", -np.inf)))


def times(c: Config, steps: int, total: int, count: int) -> Array:
    """Model times over the first `count` of `total` training steps, noisy to clean.

    One more than `steps`, except for "trailing": a run leaves out the cleanest, an inversion the
    noisiest.
    """
    spacing, offset = c.get("timestep_spacing", "linspace"), c.get("steps_offset", 0)
    if spacing == "trailing":
        return np.round(count - np.arange(steps, dtype=np.float64) * (total / steps)) - 1
    t = np.round(lv.spaced(spacing, steps + 1, count))
    return t + offset if spacing == "leading" else t


def visited(c: Config, run: Run, flow: float | None = None) -> Levels:
    """The levels that all samplers of the family visit.

    `flow` is the first sigma of flow levels; without it, one training step below pure noise.
    """
    alphas_cumprod = training(c, smallest=2.0**-24)
    first = 1 - 1 / c["num_train_timesteps"] if flow is None else flow

    def own() -> Array:
        return times(c, run.steps, len(alphas_cumprod), usable(c, alphas_cumprod))[: run.steps]

    return skip_first(
        ramped(c, alphas_cumprod, run, lv.ratios(alphas_cumprod)[::-1], own, first), run.start
    )


def rising(c: Config, run: Run) -> Levels:
    """The levels of an inversion, from clean to noisy.

    Times end with the noisiest training step's, ramps take their last level twice. A caller's
    levels are noisy to clean, as for every sampler. ValueError if they end at the clean level,
    where log-SNR is infinite.
    """
    if run.sigmas is not None and run.sigmas[-1] == 0:
        raise ValueError("sigmas of an inversion must end above 0, where it begins")
    alphas_cumprod = training(c)
    ratio, count = lv.ratios(alphas_cumprod), usable(c, alphas_cumprod)
    chosen, ramp = only(c, run, tuple(RAMPS)), None
    if chosen is not None and run.steps > 1:
        ramp = RAMP[chosen](ratio[-1], ratio[0], run.steps)
    if c["use_flow_sigmas"]:
        first = 1 - 1 / len(alphas_cumprod)
        levels = flowing({**c, "final_sigmas_type": "sigma_min"}, run, first, ramp)
        if levels.sigma[-1] == 0:
            raise ValueError("sigmas of an inversion must end above 0, where it begins")
    elif run.sigmas is not None:
        levels = lv.at_ratios(alphas_cumprod, run.sigmas)
    elif ramp is not None:
        levels = lv.at_ratios(alphas_cumprod, ramp)
        levels = Levels(*(np.append(part[:1], part) for part in levels))
    else:
        t = run.timesteps
        if t is None:
            t = times(c, run.steps, len(alphas_cumprod), count)[-run.steps :]
        noisiest, levels = (
            lv.at_times(alphas_cumprod, [count - 1.0]),
            lv.at_times(alphas_cumprod, t),
        )
        levels = Levels(*map(np.append, noisiest, levels))
    return skip_first(Levels(*(part[::-1] for part in levels)), run.start)


def lowered(c: Config, run: Run) -> tuple[int, ...]:
    """Bounds on the order of a multistep run's last steps, the very last one first.

    They are those of the whole run, also for one that begins late.
    """
    short = c["lower_order_final"] and run.steps < 15
    return (1, 2) if short else (1,) if c.get("euler_at_final") else ()


def limit(c: Config) -> Bound:
    """What keeps x0 small, in the eps that DPM-Solver without ++ integrates too."""
    return bound(c, in_eps=not of_x0(c["algorithm_type"]))


def build_dpm_multistep(c: Config, run: Run) -> Table:
    """DPM-Solver multistep's table."""
    method = dpm_multistep(
        visited(c, run),
        order=c["solver_order"],
        kind=c["algorithm_type"],
        solver=c["solver_type"],
        last_orders=lowered(c, run),
    )
    return tables.trace(method, c["prediction_type"], limit(c))


def build_dpm_singlestep(c: Config, run: Run) -> Table:
    """DPM-Solver singlestep's table."""
    method = dpm_singlestep(
        visited(c, run),
        order=c["solver_order"],
        kind=c["algorithm_type"],
        solver=c["solver_type"],
        lower_last=c["lower_order_final"],
    )
    return tables.trace(method, c["prediction_type"], limit(c))


def build_deis(c: Config, run: Run) -> Table:
    """DEIS's table; it ends at the first training step's level, for eps has no end at the clean."""
    levels = visited({**c, "final_sigmas_type": "sigma_min"}, run)
    method = deis(levels, order=c["solver_order"], last_orders=lowered(c, run))
    return tables.trace(method, c["prediction_type"], bound(c, in_eps=True))


def predictor(c: Config, run: Run, levels: Levels) -> Method | None:
    """The sampler that `solver_p` puts in the place of UniPC's own predictor, on its levels."""
    order, last = c["solver_order"], lowered(c, run)
    methods = {
        "ddim": lambda: ddim(levels),
        "deis": lambda: deis(levels, order=order, last_orders=last),
        "dpmpp_2m": lambda: dpm_multistep(levels, order=order, last_orders=last),
    }
    return methods[c["solver_p"]]() if c["solver_p"] else None


def build_unipc(c: Config, run: Run) -> Table:
    """UniPC's table; with `solver_p`, that of UniC after another predictor."""
    levels = visited(c, run, flow=1.0)
    kind = "dpmsolver++" if c["predict_x0"] else "dpmsolver"
    other, method = predictor(c, run, levels), unipc
    if other is not None:
        method = partial(unic, predictor=other)
    made = method(
        levels,
        order=c["solver_order"],
        solver=c["solver_type"],
        kind=kind,
        lower_last=c["lower_order_final"],
        uncorrected=c["disable_corrector"],
    )
    return tables.trace(made, c["prediction_type"], bound(c, in_eps=not c["predict_x0"]))


def build_dpm_inverse(c: Config, run: Run) -> Table:
    """The table of DPM-Solver multistep run from clean to noisy."""
    method = dpm_multistep(
        rising(c, run),
        order=c["solver_order"],
        kind=c["algorithm_type"],
        solver=c["solver_type"],
        last_orders=lowered(c, run),
    )
    return tables.trace(method, c["prediction_type"], limit(c))


# What configs of other samplers say under keys that the family reads too.
IGNORED_VALUES = {
    "algorithm_type": ("deis",),
    "solver_type": ("logrho", "bh1", "bh2"),
    "variance_type": FIXED,
}

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
            **FLOW_SIGMAS,
            "final_sigmas_type": "zero",
            "lambda_min_clipped": -np.inf,
            "variance_type": None,
            **SPACING,
            "rescale_betas_zero_snr": False,
        },
        choices={
            **COMMON_CHOICES,
            **FLOW_SIGMAS_CHOICES,
            "solver_order": ORDERS,
            "algorithm_type": KINDS,
            "solver_type": SOLVERS,
            "variance_type": (None, *LEARNED),
        },
        ignored_values=IGNORED_VALUES,
        build=build_dpm_multistep,
    ),
    Sampler(
        names=("DPMSolverMultistepInverseScheduler", "dpmpp_2m_inverse"),
        defaults={
            **BETAS,
            "solver_order": 2,
            **THRESHOLDING,
            "algorithm_type": "dpmsolver++",
            "solver_type": "midpoint",
            "lower_order_final": True,
            "euler_at_final": False,
            **RAMPS,
            "use_flow_sigmas": False,
            "flow_shift": 1.0,
            "lambda_min_clipped": -np.inf,
            "variance_type": None,
            **SPACING,
        },
        choices={
            **COMMON_CHOICES,
            "solver_order": ORDERS,
            "algorithm_type": ("dpmsolver", "dpmsolver++"),  # noise cannot be taken back
            "solver_type": SOLVERS,
            "variance_type": (None, *LEARNED),
        },
        ignored_values=IGNORED_VALUES,
        build=build_dpm_inverse,
        family="inverse",
    ),
    Sampler(
        names=("DPMSolverSinglestepScheduler", "dpmpp_2s"),
        defaults={
            **BETAS,
            "solver_order": 2,
            **THRESHOLDING,
            "algorithm_type": "dpmsolver++",
            "solver_type": "midpoint",
            "lower_order_final": False,
            **RAMPS,
            **FLOW_SIGMAS,
            "final_sigmas_type": "zero",
            "lambda_min_clipped": -np.inf,
            "variance_type": None,
        },
        choices={
            **COMMON_CHOICES,
            **FLOW_SIGMAS_CHOICES,
            "solver_order": ORDERS,
            "algorithm_type": ("dpmsolver", "dpmsolver++", "sde-dpmsolver++"),
            "solver_type": SOLVERS,
            "variance_type": (None, *LEARNED),
        },
        ignored_values=IGNORED_VALUES,
        build=build_dpm_singlestep,
    ),
    Sampler(
        names=("DEISMultistepScheduler", "deis"),
        defaults={
            **BETAS,
            "solver_order": 2,
            **THRESHOLDING,
            "algorithm_type": "deis",
            "solver_type": "logrho",
            "lower_order_final": True,
            **RAMPS,
            **FLOW_SIGMAS,
            **SPACING,
        },
        choices={
            **COMMON_CHOICES,
            **FLOW_SIGMAS_CHOICES,
            "solver_order": ORDERS,
            "algorithm_type": ("deis",),
            "solver_type": ("logrho",),
        },
        ignored_values={"algorithm_type": KINDS, "solver_type": (*SOLVERS, *UNIPC_SOLVERS)},
        build=build_deis,
    ),
    Sampler(
        names=("UniPCMultistepScheduler", "unipc"),
        defaults={
            **BETAS,
            "solver_order": 2,
            **THRESHOLDING,
            "predict_x0": True,
            "solver_type": "bh2",
            "lower_order_final": True,
            "disable_corrector": (),
            "solver_p": None,
            **RAMPS,
            **FLOW_SIGMAS,
            **SPACING,
            "final_sigmas_type": "zero",
            "rescale_betas_zero_snr": False,
            "sigma_min": None,
            "sigma_max": None,
            "shift_terminal": None,
        },
        choices={
            **COMMON_CHOICES,
            **FLOW_SIGMAS_CHOICES,
            "solver_order": ORDERS,
            "solver_type": UNIPC_SOLVERS,
            "solver_p": (None, "ddim", "deis", "dpmpp_2m"),
            "time_shift_type": TIME_SHIFTS,
        },
        ignored_values={"solver_type": (*SOLVERS, "logrho")},
        build=build_unipc,
    ),
)
