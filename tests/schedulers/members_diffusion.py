"""The samplers of diffusion models, EDM's among them."""

from tests.schedulers.member import (
    BETA,
    CLIP,
    COSMOS,
    DYNAMIC,
    EXPONENTIAL,
    FLOW,
    KARRAS,
    LU,
    PLAIN,
    TERMINAL,
    THRESHOLD,
    Member,
)

EPS = {"algorithm_type": "dpmsolver"}
SDE = {"algorithm_type": "sde-dpmsolver++"}
EPS3 = {"predict_x0": False, "solver_order": 3}
SDE_EPS = {"algorithm_type": "sde-dpmsolver"}
EXACT = {**PLAIN, "solver_type": "heun"}
ON_EDM = {
    "spaced": False,
    "predictions": ("epsilon", "v_prediction"),
    "times": (1.0, 0.6, 0.1, -0.5, -1.2),
}
ON_COSINE = {
    **ON_EDM,
    "predictions": ("v_prediction", "epsilon"),
    "times": (0.99, 0.9, 0.5, 0.3, 0.2),
}

BOUNDED = {"bounded": True}
LEARNED = {"learned": True, "keeps_variance": False}
LOG_TIMES = {"times": (1.0, 0.6, 0.1, -0.5, -0.8)}

# PNDM's weights are Adams and Runge-Kutta weights for even steps in sigma / alpha, the variable its
# transfer integrates over. There its order is that of its start: 3 after improved Euler and
# second-order rows, 4 after Runge-Kutta. On any other spacing the weights are off by the curvature
# of the spacing, which leaves order 2.
#
# A multistep method that begins with one step of order 1 has order 2 on even levels, whatever its
# later steps do; on levels that crowd at the start it has the order of those. UniPC's first step
# has order 2 once it is corrected, and all later ones have one more than their predictor.
DIFFUSION = [
    Member("ddim", {}, 1, 0, 1, 1, True),
    Member("ddim", {"eta": 0.5}, 1, 0, None, None, True),
    Member("ddim", {"eta": 1.0}, 1, 0, None, None, True),
    Member("ddim", CLIP, 1, 0, 1, 1, True, **BOUNDED),
    Member("ddim", THRESHOLD, 1, 0, 1, 1, True, **BOUNDED),
    Member("ddim", {**CLIP, "use_clipped_model_output": True}, 1, 0, 1, 1, True, **BOUNDED),
    Member("pndm", {}, 4, 1, 2, 3, False),
    Member("pndm", {"skip_prk_steps": False}, 6, 9, 2, 4, False),
    Member("ddpm", {}, 1, 0, None, None, True),
    Member("ddpm", {"variance_type": "fixed_small_log"}, 1, 0, None, None, True),
    Member("ddpm", {"variance_type": "fixed_large"}, 1, 0, None, None, True, keeps_variance=False),
    Member("ddpm", {"variance_type": "learned"}, 1, 0, None, None, True, **LEARNED),
    Member("ddpm", {"variance_type": "learned_range"}, 1, 0, None, None, True, **LEARNED),
    Member("ddpm", THRESHOLD, 1, 0, None, None, True, **BOUNDED),
    Member("euler", {}, 1, 0, 1, 1, True),
    Member("euler", {"interpolation_type": "log_linear"}, 1, 0, 1, 1, True),
    Member("euler", {"timestep_type": "continuous"}, 1, 0, 1, 1, True, **LOG_TIMES),
    Member("euler", KARRAS, 1, 0, 1, 1, True),
    Member("euler", EXPONENTIAL, 1, 0, 1, 1, True),
    Member("euler", BETA, 1, 0, 1, 1, True),
    Member("euler", {"s_churn": 3.0}, 1, 0, None, None, True),
    Member("euler_a", {}, 1, 0, None, None, True),
    Member("heun", {}, 2, 9, 2, 2, True, stages=True),
    Member("heun", KARRAS, 2, 9, 2, 2, True, stages=True),
    Member("heun", CLIP, 2, 9, 2, 2, True, stages=True, **BOUNDED),
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
    Member("dpmpp_2m", {**PLAIN, **DYNAMIC}, 2, 0, 2, 2, False),
    Member("dpmpp_2m", {**PLAIN, **THRESHOLD}, 2, 0, 2, 2, False, **BOUNDED),
    Member("dpmpp_2m", {**PLAIN, **EPS, **THRESHOLD}, 2, 0, 2, 2, False, **BOUNDED),
    Member("dpmpp_2m", {**PLAIN, "variance_type": "learned_range"}, 2, 0, 2, 2, False),
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
    Member("dpmpp_2s", THRESHOLD, 3, 0, 2, 2, False, spaced=False, **BOUNDED),
    Member("dpmpp_2s", DYNAMIC, 3, 0, 2, 2, False, spaced=False),
    Member("deis", {**PLAIN, "solver_order": 1}, 1, 0, 1, 1, True),
    Member("deis", {**PLAIN, **THRESHOLD}, 2, 0, 2, 2, False, **BOUNDED),
    Member("deis", {**PLAIN, **DYNAMIC}, 2, 0, 2, 2, False),
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
    Member("unipc", {**PLAIN, **DYNAMIC, "time_shift_type": "linear"}, 4, 0, 3, 3, False),
    Member("unipc", {**PLAIN, **TERMINAL}, 4, 0, 3, 3, False),
    Member("unipc", {**PLAIN, **COSMOS}, 4, 0, 3, 3, False),
    Member("unipc", {**PLAIN, **THRESHOLD}, 4, 0, 3, 3, False, **BOUNDED),
    Member("unipc", {**PLAIN, "predict_x0": False, **THRESHOLD}, 4, 0, 3, 3, False, **BOUNDED),
    Member("unipc", {**PLAIN, "solver_p": "ddim"}, 4, 0, 2, 2, False),
    Member("unipc", {**PLAIN, "solver_p": "dpmpp_2m"}, 5, 0, 3, 3, False),
    Member("unipc", {**PLAIN, "solver_p": "deis"}, 5, 0, 3, 3, False),
    Member("edm_euler", {}, 1, 0, 1, 1, True, **ON_EDM),
    Member("edm_euler", {"sigma_schedule": "exponential"}, 1, 0, 1, 1, True, **ON_EDM),
    Member("edm_euler", {"s_churn": 3.0}, 1, 0, None, None, True, **ON_EDM),
    Member("edm_dpmpp_2m", PLAIN, 2, 0, 2, 2, False, **ON_EDM),
    Member("edm_dpmpp_2m", EXACT, 2, 0, 2, 2, False, **ON_EDM),
    Member(
        "edm_dpmpp_2m", {**PLAIN, "solver_order": 3}, 3, 0, 2, 2, False, order_crowded=3, **ON_EDM
    ),
    Member("edm_dpmpp_2m", {**PLAIN, **SDE}, 2, 0, None, None, False, **ON_EDM),
    Member("edm_dpmpp_2m", {**PLAIN, **THRESHOLD}, 2, 0, 2, 2, False, **BOUNDED, **ON_EDM),
    Member("cosine_dpmpp_2m", {"sigma_data": 0.9}, 2, 0, None, None, False, **ON_COSINE),
]
