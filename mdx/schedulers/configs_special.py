"""Configs of samplers made for one kind of model: unCLIP, Wuerstchen, CogVideoX, RePaint, VE."""

import numpy as np

from . import levels as lv
from . import noise, tables
from .cogvideox import cogvideox_ddim, cogvideox_dpm, shifted
from .configs_grid import LEADING, build_ddpm
from .configs_sigma import LATENT_BETAS
from .levels import Levels
from .repaint import jumps, repaint
from .runs import BETAS, COMMON_CHOICES, Config, Run, Sampler, bound, on_grid, skip_first, training
from .sde_ve import sde_ve
from .tables import Table
from .wuerstchen import cosine, times, wuerstchen


def build_unclip(c: Config, run: Run) -> Table:
    """unCLIP's table: DDPM's on even whole times."""
    even = {"timestep_spacing": "linspace", "steps_offset": 0}
    return build_ddpm({**BETAS, **c, **even}, run)


def build_wuerstchen(c: Config, run: Run) -> Table:
    """Wuerstchen's table; the model's time runs from 1 to 0."""
    shape = c["s"], c["scaler"]
    if run.sigmas is not None:
        r = run.sigmas
        t = times(1 / (1 + r**2), *shape)
        levels = Levels(t, 1 / np.hypot(1, r), r / np.hypot(1, r))
    else:
        own = np.linspace(1, 0, run.steps + 1)
        t = own if run.timesteps is None else np.append(run.timesteps, 0.0)
        levels = cosine(t, *shape)
    if np.any(np.diff(levels.alpha) < 0) or t[0] > 1 or t[-1] < 0:
        raise ValueError(f"timesteps must fall within 1 to 0: {t.tolist()}")
    return tables.trace(wuerstchen(skip_first(levels, run.start)), c["prediction_type"])


def video(c: Config, run: Run) -> Levels:
    """CogVideoX's levels: signal to noise divided first, zero SNR after that."""
    alphas_cumprod = shifted(training({**c, "rescale_betas_zero_snr": False}), c["snr_shift_scale"])
    if c["rescale_betas_zero_snr"]:
        alphas_cumprod = noise.zero_snr(alphas_cumprod)
    return skip_first(on_grid(c, alphas_cumprod, run), run.start)


def build_video_ddim(c: Config, run: Run) -> Table:
    """The table of CogVideoX's DDIM."""
    return tables.trace(cogvideox_ddim(video(c, run)), c["prediction_type"], bound(c))


def build_video_dpm(c: Config, run: Run) -> Table:
    """The table of CogVideoX's SDE-DPM-Solver++."""
    return tables.trace(cogvideox_dpm(video(c, run)), c["prediction_type"], bound(c))


def build_repaint(c: Config, run: Run) -> Table:
    """RePaint's table; `start` leaves out levels at the noisy end."""
    if not 0 <= c["eta"] <= 1:
        raise ValueError(f"eta must lie between 0 and 1, not {c['eta']!r}")
    if not (c["jump_length"] and c["jump_n_sample"]):
        raise ValueError("jump_length and jump_n_sample must be 1 or more")
    levels = skip_first(on_grid(c, training(c), run), run.start)
    path = jumps(len(levels.t) - 1, c["jump_length"], c["jump_n_sample"])
    method = repaint(levels, path, eta=c["eta"])
    return tables.trace(method, c["prediction_type"], bound({**c, "clip_sample_range": 1.0}))


def build_sde_ve(c: Config, run: Run) -> Table:
    """The predictor's table; `correct_steps` and `snr` are for the caller's `corrected`."""
    told = None
    if run.sigmas is not None:
        sigma = run.sigmas
    elif run.timesteps is not None:
        sigma = np.append(run.timesteps, 0.0)
    else:
        sigma = np.append(lv.exponential(c["sigma_max"], c["sigma_min"], run.steps), 0.0)
        # The model is told sigmas that stop short of sigma_min by a hair.
        share = np.linspace(1, c["sampling_eps"], run.steps)
        told = np.append(c["sigma_min"] * (c["sigma_max"] / c["sigma_min"]) ** share, 0.0)
    lv.falling("sigmas", sigma)
    times = sigma if told is None else told
    levels = skip_first(Levels(times, np.ones(len(sigma)), sigma), run.start)
    return tables.trace(
        sde_ve(levels), c["prediction_type"], init_noise_scale=float(levels.sigma[0])
    )


VIDEO_DEFAULTS = {
    **LATENT_BETAS,
    "beta_schedule": "scaled_linear",
    "clip_sample": True,
    "clip_sample_range": 1.0,
    "set_alpha_to_one": True,
    **LEADING,
    "rescale_betas_zero_snr": False,
    "snr_shift_scale": 3.0,
}

SPECIAL = (
    # "unclip": its prior and decoder know whole times and the cosine schedule only.
    Sampler(
        names=("UnCLIPScheduler", "unclip"),
        defaults={
            "num_train_timesteps": 1000,
            "beta_schedule": "squaredcos_cap_v2",
            "prediction_type": "epsilon",
            "variance_type": "fixed_small_log",
            "clip_sample": True,
            "clip_sample_range": 1.0,
        },
        choices={
            **COMMON_CHOICES,
            "beta_schedule": ("squaredcos_cap_v2",),
            "variance_type": ("fixed_small_log", "learned_range"),
        },
        build=build_unclip,
        family="unclip",
    ),
    # "wuerstchen": models whose time is a share of a continuous schedule.
    Sampler(
        names=("DDPMWuerstchenScheduler", "wuerstchen"),
        defaults={
            "num_train_timesteps": 1000,
            "scaler": 1.0,
            "s": 0.008,
            "prediction_type": "epsilon",
        },
        choices={"prediction_type": ("epsilon",)},
        build=build_wuerstchen,
        family="wuerstchen",
    ),
    # "video": betas with a shift that no other sampler knows.
    Sampler(
        names=("CogVideoXDDIMScheduler", "cogvideox_ddim"),
        defaults=VIDEO_DEFAULTS,
        choices=COMMON_CHOICES,
        build=build_video_ddim,
        family="video",
    ),
    Sampler(
        names=("CogVideoXDPMScheduler", "cogvideox_dpm"),
        defaults=VIDEO_DEFAULTS,
        choices=COMMON_CHOICES,
        build=build_video_dpm,
        family="video",
    ),
    # "inpainting": any diffusion model, but with a picture and a mask after each row.
    Sampler(
        names=("RePaintScheduler", "repaint"),
        defaults={
            **BETAS,
            "eta": 0.0,
            "clip_sample": True,
            **LEADING,
            "jump_length": 10,
            "jump_n_sample": 10,
        },
        choices=COMMON_CHOICES,
        build=build_repaint,
        family="inpainting",
    ),
    # "score": models that return the score, told sigma.
    Sampler(
        names=("ScoreSdeVeScheduler", "sde_ve"),
        defaults={
            "num_train_timesteps": 2000,
            "snr": 0.15,
            "sigma_min": 0.01,
            "sigma_max": 1348.0,
            "sampling_eps": 1e-5,
            "correct_steps": 1,
            "prediction_type": "score",
        },
        choices={"prediction_type": ("score",)},
        build=build_sde_ve,
        family="score",
    ),
)
