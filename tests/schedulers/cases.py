"""Configs whose every coefficient is compared with the references, where those are right."""

from typing import Any, NamedTuple

from tests.schedulers.members import SD

BETAS = {k: SD[k] for k in ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps")}
PIXELS = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}
COSINE = {"beta_schedule": "squaredcos_cap_v2"}
ZERO = {**BETAS, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
V = {"prediction_type": "v_prediction"}
X0 = {"prediction_type": "sample"}

DDIM, PNDM, EULER, DPM = (
    "DDIMScheduler",
    "PNDMScheduler",
    "EulerDiscreteScheduler",
    "DPMSolverMultistepScheduler",
)
OFFSET = {"steps_offset": 1}
LEAD = {"timestep_spacing": "leading", **OFFSET}
TRAIL = {"timestep_spacing": "trailing"}
RAW = {**BETAS, **OFFSET, "clip_sample": False}
FINITE = {"final_sigmas_type": "sigma_min"}


class Case(NamedTuple):
    """One reference scheduler, its config and the run asked of it."""

    cls: str
    config: dict[str, Any]
    steps: int
    start: int = 0  # transitions left out
    eta: float = 0.0

    @property
    def id(self) -> str:
        own = {k: v for k, v in self.config.items() if BETAS.get(k) != v}
        words = [self.cls.removesuffix("Scheduler"), str(self.steps), str(self.start)]
        return "-".join([*words, str(self.eta), *(f"{k}={v}" for k, v in own.items())])


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
    Case(DDIM, RAW, 20, eta=0.5),
    Case(DDIM, {**RAW, **V}, 20, eta=1.0),
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
]
