"""The samplers under test, each with what is claimed of it: one list for every property."""

from functools import partial
from typing import Any, NamedTuple

from mdx.schedulers import Scheduler, from_config
from mdx.schedulers.runs import RAMPS
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
    spaced: bool = True  # has timestep_spacing
    predictions: tuple[str, ...] = PREDICTIONS  # what its models may return
    times: tuple[float, ...] = (999, 800.5, 500, 120, 3)  # times that its models may be told
    keeps_variance: bool = True  # exactly, if x0 is known; otherwise only as steps shrink, or never

    @property
    def id(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.options.items())])

    @property
    def stochastic(self) -> bool:
        return self.order_log_snr is None

    def scheduler(self, **more: Any) -> Scheduler:
        """The member on Stable Diffusion's betas."""
        return from_config(SD, self.name, **{**self.options, **more})


edm = partial(
    Member,
    spaced=False,
    predictions=("epsilon", "v_prediction"),
    times=(1.0, 0.6, 0.1, -0.5, -1.2),
)
PLAIN = {"lower_order_final": False}
KARRAS = {"use_karras_sigmas": True}
EXPONENTIAL = {"use_exponential_sigmas": True}
BETA = {"use_beta_sigmas": True}
FLOW = {"use_flow_sigmas": True, "flow_shift": 3.0}
LU = {"use_lu_lambdas": True}
EPS = {"algorithm_type": "dpmsolver"}
SDE = {"algorithm_type": "sde-dpmsolver++"}
EPS3 = {"predict_x0": False, "solver_order": 3}
SDE_EPS = {"algorithm_type": "sde-dpmsolver"}
EXACT = {**PLAIN, "solver_type": "heun"}

LEVELS = (*RAMPS, *FLOW, *LU)  # options that choose the levels, where a test would choose them

# PNDM's weights are Adams and Runge-Kutta weights for even steps in sigma / alpha, the variable its
# transfer integrates over. There its order is that of its start: 3 after improved Euler and
# second-order rows, 4 after Runge-Kutta. On any other spacing the weights are off by the curvature
# of the spacing, which leaves order 2.
#
# A multistep method that begins with one step of order 1 has order 2 on even levels, whatever its
# later steps do; on levels that crowd at the start it has the order of those. UniPC's first step
# has order 2 once it is corrected, and all later ones have one more than their predictor.
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
    Member("dpmpp_2m", {**PLAIN, "solver_order": 1}, 1, 0, 1, 1, True),
    Member("dpmpp_2m", PLAIN, 2, 0, 2, 2, False),
    Member("dpmpp_2m", EXACT, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {**PLAIN, "solver_order": 3}, 3, 0, 2, 2, False, order_crowded=3),
    Member("dpmpp_2m", {**PLAIN, **KARRAS}, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {**PLAIN, **FLOW}, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {**PLAIN, **LU}, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {"euler_at_final": True}, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {**PLAIN, **EPS, "solver_order": 1}, 1, 0, 1, 1, True),
    Member("dpmpp_2m", {**PLAIN, **EPS}, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {**EXACT, **EPS}, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {**PLAIN, **EPS, "solver_order": 3}, 3, 0, 2, 2, False, order_crowded=3),
    Member("dpmpp_2m", {**PLAIN, **SDE, "solver_order": 1}, 1, 0, None, None, True),
    Member("dpmpp_2m", {**PLAIN, **SDE}, 2, 0, None, None, False),
    Member("dpmpp_2m", {**EXACT, **SDE}, 2, 0, None, None, False),
    Member("dpmpp_2m", {**PLAIN, **SDE, "solver_order": 3}, 3, 0, None, None, False),
    Member("dpmpp_2m", {**PLAIN, **SDE_EPS}, 2, 0, None, None, False, keeps_variance=False),
    Member("dpmpp_2m", {**EXACT, **SDE_EPS}, 2, 0, None, None, False, keeps_variance=False),
    Member("dpmpp_2s", {"solver_order": 1}, 1, 0, 1, 1, True, spaced=False),
    Member("dpmpp_2s", {}, 3, 0, 2, 2, False, spaced=False),
    Member("dpmpp_2s", {"solver_type": "heun"}, 3, 0, 2, 2, False, spaced=False),
    Member("dpmpp_2s", {"solver_order": 3}, 4, 0, 3, 3, False, spaced=False),
    Member("dpmpp_2s", {**EXACT, "solver_order": 3}, 4, 0, 3, 3, False, spaced=False),
    Member("dpmpp_2s", EPS, 3, 0, 2, 2, False, spaced=False),
    Member("dpmpp_2s", {**EPS, "solver_order": 3}, 4, 0, 3, 3, False, spaced=False),
    Member("dpmpp_2s", SDE, 3, 0, None, None, False, spaced=False),
    Member("dpmpp_2s", {**EXACT, **SDE, "solver_order": 3}, 4, 0, None, None, False, spaced=False),
    Member("deis", {**PLAIN, "solver_order": 1}, 1, 0, 1, 1, True),
    Member("deis", PLAIN, 2, 0, 2, 2, False),
    Member("deis", {**PLAIN, "solver_order": 3}, 3, 0, 2, 2, False, order_crowded=3),
    Member("deis", {**PLAIN, **FLOW}, 2, 0, 2, 2, False),
    Member("unipc", {**PLAIN, "solver_order": 1}, 3, 0, 2, 2, False),
    Member("unipc", PLAIN, 4, 0, 3, 3, False),
    Member("unipc", {**PLAIN, "solver_type": "bh1"}, 4, 0, 3, 3, False),
    Member("unipc", {**PLAIN, "predict_x0": False}, 4, 0, 3, 3, False),
    Member("unipc", {**PLAIN, "disable_corrector": (0,)}, 4, 0, 2, 2, False, order_crowded=3),
    Member("unipc", {**PLAIN, "solver_order": 3}, 5, 0, 3, 3, False, order_crowded=4),
    Member("unipc", {**PLAIN, **EPS3}, 5, 0, 3, 3, False, order_crowded=4),
    Member("unipc", {**PLAIN, **FLOW}, 4, 0, 3, 3, False),
    edm("edm_euler", {}, 1, 0, 1, 1, True),
    edm("edm_euler", {"sigma_schedule": "exponential"}, 1, 0, 1, 1, True),
    edm("edm_euler", {"s_churn": 3.0}, 1, 0, None, None, True),
    edm("edm_dpmpp_2m", PLAIN, 2, 0, 2, 2, False),
    edm("edm_dpmpp_2m", EXACT, 2, 0, 2, 2, False),
    edm("edm_dpmpp_2m", {**PLAIN, "solver_order": 3}, 3, 0, 2, 2, False, order_crowded=3),
    edm("edm_dpmpp_2m", {**PLAIN, **SDE}, 2, 0, None, None, False),
    edm(
        "cosine_dpmpp_2m",
        {"sigma_data": 0.9},
        2,
        0,
        None,
        None,
        False,
        times=(0.99, 0.9, 0.5, 0.3, 0.2),
    ),
]
IDS = [member.id for member in MEMBERS]
