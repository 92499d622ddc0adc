"""What the tests know of a sampler, and options that several members have."""

from typing import Any, NamedTuple

import numpy as np

from mdx.schedulers import Scheduler, Table, from_config
from mdx.schedulers.runs import RAMPS
from mdx.schedulers.tables import PREDICTIONS

# What keeps x0 within bounds, and what it is on its own.
CLIP = {"clip_sample": True, "clip_sample_range": 1.0}
THRESHOLD = {"thresholding": True, "sample_max_value": 1.5, "dynamic_thresholding_ratio": 0.9}
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
    predictions: tuple[str, ...] = PREDICTIONS  # what its models may return, the default first
    spaced: bool = True  # has the option timestep_spacing
    coordinates: str = "vp"  # alpha^2 + sigma^2 = 1; "flow": alpha + sigma = 1; "ve": alpha = 1
    upward: bool = False  # runs from clean to noisy
    touches_clean: bool = True  # may begin or end at the level without noise
    bounded: bool = False  # x0 is clipped or thresholded: linear only while it is small
    learned: bool = False  # its noise is scaled by what the model says
    jumps: bool = False  # comes by a level more than once
    base: Any = SD  # the config it starts from
    times: tuple[float, ...] = (999, 800.5, 500, 120, 3)  # five of its model's times

    @property
    def id(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.options.items())])

    @property
    def stochastic(self) -> bool:
        return self.order_log_snr is None

    @property
    def preserves_variance(self) -> bool:
        """Whether its own levels have alpha^2 + sigma^2 = 1."""
        return self.coordinates == "vp" and not self.options.get("use_flow_sigmas")

    def scheduler(self, **more: Any) -> Scheduler:
        """The member on Stable Diffusion's betas, if it can run on them."""
        return from_config(self.base, self.name, **{**self.options, **more})

    def sigmas(self, ratios: Any) -> Any:
        """Noise ratios sigma / alpha as table() wants them for this member."""
        r = np.asarray(ratios)
        return r / (1 + r) if self.coordinates == "flow" else r


def linear(t: Table) -> Table:
    """The table without the bound on x0: what is left is linear."""
    return t._replace(clip=np.full_like(t.clip, np.inf), quantile=np.zeros_like(t.quantile))


def unasked(t: Table) -> Table:
    """The table for any model: these tests tell each row what it reads, in its own words."""
    return t._replace(prediction=None)


PLAIN = {"lower_order_final": False}
KARRAS = {"use_karras_sigmas": True}
EXPONENTIAL = {"use_exponential_sigmas": True}
BETA = {"use_beta_sigmas": True}
FLOW = {"use_flow_sigmas": True, "flow_shift": 3.0}
DYNAMIC = {"use_flow_sigmas": True, "use_dynamic_shifting": True, "mu": 1.1}
TERMINAL = {"use_flow_sigmas": True, "shift_terminal": 0.1}
COSMOS = {"use_flow_sigmas": True, **KARRAS, "sigma_min": 0.01, "sigma_max": 200.0}
LU = {"use_lu_lambdas": True}

# Options that choose the levels, where a test would choose them.
LEVELS = (*RAMPS, *FLOW, *DYNAMIC, *TERMINAL, *LU)
