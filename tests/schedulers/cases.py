"""Configs whose every coefficient is compared with the references, where those are right."""

from typing import Any, NamedTuple

import numpy as np

from tests.schedulers.members import SD

BETAS = {k: SD[k] for k in ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps")}
PIXELS = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}
COSINE = {"beta_schedule": "squaredcos_cap_v2"}
ZERO = {**BETAS, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
V = {"prediction_type": "v_prediction"}
X0 = {"prediction_type": "sample"}

DDPM, DDIM, PNDM = "DDPMScheduler", "DDIMScheduler", "PNDMScheduler"
EULER, ANCESTRAL = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"
HEUN, LMS = "HeunDiscreteScheduler", "LMSDiscreteScheduler"
DPM2, DPM2_A = "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"
DPM, SINGLE = "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"
DEIS, UNIPC = "DEISMultistepScheduler", "UniPCMultistepScheduler"
EDM_EULER, EDM_DPM = "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"
COSINE_DPM = "CosineDPMSolverMultistepScheduler"
EDM = (EDM_EULER, EDM_DPM, COSINE_DPM)
FLOW_EULER, FLOW_HEUN = "FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"
FLOW_LCM = "FlowMatchLCMScheduler"
FLOW_MATCH = (FLOW_EULER, FLOW_HEUN, FLOW_LCM)
LCM, TCD = "LCMScheduler", "TCDScheduler"
CM, SCM = "CMStochasticIterativeScheduler", "SCMScheduler"
DDIM_INVERSE, DPM_INVERSE = "DDIMInverseScheduler", "DPMSolverMultistepInverseScheduler"
IPNDM, SA, DPM_SDE = "IPNDMScheduler", "SASolverScheduler", "DPMSolverSDEScheduler"
UNCLIP, WUERSTCHEN = "UnCLIPScheduler", "DDPMWuerstchenScheduler"
VIDEO = ("CogVideoXDDIMScheduler", "CogVideoXDPMScheduler")
REPAINT, VE = "RePaintScheduler", "ScoreSdeVeScheduler"
NO_BETAS = (*EDM, *FLOW_MATCH, CM, SCM, IPNDM, WUERSTCHEN, VE)
SIGMA_SPACE = (EULER, ANCESTRAL, HEUN, LMS, DPM2, DPM2_A, DPM_SDE, *EDM)
TWO_CALLS = (HEUN, DPM2, DPM2_A, FLOW_HEUN, DPM_SDE)  # a step, except for the last
OFFSET = {"steps_offset": 1}
LEAD = {"timestep_spacing": "leading", **OFFSET}
TRAIL = {"timestep_spacing": "trailing"}
RAW = {**BETAS, **OFFSET, "clip_sample": False}
KARRAS = {"use_karras_sigmas": True}
EXPONENTIAL = {"use_exponential_sigmas": True}
BETA_SIGMAS = {"use_beta_sigmas": True}
MU = {"use_dynamic_shifting": True}
FINITE = {"final_sigmas_type": "sigma_min"}
FLOW = {**BETAS, "use_flow_sigmas": True, "prediction_type": "flow_prediction"}
KINDS = ("dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++")


CLIP = {"clip_sample": True, "clip_sample_range": 0.8}
REDONE = {"use_clipped_model_output": True}
ONCE = {"jump_n_sample": 1}
RAMP_OPTIONS = (KARRAS, EXPONENTIAL, BETA_SIGMAS)
TRAINED = np.linspace(0.002, 0.011, 1000).tolist()
THRESHOLD = {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.6}
DYNAMIC = {"use_flow_sigmas": True, **MU, "prediction_type": "flow_prediction"}
TIMES = [999, 850, 700, 520, 333, 130, 20]


class Case(NamedTuple):
    """One reference scheduler, its config and the run asked of it."""

    cls: str
    config: dict[str, Any]
    steps: int
    start: int = 0  # transitions left out
    options: dict[str, Any] = {}  # noqa: RUF012  what the reference's step() is told
    asked: dict[str, Any] = {}  # noqa: RUF012  what its set_timesteps() is told

    @property
    def id(self) -> str:
        own = {k: v for k, v in self.config.items() if BETAS.get(k) != v}
        own |= {"trained_betas": "given"} if own.get("trained_betas") == TRAINED else {}
        words = [self.cls.removesuffix("Scheduler"), str(self.steps), str(self.start)]
        return "-".join(
            [*words, *(f"{k}={v}" for k, v in {**own, **self.options, **self.asked}.items())]
        )


def unclipped(cls: str) -> dict[str, Any]:
    """What keeps those from clipping that would."""
    return {"clip_sample": False} if cls in (DDPM, DDIM, DDIM_INVERSE) else {}


CASES = [
    Case(DDIM, RAW, 50),
    Case(DDIM, RAW, 7),
    Case(DDIM, {**RAW, "set_alpha_to_one": False}, 20),
    Case(DDIM, {**RAW, **TRAIL}, 20),
    Case(DDIM, {**RAW, **V}, 20),
    Case(DDIM, {**RAW, **X0}, 20),
    Case(DDIM, {**ZERO, **V, "clip_sample": False}, 10),
    Case(DDIM, {**PIXELS, "clip_sample": False}, 25),
    Case(DDIM, {**COSINE, "clip_sample": False, **OFFSET}, 10),
    Case(DDIM, RAW, 20, options={"eta": 0.5}),
    Case(DDIM, {**RAW, **V}, 20, options={"eta": 1.0}),
    Case(DDIM, RAW, 20, start=8),
    Case(PNDM, {**BETAS, **OFFSET, "skip_prk_steps": True}, 50),
    Case(PNDM, {**BETAS, **OFFSET, "skip_prk_steps": True}, 20),
    Case(PNDM, {**BETAS, **OFFSET, "skip_prk_steps": True, "set_alpha_to_one": True}, 4),
    Case(PNDM, {**BETAS, **TRAIL, "skip_prk_steps": True}, 10),
    Case(PNDM, {**PIXELS, "skip_prk_steps": True}, 1),
    Case(PNDM, {**BETAS, **OFFSET, "skip_prk_steps": False}, 50),
    Case(PNDM, {**PIXELS, "skip_prk_steps": False}, 20),
    Case(EULER, BETAS, 30),
    Case(EULER, {**BETAS, **LEAD}, 20),
    Case(EULER, {**BETAS, **TRAIL}, 20),
    Case(EULER, {**BETAS, **V}, 10),
    Case(EULER, {**BETAS, **X0}, 10),
    Case(EULER, {**BETAS, **FINITE}, 10),
    Case(EULER, {**BETAS, "use_karras_sigmas": True}, 20),
    Case(EULER, {**BETAS, "use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 10.0}, 15),
    Case(EULER, {**BETAS, "use_exponential_sigmas": True}, 20),
    Case(EULER, {**ZERO, **V}, 10),
    Case(EULER, COSINE, 12),
    Case(EULER, BETAS, 20, start=7),
    Case(EULER, {**BETAS, **BETA_SIGMAS}, 20),
    Case(EULER, BETAS, 20, options={"s_churn": 4.0, "s_noise": 1.003}),
    Case(EULER, BETAS, 20, options={"s_churn": 40.0, "s_tmin": 0.1, "s_tmax": 8.0}),
    Case(DDPM, RAW, 50),
    Case(DDPM, RAW, 20, start=6),
    Case(DDPM, {**RAW, **V, **TRAIL}, 20),
    Case(DDPM, {**RAW, **X0, "timestep_spacing": "linspace"}, 12),
    Case(DDPM, {**PIXELS, "clip_sample": False, "variance_type": "fixed_small_log"}, 25),
    Case(DDPM, {**PIXELS, "clip_sample": False, "variance_type": "fixed_large"}, 25),
    Case(DDPM, {**COSINE, "clip_sample": False}, 10),
    Case(DDPM, {**ZERO, **V, "clip_sample": False}, 10),
    *(
        Case(cls, {**BETAS, **own}, steps)
        for cls in (ANCESTRAL, HEUN, LMS, DPM2, DPM2_A)
        for own, steps in (({}, 20), (LEAD, 12), (TRAIL, 11), (V, 10))
    ),
    *(Case(cls, COSINE, 8) for cls in (ANCESTRAL, HEUN, LMS, DPM2)),
    *(
        Case(cls, {**BETAS, **own}, 14)
        for cls in (HEUN, LMS, DPM2, DPM2_A)
        for own in (KARRAS, EXPONENTIAL, BETA_SIGMAS)
    ),
    *(Case(cls, BETAS, 16, start=5) for cls in (ANCESTRAL, HEUN, DPM2, DPM2_A)),
    *(Case(cls, {**BETAS, **X0}, 10) for cls in (HEUN, LMS)),
    Case(ANCESTRAL, {**ZERO, **V}, 10),
    Case(HEUN, PIXELS, 3),
    Case(LMS, PIXELS, 3),
    *(Case(LMS, BETAS, 20, options={"order": n}) for n in (1, 2, 3)),
    Case(DPM, BETAS, 20),
    Case(DPM, BETAS, 10),
    Case(DPM, {**BETAS, "solver_order": 1}, 20),
    Case(DPM, {**BETAS, "solver_type": "heun"}, 20),
    Case(DPM, {**BETAS, **V}, 20),
    Case(DPM, {**BETAS, **X0}, 20),
    Case(DPM, {**BETAS, **LEAD}, 20),
    Case(DPM, {**BETAS, **TRAIL}, 20),
    Case(DPM, {**BETAS, **FINITE}, 20),
    Case(DPM, {**BETAS, **FINITE, "solver_type": "heun", "lower_order_final": False}, 8),
    Case(DPM, {**BETAS, **FINITE, "euler_at_final": True}, 20),
    Case(DPM, {**BETAS, "use_karras_sigmas": True}, 20),
    Case(DPM, {**BETAS, "use_exponential_sigmas": True}, 20),
    Case(DPM, {**COSINE, "lambda_min_clipped": -5.1}, 20),
    Case(DPM, {**ZERO, **V}, 10),
    Case(DPM, BETAS, 20, start=9),
    Case(DPM, {**BETAS, **FINITE}, 20, start=9),
    *(
        Case(DPM, {**BETAS, **FINITE, "algorithm_type": kind, "solver_type": solver}, steps)
        for kind in KINDS
        for solver, steps in (("midpoint", 20), ("heun", 10))
    ),
    *(
        Case(DPM, {**BETAS, **FINITE, "algorithm_type": kind, "solver_order": 1}, 8)
        for kind in KINDS
    ),
    Case(DPM, {**BETAS, "algorithm_type": "sde-dpmsolver++"}, 12),
    Case(DPM, {**BETAS, "use_lu_lambdas": True}, 9),
    Case(DPM, {**BETAS, **BETA_SIGMAS}, 9),
    Case(DPM, {**BETAS, "lower_order_final": False}, 9),
    Case(DPM, {**BETAS, **V, "algorithm_type": "sde-dpmsolver++", **KARRAS}, 10),
    Case(DPM, FLOW, 20),
    Case(DPM, {**FLOW, "flow_shift": 3.0}, 9),
    *(
        Case(SINGLE, {**BETAS, **FINITE, **own, "algorithm_type": kind, "solver_type": solver}, n)
        for kind in ("dpmsolver", "dpmsolver++", "sde-dpmsolver++")
        for own, n in (({"solver_order": 1}, 5), ({}, 12), ({"solver_order": 3}, 10))
        for solver in ("midpoint", "heun")
        if (kind, own.get("solver_order"), solver) != ("sde-dpmsolver++", 3, "heun")
    ),
    *(
        Case(SINGLE, {**BETAS, **ends, "solver_order": order, "lower_order_final": lower}, n)
        for ends in ({}, FINITE)
        for order, n in ((2, 8), (2, 9), (3, 9), (3, 10), (3, 11))
        for lower in (True, False)
    ),
    *(
        Case(cls, {**BETAS, **own}, 11)
        for cls in (SINGLE, DEIS, UNIPC)
        for own in (V, KARRAS, EXPONENTIAL, BETA_SIGMAS)
    ),
    Case(SINGLE, {**COSINE, "lambda_min_clipped": -5.1}, 8),
    *(
        Case(cls, {**FLOW, "flow_shift": shift}, 9)
        for cls in (SINGLE, UNIPC)
        for shift in (1.0, 3.0)
    ),
    *(
        Case(DEIS, {**BETAS, **own, "solver_order": order}, n)
        for order in (1, 2, 3)
        for own, n in (({}, 20), ({}, 10), ({"lower_order_final": False}, 8))
    ),
    *(Case(cls, {**BETAS, **own}, 12) for cls in (DEIS, UNIPC) for own in (LEAD, TRAIL, X0)),
    *(Case(cls, BETAS, 20, start=7) for cls in (DEIS, UNIPC)),
    *(
        Case(
            UNIPC,
            {**BETAS, **FINITE, "solver_order": order, "solver_type": solver, "predict_x0": x0},
            12,
        )
        for order in (1, 2, 3)
        for solver in ("bh1", "bh2")
        for x0 in (True, False)
    ),
    *(Case(UNIPC, {**BETAS, "solver_order": order}, 10) for order in (1, 2, 3)),
    Case(UNIPC, {**BETAS, "solver_order": 3, "disable_corrector": [0, 3]}, 9),
    Case(UNIPC, {**BETAS, **FINITE, "lower_order_final": False}, 9),
    Case(UNIPC, {**BETAS, **KARRAS, "sigma_min": 0.1, "sigma_max": 9.0}, 9),
    Case(UNIPC, {**ZERO, **V}, 10),
    *(
        Case(cls, own, 12)
        for cls in EDM
        for own in (
            {},
            FINITE,
            V,
            {"prediction_type": "epsilon", "sigma_schedule": "exponential"},
            {"sigma_schedule": "karras", "sigma_data": 0.9, "sigma_max": 20.0, "sigma_min": 0.01},
        )
    ),
    Case(EDM_EULER, {"rho": 5.0}, 20, start=6),
    Case(EDM_EULER, {}, 12, options={"s_churn": 4.0}),
    *(
        Case(cls, own, 16)
        for cls in (EDM_DPM, COSINE_DPM)
        for own in (
            {"solver_order": 1},
            {"solver_type": "heun"},
            {**FINITE, "euler_at_final": True},
            {**FINITE, "lower_order_final": False},
        )
    ),
    Case(EDM_DPM, {"algorithm_type": "sde-dpmsolver++"}, 16),
    Case(EDM_DPM, {}, 16, start=5),
    *(
        Case(DPM_INVERSE, {**BETAS, **own}, n)
        for own, n in (
            ({}, 20),
            ({}, 9),
            ({"solver_order": 1}, 9),
            ({"solver_type": "heun"}, 20),
            ({"algorithm_type": "dpmsolver"}, 20),
            ({"algorithm_type": "dpmsolver", "solver_type": "heun"}, 8),
            ({"lower_order_final": False}, 8),
            ({"euler_at_final": True}, 20),
            (V, 10),
            (LEAD, 12),
            (TRAIL, 11),
            (KARRAS, 12),
            (EXPONENTIAL, 12),
            (BETA_SIGMAS, 12),
        )
    ),
    Case(DPM_INVERSE, {**COSINE, "lambda_min_clipped": -5.1}, 8),
    *(Case(cls, {"shift": shift}, 12) for cls in FLOW_MATCH for shift in (1.0, 3.0)),
    *(Case(cls, {"shift": 3.0}, 10, start=4) for cls in FLOW_MATCH),
    Case(FLOW_EULER, {}, 1),
    Case(FLOW_EULER, {"shift": 3.0, "shift_terminal": 0.1}, 9),
    Case(FLOW_EULER, {"stochastic_sampling": True}, 9),
    *(
        Case(cls, {**MU, "time_shift_type": kind, **own}, 9, asked={"mu": mu})
        for cls in (FLOW_EULER, FLOW_LCM)
        for kind, mu, own in (("exponential", 0.8, {"shift_terminal": 0.02}), ("linear", 2.5, {}))
    ),
    *(
        Case(cls, {"shift": 2.0, **own}, 9)
        for cls in (FLOW_EULER, FLOW_LCM)
        for own in (KARRAS, EXPONENTIAL, BETA_SIGMAS)
    ),
    Case(FLOW_EULER, {"invert_sigmas": True, "shift": 2.0}, 9),
    *(
        Case(cls, own, steps)
        for cls in (LCM, TCD)
        for own, steps in (({}, 4), (V, 8), (X0, 7), ({"original_inference_steps": 100}, 60))
    ),
    Case(LCM, {"timestep_scaling": 0.03}, 4),
    *(Case(TCD, {}, 8, options={"eta": eta}) for eta in (0.0, 0.7, 1.0)),
    *(Case(cls, {}, 10, start=4) for cls in (LCM, TCD)),
    *(Case(CM, {"clip_denoised": False}, steps) for steps in (1, 2, 7, 40)),
    Case(CM, {"clip_denoised": False, "sigma_data": 0.8, "sigma_min": 0.02}, 4),
    *(Case(SCM, {"sigma_data": data}, 2) for data in (0.5, 1.0)),
    Case(SCM, {}, 5, asked={"intermediate_timesteps": None}),
    *(Case(IPNDM, {}, steps, start=1) for steps in (3, 12, 50)),
    Case(IPNDM, {}, 20, start=9),
    Case(DDIM_INVERSE, RAW, 20),
    Case(DDIM_INVERSE, {**RAW, **V}, 50),
    Case(DDIM_INVERSE, {**RAW, "set_alpha_to_one": False}, 20),
    Case(DDIM_INVERSE, {**RAW, **X0, "set_alpha_to_one": False}, 10),
    *(Case(SA, {**BETAS, **own}, 12) for own in ({}, V, X0, LEAD, TRAIL)),
    *(
        Case(SA, {**BETAS, "predictor_order": p, "corrector_order": q, **own}, 9)
        for p, q in ((1, 1), (1, 2), (2, 1), (3, 1), (1, 3), (3, 2), (3, 3))
        for own in ({}, {"algorithm_type": "noise_prediction"})
    ),
    Case(SA, {**BETAS, "lower_order_final": False, "predictor_order": 3, "corrector_order": 3}, 9),
    *(Case(SA, {**BETAS, **own}, 12) for own in (KARRAS, EXPONENTIAL, BETA_SIGMAS)),
    *(Case(SA, {**BETAS, "tau_func": tau}, 12) for tau in (0.0, 0.6, 1.0)),
    Case(SA, BETAS, 12, start=5),
    *(Case(DPM_SDE, {**BETAS, **own}, 12) for own in ({}, V, LEAD, TRAIL)),
    *(Case(DPM_SDE, {**BETAS, **own}, 9) for own in (KARRAS, EXPONENTIAL, BETA_SIGMAS)),
    Case(DPM_SDE, BETAS, 12, start=5),
    *(Case(UNCLIP, {"clip_sample": False, **own}, n) for own in ({}, X0) for n in (2, 7, 25)),
    *(Case(WUERSTCHEN, {"scaler": scaler}, 12) for scaler in (0.5, 1.0, 2.0)),
    *(
        Case(cls, {**own, "clip_sample": False}, 10)
        for cls in VIDEO
        for own in ({}, V, X0, {**ZERO, **V}, {"set_alpha_to_one": False}, {"snr_shift_scale": 1.0})
    ),
    *(Case(cls, {"clip_sample": False}, 20, start=8) for cls in VIDEO),
    *(
        Case(REPAINT, {**PIXELS, "clip_sample": False, "eta": eta}, 20, asked={"jump_n_sample": 1})
        for eta in (0.0, 0.7, 1.0)
    ),
    *(Case(VE, {"sigma_max": most}, steps) for most in (1348.0, 50.0) for steps in (2, 12)),
    *(Case(DDPM, {**RAW, "beta_schedule": name}, 12) for name in ("sigmoid", "laplace")),
    Case(REPAINT, {**PIXELS, "beta_schedule": "sigmoid", "clip_sample": False}, 9, asked=ONCE),
    *(Case(HEUN, {**BETAS, "beta_schedule": "exp", **own}, 9) for own in ({}, KARRAS)),
    *(
        Case(cls, {**BETAS, **unclipped(cls), "trained_betas": TRAINED}, 9)
        for cls in (DDPM, DDIM, PNDM, EULER, ANCESTRAL, HEUN, LMS, DPM2, DPM2_A, DPM, DEIS, UNIPC)
    ),
    *(
        Case(cls, {**ZERO, **V, **own}, 8)
        for cls, own in (
            (DDPM, RAW),
            (DDIM_INVERSE, {**RAW, **LEAD}),
            (EULER, KARRAS),
            (DPM, KARRAS),
            (LCM, {}),
        )
    ),
    *(
        Case(cls, {**DYNAMIC, **own}, 9, asked={"mu": mu})
        for cls in (DPM, SINGLE, UNIPC)
        for mu, own in ((0.4, {}), (1.15, {"solver_order": 3}))
        if (cls, mu) != (DPM, 1.15)  # its order 3: see test_defects
    ),
    Case(UNIPC, {**DYNAMIC, "time_shift_type": "linear"}, 9, asked={"mu": 2.5}),
    *(
        Case(UNIPC, {**FLOW, "flow_shift": shift, "shift_terminal": last}, 9)
        for shift, last in ((1.0, 0.1), (3.0, 0.02))
    ),
    *(
        Case(UNIPC, {**FLOW, **KARRAS, **own}, 9)
        for own in ({"sigma_max": 200.0, "sigma_min": 0.01}, {})
    ),
    *(
        Case(UNIPC, {**BETAS, **own, **said, "solver_p": "dpmpp_2m", "solver_order": order}, n)
        # Where the model says what UniC integrates: see test_defects.
        for said in (X0, {"predict_x0": False})
        for order in (1, 2)
        for own, n in (({}, 20), (FINITE, 16), ({"solver_type": "bh1", **FINITE}, 9))
        if own or said == X0
    ),
    Case(EULER, {**BETAS, **V, **KARRAS, "timestep_type": "continuous"}, 12),
    Case(EULER, {**BETAS, **V, "timestep_type": "continuous", **FINITE}, 12),
    *(Case(cls, {**BETAS, "sigma_max": 9.0, **own}, 9) for cls in (EULER,) for own in RAMP_OPTIONS),
    *(
        Case(cls, {**BETAS, **own, "final_sigmas_type": last}, 9)
        for cls in (DPM, SINGLE)
        for own in ({"solver_order": 1}, {"solver_order": 3, "algorithm_type": "dpmsolver++"})
        for last in ("zero", "sigma_min")
        if (cls, own["solver_order"]) != (DPM, 3)
    ),
    *(
        Case(cls, {**BETAS, "use_lu_lambdas": True, **own}, n)
        for cls in (DPM,)
        for own, n in ((V, 9), ({"euler_at_final": True}, 16), ({"solver_type": "heun"}, 16))
    ),
    Case(DPM_SDE, BETAS, 9, options={"s_noise": 0.9}),
    Case(IPNDM, {"trained_betas": [1.0, 0.9, 0.7, 0.4, 0.2, 0.1, 0.0]}, 6, start=1),
    Case(DDIM, {**RAW, "clip_sample": False}, 20, options={"use_clipped_model_output": True}),
    *(
        Case(cls, {**BETAS, **unclipped(cls), **own}, len(TIMES), asked={"timesteps": TIMES})
        for cls in (DDPM, EULER, HEUN, DPM, SINGLE, LCM, TCD)
        for own in ({}, V)
    ),
    Case(EULER, {**BETAS, **FINITE}, len(TIMES), asked={"timesteps": TIMES}),
    Case(DPM, {**BETAS, "solver_order": 1}, len(TIMES), asked={"timesteps": TIMES}),
    *(
        Case(EULER, {**BETAS, **own}, 5, asked={"sigmas": [14.0, 6.0, 2.0, 0.7, 0.2, 0.0]})
        for own in ({}, V)
    ),
    *(
        Case(cls, {}, 5, asked={"sigmas": [1.0, 0.8, 0.55, 0.3, 0.1, 0.0]})
        for cls in (FLOW_EULER, FLOW_LCM)
    ),
    Case(UNIPC, FLOW, 5, asked={"sigmas": [0.99, 0.8, 0.55, 0.3, 0.1, 0.0]}),
    *(Case(cls, {}, 4, asked={"strength": share}) for cls in (LCM, TCD) for share in (0.4, 0.8)),
    Case(SCM, {}, 2, asked={"max_timesteps": 1.5, "intermediate_timesteps": 1.0}),
]

# Runs on random pictures instead of basis vectors, for what is no linear map.
PICTURES = [
    *(Case(cls, {**RAW, **own}, 12) for cls in (DDPM, DDIM) for own in (CLIP, THRESHOLD)),
    *(Case(DDIM, {**RAW, **own}, 9, options=REDONE) for own in (CLIP, THRESHOLD)),
    Case(DDIM_INVERSE, {**RAW, **CLIP}, 12),
    *(
        Case(cls, {**BETAS, **THRESHOLD, **own}, 9)
        for cls in (DPM, SINGLE, UNIPC, DEIS, SA)
        for own in ({}, V, KARRAS)
    ),
    *(
        Case(DPM, {**BETAS, **THRESHOLD, **FINITE, "algorithm_type": kind, **own}, 9)
        for kind in KINDS
        for own in ({}, V)
    ),
    Case(SINGLE, {**BETAS, **THRESHOLD, **FINITE, "algorithm_type": "sde-dpmsolver++"}, 9),
    *(
        Case(DPM_INVERSE, {**BETAS, **THRESHOLD, "algorithm_type": kind}, 9)
        for kind in ("dpmsolver", "dpmsolver++")
    ),
    Case(EDM_DPM, THRESHOLD, 9),
    *(Case(LCM, own, 4) for own in (CLIP, THRESHOLD)),
    Case(CM, {}, 7),
    *(Case(UNCLIP, own, 9) for own in ({}, {**CLIP, **X0})),
    Case(REPAINT, PIXELS, 9, asked=ONCE),
    *(
        Case(DDPM, {**BETAS, "clip_sample": False, **own, "variance_type": "learned_range"}, n)
        for own in ({}, V, X0, THRESHOLD, CLIP)
        for n in (5, 12)
    ),
    *(Case(UNCLIP, {"variance_type": "learned_range", **own}, 9) for own in ({}, X0)),
    *(
        Case(cls, {**BETAS, "variance_type": "learned_range"}, 9)
        for cls in (DPM, SINGLE, SA, DPM_INVERSE)
    ),
]
