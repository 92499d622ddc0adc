"""How much signal survives at each training step: betas and their cumulative products."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "exp", "laplace")
LARGEST = 0.999  # beta of the schedules that are given by the signal they keep


def betas(schedule: str, count: int, start: float = 1e-4, end: float = 0.02) -> Array:
    """Variances of the noise added at each of `count` training steps.

    Returns (count,) float64. `start` and `end` are the first and last beta of the two linear
    schedules, and the bounds of sigmoid. ValueError for an unknown schedule or for values outside
    0 < beta < 1.

    linear: DDPM, arXiv 2006.11239, section 4. scaled_linear (linear in the square root): latent
    diffusion, arXiv 2112.10752. squaredcos_cap_v2: arXiv 2102.09672, equation 17. sigmoid: GeoDiff,
    arXiv 2203.02923. exp: the signal falls to e^-12. laplace: arXiv 2407.03297, table 1, with
    location 0 and scale 1/2; models that name it were trained with the signal's factor, alpha, for
    its square.
    """
    if count < 1:
        raise ValueError(f"num_train_timesteps must be at least 1, not {count}")
    if schedule == "linear":
        return proper(np.linspace(start, end, count))
    if schedule == "scaled_linear":
        if min(start, end) <= 0:
            raise ValueError(f"betas must lie between 0 and 1: start {start}, end {end}")
        return proper(np.linspace(np.sqrt(start), np.sqrt(end), count) ** 2)
    if schedule == "sigmoid":
        return proper(start + (end - start) / (1 + np.exp(-np.linspace(-6, 6, count))))
    time = np.arange(count + 1) / count
    if schedule == "squaredcos_cap_v2":
        return keeping(np.cos((time + 0.008) / 1.008 * np.pi / 2) ** 2)
    if schedule == "exp":
        return keeping(np.exp(-12 * time))
    if schedule == "laplace":
        log_snr = np.where(time > 0.5, 1, -1) / 2 * np.log(1 - np.abs(2 * time - 1) + 1e-6)
        return keeping(np.sqrt(1 / (1 + np.exp(-log_snr))))
    raise ValueError(f"beta_schedule {schedule!r} is not one of {', '.join(SCHEDULES)}")


def keeping(signal: Array) -> Array:
    """The betas of steps between levels that keep these shares of the signal, (count+1,)."""
    return proper(np.minimum(1 - signal[1:] / signal[:-1], LARGEST))


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
