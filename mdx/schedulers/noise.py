"""How much signal survives at each training step: betas and their cumulative products."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")


def betas(schedule: str, count: int, start: float = 1e-4, end: float = 0.02) -> Array:
    """Variances of the noise added at each of `count` training steps.

    Returns (count,) float64. `start` and `end` are the first and last beta of the two linear
    schedules. ValueError for an unknown schedule or for values outside 0 < beta < 1.

    linear: DDPM, arXiv 2006.11239, section 4. scaled_linear (linear in the square root): latent
    diffusion, arXiv 2112.10752. squaredcos_cap_v2: arXiv 2102.09672, equation 17.
    """
    if count < 1:
        raise ValueError(f"num_train_timesteps must be at least 1, not {count}")
    if schedule == "linear":
        return proper(np.linspace(start, end, count))
    if schedule == "scaled_linear":
        if min(start, end) <= 0:
            raise ValueError(f"betas must lie between 0 and 1: start {start}, end {end}")
        return proper(np.linspace(np.sqrt(start), np.sqrt(end), count) ** 2)
    if schedule == "squaredcos_cap_v2":
        f = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * np.pi / 2) ** 2
        return proper(np.minimum(1 - f[1:] / f[:-1], 0.999))
    raise ValueError(f"beta_schedule {schedule!r} is not one of {', '.join(SCHEDULES)}")


def proper(values: Array | Sequence[float]) -> Array:
    """The betas themselves, once they are known to be variances.

    Returns (count,) float64; ValueError unless they are a list of numbers in 0 < beta < 1.
    """
    try:
        beta = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"betas must be a list of numbers, not {values!r}") from None
    if beta.ndim != 1 or not beta.size:
        raise ValueError(f"betas must be a list of numbers, not an array of shape {beta.shape}")
    if not np.all((beta > 0) & (beta < 1)):
        raise ValueError(f"betas must lie between 0 and 1, not {beta.min():g} to {beta.max():g}")
    return beta


def alphas_cumprod(beta: Array) -> Array:
    """Share of the signal's variance left after each training step: prod (1 - beta).

    (count,) -> (count,) float64. arXiv 2006.11239, equation 4.
    """
    return np.cumprod(1 - beta, dtype=np.float64)


def zero_snr(kept: Array) -> Array:
    """The same schedule, shifted and stretched so that its last step is pure noise.

    (count,) alphas_cumprod -> (count,), the last one exactly 0. arXiv 2305.08891, algorithm 1.
    """
    root = np.sqrt(kept)
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
