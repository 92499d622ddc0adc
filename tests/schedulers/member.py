"""What the tests know of a sampler, and options that several members have."""

from typing import Any, NamedTuple

import numpy as np

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
    keeps_variance: bool = True  # exactly, if x0 is known; otherwise only as steps shrink, or never
    predictions: tuple[str, ...] = PREDICTIONS  # what its models may return, the default first
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


PLAIN = {"lower_order_final": False}
KARRAS = {"use_karras_sigmas": True}
EXPONENTIAL = {"use_exponential_sigmas": True}
BETA = {"use_beta_sigmas": True}
FLOW = {"use_flow_sigmas": True, "flow_shift": 3.0}
LU = {"use_lu_lambdas": True}

LEVELS = (*RAMPS, *FLOW, *LU)  # options that choose the levels, where a test would choose them
