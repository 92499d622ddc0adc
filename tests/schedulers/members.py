"""The samplers under test, each with what is claimed of it: one list for every property."""

from typing import Any, NamedTuple

import numpy as np

from mdx.schedulers import Scheduler, from_config
from mdx.schedulers.tables import PREDICTIONS

SD = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "clip_sample": False,
    "trained_betas": None,
}


class Member(NamedTuple):
    """One sampler with its options, and the facts the tests assert."""

    name: str  # short name
    options: dict[str, Any]
    slots: int  # K
    extra_calls: int  # model calls of a 10-step run beyond 10
    order_log_snr: int | None  # convergence order on levels evenly spaced in log-SNR; None: random
    order_ratio: int | None  # likewise evenly spaced in sigma / alpha
    one_step: bool  # no step knows the steps before it
    stages: bool = False  # a step's later calls read what its earlier ones kept
    order_crowded: int | None = None  # order once the warm-up's low orders are no limit; None: same
    keeps_variance: bool = True  # exactly, if x0 is known; otherwise only as steps shrink, or never
    predictions: tuple[str, ...] = PREDICTIONS  # what its models may return
    spaced: bool = True  # has the option timestep_spacing
    coordinates: str = "vp"  # alpha^2 + sigma^2 = 1; "flow": alpha + sigma = 1; "ve": alpha = 1
    upward: bool = False  # runs from clean to noisy
    jumps: bool = False  # comes by a level more than once
    base: Any = SD  # the config it starts from
    times: tuple[float, ...] = (999, 800.5, 500, 120, 3)  # five of its model's times

    @property
    def id(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.options.items())])

    @property
    def stochastic(self) -> bool:
        return self.order_log_snr is None

    def scheduler(self, **more: Any) -> Scheduler:
        """The member on Stable Diffusion's betas, if it can run on them."""
        return from_config(self.base, self.name, **{**self.options, **more})

    def sigmas(self, ratios: Any) -> Any:
        """Noise ratios sigma / alpha as table() wants them for this member."""
        r = np.asarray(ratios)
        return r / (1 + r) if self.coordinates == "flow" else r


PLAIN = {"lower_order_final": False}
KARRAS = {"use_karras_sigmas": True}
EXPONENTIAL = {"use_exponential_sigmas": True}
BETA = {"use_beta_sigmas": True}
ON_FLOW = {"predictions": ("flow_prediction",), "spaced": False, "coordinates": "flow"}
ON_SIGMA = {"predictions": ("consistency",), "spaced": False, "coordinates": "ve"}
ON_ANGLES = {
    "predictions": ("trigflow",),
    "spaced": False,
    "times": (1.57, 1.3, 0.9, 0.4, 0.1),
}
ON_RIGHT_ANGLES = {**ON_ANGLES, "predictions": ("v_prediction",), "times": (1, 0.9, 0.5, 0.4, 0.1)}
ON_SHARES = {
    **ON_RIGHT_ANGLES,
    "predictions": ("epsilon",),
    "keeps_variance": False,
}
# A score is multiplied by sigma^2: at the default of 1348, what a test's model makes up drowns the
# noise in float32.
ON_SCORE = {**ON_SIGMA, "predictions": ("score",), "keeps_variance": False}
THREE = {"predictor_order": 3, "corrector_order": 3}
ON_NOISE = {"algorithm_type": "noise_prediction"}
DRIFTS = {"keeps_variance": False}
ORIGINAL = {"original_inference_steps": 100}
# Boundary scalings make x0 a mixture of the sample and of what the model says; without them the
# words of a prediction type are those of diffusion. See test_distilled.py for the scalings.
PLAIN_LCM = {**ORIGINAL, "timestep_scaling": 1e9}
PLAIN_CM = {"sigma_min": 0.0, "clip_denoised": False}

# PNDM's weights are Adams and Runge-Kutta weights for even steps in sigma / alpha, the variable its
# transfer integrates over. There its order is that of its start: 3 after improved Euler and
# second-order rows, 4 after Runge-Kutta. On any other spacing the weights are off by the curvature
# of the spacing, which leaves order 2.
#
# A multistep method that begins with one step of order 1 has order 2 on even levels, whatever its
# later steps do; on levels that crowd at the start it has the order of those.
MEMBERS = [
    Member("ddim", {}, 1, 0, 1, 1, True),
    Member("ddim", {"eta": 0.5}, 1, 0, None, None, True),
    Member("ddim", {"eta": 1.0}, 1, 0, None, None, True),
    Member("pndm", {}, 4, 1, 2, 3, False),
    Member("pndm", {"skip_prk_steps": False}, 6, 9, 2, 4, False),
    Member("ddpm", {}, 1, 0, None, None, True),
    Member("ddpm", {"variance_type": "fixed_small_log"}, 1, 0, None, None, True),
    Member("ddpm", {"variance_type": "fixed_large"}, 1, 0, None, None, True, keeps_variance=False),
    Member("euler", {}, 1, 0, 1, 1, True),
    Member("euler", KARRAS, 1, 0, 1, 1, True),
    Member("euler", EXPONENTIAL, 1, 0, 1, 1, True),
    Member("euler", BETA, 1, 0, 1, 1, True),
    Member("euler", {"s_churn": 3.0}, 1, 0, None, None, True),
    Member("euler_a", {}, 1, 0, None, None, True),
    Member("heun", {}, 2, 9, 2, 2, True, stages=True),
    Member("heun", KARRAS, 2, 9, 2, 2, True, stages=True),
    Member("heun", {"s_churn": 3.0, "s_tmin": 0.05, "s_tmax": 8.0}, 2, 9, None, None, True, True),
    Member("lms", {}, 4, 0, 2, 2, False, order_crowded=4),
    Member("lms", {"order": 3}, 3, 0, 2, 2, False, order_crowded=3),
    Member("lms", {"order": 2}, 2, 0, 2, 2, False),
    Member("dpm2", {}, 2, 9, 2, 2, True, stages=True),
    Member("dpm2_a", {}, 2, 9, None, None, True, stages=True),
    Member("dpmpp_2m", {**PLAIN, "solver_order": 1}, 2, 0, 1, 1, True),
    Member("dpmpp_2m", PLAIN, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {**PLAIN, "solver_type": "heun"}, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {**PLAIN, **KARRAS}, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {"euler_at_final": True}, 2, 0, 2, 2, False),
    Member("flow_euler", {}, 1, 0, 1, 1, True, **ON_FLOW),
    Member("flow_euler", {"shift": 3.0, "shift_terminal": 0.1}, 1, 0, 1, 1, True, **ON_FLOW),
    Member("flow_euler", {"use_dynamic_shifting": True, "mu": 0.8}, 1, 0, 1, 1, True, **ON_FLOW),
    Member("flow_euler", KARRAS, 1, 0, 1, 1, True, **ON_FLOW),
    Member("flow_euler", {"stochastic_sampling": True}, 1, 0, None, None, True, **ON_FLOW),
    Member("flow_heun", {"shift": 3.0}, 2, 9, 2, 2, True, stages=True, **ON_FLOW),
    Member("flow_lcm", {}, 1, 0, None, None, True, **ON_FLOW),
    Member("lcm", PLAIN_LCM, 1, 0, None, None, True, spaced=False),
    Member("tcd", ORIGINAL, 1, 0, None, None, True, spaced=False),
    Member("tcd", {**ORIGINAL, "eta": 1.0}, 1, 0, None, None, True, spaced=False),
    Member("tcd", {**ORIGINAL, "eta": 0.0}, 1, 0, 1, 1, True, spaced=False),
    Member("cm", PLAIN_CM, 1, 0, None, None, True, **ON_SIGMA),
    Member("ipndm", {}, 4, 0, 2, 2, False, **ON_RIGHT_ANGLES),
    Member("ddim_inverse", {}, 1, 0, 1, 1, True, upward=True, predictions=PREDICTIONS[:3]),
    Member("sa_solver", {}, 3, 0, None, None, False),
    Member("sa_solver", {"tau_func": 0.0, **PLAIN}, 3, 0, 2, 2, False),
    Member("sa_solver", {"tau_func": 0.0, **PLAIN, **THREE}, 4, 0, 3, 3, False),
    Member("sa_solver", {"tau_func": 0.7, **THREE}, 4, 0, None, None, False),
    Member("sa_solver", {"tau_func": 0.0, **PLAIN, **ON_NOISE}, 3, 0, 2, 2, False),
    Member("sa_solver", {"tau_func": 1.0, **ON_NOISE}, 3, 0, None, None, False, **DRIFTS),
    Member("dpmpp_sde", {}, 2, 9, None, None, True, stages=True),
    Member("unclip", {}, 1, 0, None, None, True, spaced=False, base={"clip_sample": False}),
    Member("wuerstchen", {}, 1, 0, None, None, True, **ON_SHARES),
    Member("wuerstchen", {"scaler": 2.0}, 1, 0, None, None, True, **ON_SHARES),
    Member("cogvideox_ddim", {}, 1, 0, 1, 1, True),
    Member("cogvideox_dpm", {}, 2, 0, None, None, False),
    Member("repaint", {"jump_length": 3, "jump_n_sample": 2}, 1, 9, None, None, True, jumps=True),
    Member("repaint", {"jump_n_sample": 1, "eta": 1.0}, 1, 0, None, None, True),
    Member("sde_ve", {"sigma_max": 5.0}, 1, 0, None, None, True, **ON_SCORE),
    Member("scm", {"sigma_data": 1.0}, 1, 0, None, None, True, **ON_ANGLES),
]
IDS = [member.id for member in MEMBERS]
