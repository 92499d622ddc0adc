"""Configs of further samplers of diffusion models: iPNDM, DDIM inverse, SA-Solver, DPM++ SDE."""

from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np

from . import levels as lv
from . import tables
from .configs_grid import LEADING
from .configs_log_snr import visited
from .configs_sigma import LATENT_BETAS, At, built, middles
from .ddim_inverse import ddim_inverse
from .ddpm import LEARNED
from .dpmpp_2s_ancestral import dpmpp_2s_ancestral
from .dpmpp_sde import dpmpp_sde
from .er_sde import NOISE_SCALES, er_sde
from .er_sde import ORDERS as ER_ORDERS
from .euler import ratio
from .euler_ancestral import parts
from .ipndm import angular, ipndm
from .levels import Levels
from .runs import (
    BETAS,
    COMMON_CHOICES,
    RAMPS,
    SPACING,
    THRESHOLDING,
    Config,
    Run,
    Sampler,
    bound,
    on_grid,
    skip_first,
    training,
)
from .sa_solver import ORDERS, sa_solver
from .tables import Array, Table


def build_ipndm(c: Config, run: Run) -> Table:
    """iPNDM's table; the model's time runs from 1 to 0."""
    if run.sigmas is not None:
        t = np.arctan(run.sigmas) * 2 / np.pi
    elif run.timesteps is not None:
        t = np.append(run.timesteps, 0.0)
    elif c["trained_betas"] is not None:
        t = sines(c["trained_betas"], run.steps)
    else:
        # Even in the angle whose squared sine is sigma.
        t = np.arcsin(np.sin(np.pi / 2 * np.linspace(1, 0, run.steps + 1)) ** 2) * 2 / np.pi
    return tables.trace(ipndm(skip_first(angular(t), run.start)), c["prediction_type"])


def sines(betas: Sequence[float], steps: int) -> Array:
    """iPNDM's times at given sigmas of levels with alpha^2 + sigma^2 = 1, (steps+1,) likewise.

    ValueError unless there is one for each step and a final one, within 1 to 0.
    """
    sigma = lv.numbers("trained_betas", betas)
    if len(sigma) != steps + 1 or np.any((sigma > 1) | (sigma < 0)):
        raise ValueError(
            "trained_betas of iPNDM are the sigmas of a run, within 1 to 0, the final one "
            f"included: {steps + 1} for {steps} steps, not {betas}"
        )
    return np.arcsin(sigma) * 2 / np.pi


def build_inverse(c: Config, run: Run) -> Table:
    """DDIM inverse's table; `start` leaves out transitions at the clean end, where it begins."""
    levels = on_grid(c, training(c), run)
    levels = Levels(*(part[: len(part) - run.start] for part in levels))
    return tables.trace(ddim_inverse(levels), c["prediction_type"], bound(c))


def build_sa(c: Config, run: Run) -> Table:
    """SA-Solver's table; it ends at the first training step. `tau_func` None is the paper's."""
    levels = visited({**c, "final_sigmas_type": "sigma_min"}, run)
    method = sa_solver(
        levels,
        randomness(c["tau_func"]),
        predictor=c["predictor_order"],
        corrector=c["corrector_order"],
        data=c["algorithm_type"] == "data_prediction",
        lower_final=c["lower_order_final"],
    )
    in_eps = c["algorithm_type"] == "noise_prediction"
    return tables.trace(method, c["prediction_type"], bound(c, in_eps=in_eps))


def randomness(tau: float | None) -> Callable[[float], float]:
    """tau as a function of the model's time: a constant, or 1 from 200 to 800 and 0 elsewhere."""
    if tau is None:
        return lambda t: float(200 <= t <= 800)
    if isinstance(tau, bool) or not isinstance(tau, Real) or not 0 <= tau < np.inf:
        raise ValueError(f"tau_func must be a number, 0 or more, or None, not {tau!r}")
    return lambda t: float(tau)


def build_dpmpp_sde(c: Config, run: Run) -> Table:
    """DPM++ SDE's table. Its noise is the caller's: `brownian.increments` has one path a seed."""

    def method(at: At, x: Levels) -> tables.Method:
        return dpmpp_sde(x, middles(at, x, lambda _, to: ratio(to)), strength=c["s_noise"])

    return built(c, run, method)


def build_dpmpp_2s_ancestral(c: Config, run: Run) -> Table:
    """DPM++ 2S a's table."""

    def method(at: At, x: Levels) -> tables.Method:
        return dpmpp_2s_ancestral(x, middles(at, x, lambda a, b: parts(a, b)[0]))

    return built(c, run, method)


def build_er_sde(c: Config, run: Run) -> Table:
    """ER-SDE-Solver's table."""
    return built(
        c, run, lambda _, x: er_sde(x, order=c["solver_order"], noise_scale=c["noise_scale"])
    )


FURTHER = (
    # "angular": models that know an angle from 0 to 1 as their time, and no betas.
    Sampler(
        names=("IPNDMScheduler", "ipndm"),
        defaults={
            "num_train_timesteps": 1000,
            "trained_betas": None,
            "prediction_type": "v_prediction",
        },
        choices={"prediction_type": ("v_prediction",)},
        build=build_ipndm,
        family="angular",
    ),
    # "inverse": runs the other way, from pictures to noise.
    Sampler(
        names=("DDIMInverseScheduler", "ddim_inverse"),
        defaults={
            **BETAS,
            "clip_sample": True,
            "clip_sample_range": 1.0,
            "set_alpha_to_one": True,
            **LEADING,
            "rescale_betas_zero_snr": False,
        },
        # A velocity does not tell signal from noise apart where it begins, at the clean level.
        choices={**COMMON_CHOICES, "prediction_type": ("epsilon", "sample", "v_prediction")},
        build=build_inverse,
        family="inverse",
    ),
    # "stochastic": for any diffusion model, apart from those that its configs list.
    Sampler(
        names=("SASolverScheduler", "sa_solver"),
        defaults={
            **BETAS,
            "predictor_order": 2,
            "corrector_order": 2,
            "tau_func": None,
            **THRESHOLDING,
            "algorithm_type": "data_prediction",
            "lower_order_final": True,
            **RAMPS,
            "use_flow_sigmas": False,
            "flow_shift": 1.0,
            "lambda_min_clipped": -np.inf,
            "variance_type": None,
            **SPACING,
        },
        choices={
            **COMMON_CHOICES,
            "predictor_order": ORDERS,
            "corrector_order": ORDERS,
            "algorithm_type": ("data_prediction", "noise_prediction"),
            "variance_type": (None, *LEARNED),
        },
        build=build_sa,
        family="stochastic",
    ),
    Sampler(
        names=("DPMSolverSDEScheduler", "dpmpp_sde"),
        defaults={
            **LATENT_BETAS,
            **RAMPS,
            "noise_sampler_seed": None,
            **SPACING,
            "s_noise": 1.0,
        },
        choices={**COMMON_CHOICES, "noise_sampler_seed": (None,)},
        build=build_dpmpp_sde,
        family="stochastic",
    ),
    # Not in diffusers: k-diffusion's, and the one of CONTRIBUTING.md.
    Sampler(
        names=("DPMSolver2SAncestralScheduler", "dpmpp_2s_a"),
        defaults={**LATENT_BETAS, **RAMPS, **SPACING},
        choices=COMMON_CHOICES,
        build=build_dpmpp_2s_ancestral,
        family="stochastic",
    ),
    Sampler(
        names=("ERSDEScheduler", "er_sde"),
        defaults={**BETAS, "solver_order": 3, "noise_scale": "er", **RAMPS, **SPACING},
        choices={
            **COMMON_CHOICES,
            "solver_order": ER_ORDERS,
            "noise_scale": tuple(NOISE_SCALES),
        },
        build=build_er_sde,
        family="stochastic",
    ),
)
