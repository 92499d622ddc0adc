"""Configs of models that jump to clean in a few steps: LCM, TCD, consistency models and sCM."""

from itertools import pairwise

import numpy as np

from . import levels as lv
from . import tables
from .consistency import consistency
from .lcm import lcm
from .levels import Level, Levels, unpack
from .preconditioning import preconditioned
from .runs import (
    BETAS,
    COMMON_CHOICES,
    THRESHOLDING,
    Config,
    Run,
    Sampler,
    asked,
    bound,
    skip_first,
    training,
)
from .scm import angles, scm
from .tables import Array, Bound, Table
from .tcd import tcd


def distilled(c: Config, alphas_cumprod: Array, run: Run) -> tuple[Levels, bool]:
    """Levels at times the model was distilled on: even picks of `original_inference_steps` times.

    `strength` below 1 picks them from that share of the times, the cleanest, for a run that begins
    with a noised picture. Also whether they are complete. ValueError if there are fewer of them
    than steps.
    """
    count, total = c["original_inference_steps"], len(alphas_cumprod)
    if not 0 < c["strength"] <= 1:
        raise ValueError(f"strength must lie within 0 to 1, not {c['strength']!r}")
    usable = int(count * c["strength"])

    def times() -> Array:
        if not run.steps <= usable <= count <= total:
            share = "" if c["strength"] == 1 else f" times strength {c['strength']}"
            raise ValueError(
                f"{run.steps} steps need original_inference_steps{share} from {run.steps} to "
                f"{total}, not {count}"
            )
        known = np.arange(usable, 0, -1, dtype=np.float64) * (total // count) - 1
        return known[np.floor(np.linspace(0, usable, run.steps, endpoint=False)).astype(int)]

    return asked(alphas_cumprod, run, times)


def build_lcm(c: Config, run: Run) -> Table:
    """LCM's table; it ends clean."""
    levels, complete = distilled(c, training(c), run)
    levels = skip_first(levels if complete else lv.append_final(levels), run.start)
    method = lcm(levels, c["prediction_type"], scaling=c["timestep_scaling"])
    return tables.trace(method, c["prediction_type"], bound(c))


def build_tcd(c: Config, run: Run) -> Table:
    """TCD's table; it ends at the first training step."""
    if not 0 <= c["eta"] <= 1:
        raise ValueError(f"eta must lie between 0 and 1, not {c['eta']!r}")
    alphas_cumprod = training(c)
    levels, complete = distilled(c, alphas_cumprod, run)
    levels = skip_first(
        levels if complete else lv.append_final(levels, lv.at_times(alphas_cumprod, [0.0])),
        run.start,
    )

    def down(to: Level) -> Level:
        found = unpack(lv.at_times(alphas_cumprod, [np.floor((1 - c["eta"]) * to.t)]))[0]
        # Levels of the caller's own may lie below all trained ones, but for a rounding.
        below = found.sigma * to.alpha <= to.sigma * found.alpha * (1 + 1e-9)
        return found if below else to

    noisy = [down(to) if c["eta"] else to for _, to in list(pairwise(unpack(levels)))[:-1]]
    method = tcd(levels, [*noisy, unpack(levels)[-1]])
    return tables.trace(method, c["prediction_type"], bound(c))


def build_consistency(c: Config, run: Run) -> Table:
    """The table of a consistency model; its network is told 250 log sigma.

    The network's clean is sigma_min, so samples have noise sqrt(sigma^2 - sigma_min^2).
    """
    least, most, total = c["sigma_min"], c["sigma_max"], c["num_train_timesteps"]
    if run.sigmas is not None:
        sigma = run.sigmas
    elif run.timesteps is not None:
        sigma = np.append(np.exp(run.timesteps / 250), least)
    else:
        picks = np.arange(run.steps) * (total // run.steps)
        # The ramp's last value may fall short of sigma_min by a rounding.
        ramp = np.maximum(lv.karras(most, least, total, c["rho"]), least)
        sigma = np.append(ramp[picks], least)
    # The last call may be at sigma_min, where the network's function is the identity.
    if np.any(np.diff(sigma[:-1]) >= 0) or not sigma[-2] >= max(least, sigma[-1]) or sigma[-2] <= 0:
        raise ValueError(f"sigmas must fall strictly to sigma_min {least}: {sigma.tolist()}")
    noise = np.sqrt(np.maximum((sigma - least) * (sigma + least), 0.0))
    t = np.append(250 * np.log(sigma[:-1]), lv.CLEAN)
    levels = skip_first(Levels(t, np.ones(len(t)), noise), run.start)
    method = preconditioned(
        consistency(levels, strength=c["s_noise"]),
        c["sigma_data"],
        told=sigma[run.start : -1],
        least=least,
    )
    return tables.trace(
        method,
        c["prediction_type"],
        Bound(1.0 if c["clip_denoised"] else np.inf),
        init_noise_scale=float(sigma[run.start]),
    )


def build_scm(c: Config, run: Run) -> Table:
    """sCM's table; its network is told the angle. `intermediate_timesteps` is for two steps."""
    if run.sigmas is not None:
        t = np.arctan(run.sigmas / c["sigma_data"])
    elif run.timesteps is not None:
        t = np.append(run.timesteps, 0.0)
    elif run.steps == 2:
        t = np.array([c["max_timesteps"], c["intermediate_timesteps"], 0.0])
    else:
        t = np.linspace(c["max_timesteps"], 0.0, run.steps + 1)
    levels = skip_first(angles(t, c["sigma_data"]), run.start)
    return tables.trace(scm(levels, data=c["sigma_data"]), c["prediction_type"])


DISTILLED_DEFAULTS = {
    **BETAS,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "original_inference_steps": 50,
    "strength": 1.0,
    "clip_sample": False,
    "clip_sample_range": 1.0,
    **THRESHOLDING,
    "rescale_betas_zero_snr": False,
}

CONSISTENCY = (
    # "distilled" are latent diffusion models taught to jump: one of them may run under both.
    Sampler(
        names=("LCMScheduler", "lcm"),
        defaults={**DISTILLED_DEFAULTS, "timestep_scaling": 10.0},
        choices=COMMON_CHOICES,
        build=build_lcm,
        family="distilled",
    ),
    Sampler(
        names=("TCDScheduler", "tcd"),
        defaults={**DISTILLED_DEFAULTS, "eta": 0.3},
        choices=COMMON_CHOICES,
        build=build_tcd,
        family="distilled",
    ),
    # "consistency" models were trained with scalings of their own and know no betas.
    Sampler(
        names=("CMStochasticIterativeScheduler", "cm"),
        defaults={
            "num_train_timesteps": 40,
            "sigma_min": 0.002,
            "sigma_max": 80.0,
            "sigma_data": 0.5,
            "s_noise": 1.0,
            "rho": 7.0,
            "clip_denoised": True,
            "prediction_type": "consistency",
        },
        choices={"prediction_type": ("consistency",)},
        build=build_consistency,
        family="consistency",
    ),
    # "trigflow" models know angles instead of times.
    Sampler(
        names=("SCMScheduler", "scm"),
        defaults={
            "num_train_timesteps": 1000,
            "prediction_type": "trigflow",
            "sigma_data": 0.5,
            "max_timesteps": 1.5708,
            "intermediate_timesteps": 1.3,
        },
        choices={"prediction_type": ("trigflow",)},
        build=build_scm,
        family="trigflow",
    ),
)
