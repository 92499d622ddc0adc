"""Configs of the samplers that step between whole training times: DDPM, DDIM, PNDM."""

from . import tables
from .ddim import ddim
from .ddpm import VARIANCES, ddpm
from .levels import Levels
from .pndm import pndm
from .runs import (
    BETAS,
    COMMON_CHOICES,
    SPACING,
    THRESHOLDING,
    Config,
    Run,
    Sampler,
    bound,
    halfway,
    on_grid,
    skip_first,
    training,
)
from .tables import Table


def build_ddpm(c: Config, run: Run) -> Table:
    """DDPM's table."""
    levels = skip_first(on_grid(c, training(c), run), run.start)
    method = ddpm(levels, variance=c["variance_type"])
    return tables.trace(method, c["prediction_type"], bound(c))


def build_ddim(c: Config, run: Run) -> Table:
    """DDIM's table."""
    levels = skip_first(on_grid(c, training(c), run), run.start)
    limit = bound(c, in_eps=c["use_clipped_model_output"])
    return tables.trace(ddim(levels, eta=c["eta"]), c["prediction_type"], limit)


def build_pndm(c: Config, run: Run) -> Table:
    """PNDM's table; Runge-Kutta for the first three transitions unless the config skips it."""
    alphas_cumprod = training(c)
    levels = skip_first(on_grid(c, alphas_cumprod, run), run.start)
    # Runge-Kutta steps join levels the model knows; the final level need not have a time.
    count = min(3, len(levels.t) - 2)
    middle = None
    if count > 0 and not c["skip_prk_steps"]:
        first = Levels(*(part[: count + 1] for part in levels))
        middle = halfway(alphas_cumprod, first, in_time=run.sigmas is None)
    return tables.trace(pndm(levels, middle=middle), c["prediction_type"])


LEADING = {**SPACING, "timestep_spacing": "leading"}

GRID = (
    Sampler(
        names=("DDPMScheduler", "ddpm"),
        defaults={
            **BETAS,
            "variance_type": "fixed_small",
            "clip_sample": True,
            "clip_sample_range": 1.0,
            **THRESHOLDING,
            **LEADING,
            "rescale_betas_zero_snr": False,
        },
        choices={**COMMON_CHOICES, "variance_type": VARIANCES},
        ignored_values={"variance_type": (None,)},
        build=build_ddpm,
    ),
    Sampler(
        names=("DDIMScheduler", "ddim"),
        defaults={
            **BETAS,
            "clip_sample": True,
            "clip_sample_range": 1.0,
            "set_alpha_to_one": True,
            **THRESHOLDING,
            **LEADING,
            "rescale_betas_zero_snr": False,
            "eta": 0.0,
            "use_clipped_model_output": False,
        },
        choices=COMMON_CHOICES,
        build=build_ddim,
    ),
    Sampler(
        names=("PNDMScheduler", "pndm"),
        defaults={**BETAS, "skip_prk_steps": False, "set_alpha_to_one": False, **LEADING},
        choices=COMMON_CHOICES,
        build=build_pndm,
    ),
)
