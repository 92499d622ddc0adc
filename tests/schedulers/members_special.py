"""The samplers of flow, consistency and score models, and those for one purpose."""

from mdx.schedulers.tables import PREDICTIONS
from tests.schedulers.member import FLOW, KARRAS, PLAIN, THRESHOLD, Member
from tests.schedulers.members_diffusion import BOUNDED, EPS, EXACT, LEARNED

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
CHURN = {"s_churn": 3.0, "s_tmin": 0.05}
INVERSE = "dpmpp_2m_inverse"
UNCLIPPED = {"clip_sample": False}
RANGE = {"variance_type": "learned_range"}
UP = {"upward": True, "touches_clean": False}

SPECIAL = [
    Member("flow_euler", {}, 1, 0, 1, 1, True, **ON_FLOW),
    Member("flow_euler", {"shift": 3.0, "shift_terminal": 0.1}, 1, 0, 1, 1, True, **ON_FLOW),
    Member("flow_euler", {"use_dynamic_shifting": True, "mu": 0.8}, 1, 0, 1, 1, True, **ON_FLOW),
    Member("flow_euler", KARRAS, 1, 0, 1, 1, True, **ON_FLOW),
    Member("flow_euler", {"stochastic_sampling": True}, 1, 0, None, None, True, **ON_FLOW),
    Member("flow_heun", {"shift": 3.0}, 2, 9, 2, 2, True, stages=True, **ON_FLOW),
    Member("flow_lcm", {}, 1, 0, None, None, True, **ON_FLOW),
    Member("flow_euler", CHURN, 1, 0, None, None, True, **ON_FLOW),
    Member("flow_heun", CHURN, 2, 9, None, None, True, stages=True, **ON_FLOW),
    Member("lcm", PLAIN_LCM, 1, 0, None, None, True, spaced=False),
    Member("lcm", {**PLAIN_LCM, **THRESHOLD}, 1, 0, None, None, True, spaced=False, **BOUNDED),
    Member("tcd", ORIGINAL, 1, 0, None, None, True, spaced=False),
    Member("tcd", {**ORIGINAL, **THRESHOLD}, 1, 0, None, None, True, spaced=False, **BOUNDED),
    Member("tcd", {**ORIGINAL, "eta": 1.0}, 1, 0, None, None, True, spaced=False),
    Member("tcd", {**ORIGINAL, "eta": 0.0}, 1, 0, 1, 1, True, spaced=False),
    Member("cm", PLAIN_CM, 1, 0, None, None, True, **ON_SIGMA),
    Member("cm", {"sigma_min": 0.0}, 1, 0, None, None, True, **ON_SIGMA, **BOUNDED),
    Member("ipndm", {}, 4, 0, 2, 2, False, **ON_RIGHT_ANGLES),
    Member("ddim_inverse", {}, 1, 0, 1, 1, True, upward=True, predictions=PREDICTIONS[:3]),
    Member(INVERSE, {**PLAIN, "solver_order": 1}, 1, 0, 1, 1, True, **UP),
    Member(INVERSE, PLAIN, 2, 0, 2, 2, False, **UP),
    Member(INVERSE, EXACT, 2, 0, 2, 2, False, **UP),
    Member(INVERSE, {**PLAIN, "solver_order": 3}, 3, 0, 2, 2, False, order_crowded=3, **UP),
    Member(INVERSE, {**PLAIN, **KARRAS}, 2, 0, 2, 2, False, **UP),
    Member(INVERSE, {**PLAIN, **FLOW}, 2, 0, 2, 2, False, **UP),
    Member(INVERSE, {**PLAIN, **EPS}, 2, 0, 2, 2, False, **UP),
    Member(INVERSE, {**PLAIN, **EPS, "solver_order": 3}, 3, 0, 2, 2, False, order_crowded=3, **UP),
    Member(INVERSE, {**PLAIN, **THRESHOLD}, 2, 0, 2, 2, False, **UP, **BOUNDED),
    Member("sa_solver", {}, 3, 0, None, None, False),
    Member("sa_solver", FLOW, 3, 0, None, None, False),
    Member("sa_solver", THRESHOLD, 3, 0, None, None, False, **BOUNDED),
    Member("sa_solver", {"tau_func": 0.0, **PLAIN}, 3, 0, 2, 2, False),
    Member("sa_solver", {"tau_func": 0.0, **PLAIN, **THREE}, 4, 0, 3, 3, False),
    Member("sa_solver", {"tau_func": 0.7, **THREE}, 4, 0, None, None, False),
    Member("sa_solver", {"tau_func": 0.0, **PLAIN, **ON_NOISE}, 3, 0, 2, 2, False),
    Member("sa_solver", {"tau_func": 1.0, **ON_NOISE}, 3, 0, None, None, False, **DRIFTS),
    Member("dpmpp_sde", {}, 2, 9, None, None, True, stages=True),
    Member("dpmpp_2s_a", {}, 2, 9, None, None, True, stages=True),
    Member("er_sde", {}, 3, 0, None, None, False),
    Member("er_sde", {"noise_scale": "sde", "solver_order": 2}, 2, 0, None, None, False),
    Member("er_sde", {"noise_scale": "ode", "solver_order": 1}, 2, 0, 1, 1, True),
    Member("er_sde", {"noise_scale": "ode", "solver_order": 2}, 2, 0, 2, 2, False),
    Member("er_sde", {"noise_scale": "ode"}, 3, 0, 2, 2, False, order_crowded=3),
    Member("unclip", {}, 1, 0, None, None, True, spaced=False, base=UNCLIPPED),
    Member("unclip", RANGE, 1, 0, None, None, True, spaced=False, base=UNCLIPPED, **LEARNED),
    Member("wuerstchen", {}, 1, 0, None, None, True, **ON_SHARES),
    Member("wuerstchen", {"scaler": 2.0}, 1, 0, None, None, True, **ON_SHARES),
    Member("cogvideox_ddim", {}, 1, 0, 1, 1, True),
    Member("cogvideox_dpm", {}, 2, 0, None, None, False),
    Member("repaint", {"jump_length": 3, "jump_n_sample": 2}, 1, 9, None, None, True, jumps=True),
    Member("repaint", {"jump_n_sample": 1, "eta": 1.0}, 1, 0, None, None, True),
    Member("sde_ve", {"sigma_max": 5.0}, 1, 0, None, None, True, **ON_SCORE),
    Member("scm", {"sigma_data": 1.0}, 1, 0, None, None, True, **ON_ANGLES),
]
