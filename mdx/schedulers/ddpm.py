"""DDPM: Denoising Diffusion Probabilistic Models, arXiv 2006.11239.

Learned variances: Improved DDPM, arXiv 2102.09672.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values

FIXED = ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log")
LEARNED = ("learned", "learned_range")
VARIANCES = (*FIXED, *LEARNED)
EXACT = FIXED[:2]  # keep the variance of the levels where the data are one point


def variances(now: Level, to: Level) -> tuple[float, float]:
    """The smaller and the larger variance of a step: beta tilde and beta, of equations 6 and 7.

    For steps of any length: beta is the noise that all steps between the levels added.
    """
    beta = 1 - (now.alpha / to.alpha) ** 2
    return to.sigma**2 / now.sigma**2 * beta, beta


def update(v: Values, now: Level, to: Level, std: float) -> tuple[Array, ...]:
    """Algorithm 2 with the mean of equation 7, and noise times `std`."""
    _, beta = variances(now, to)
    mean = to.alpha * beta / now.sigma**2 * v.x0
    mean = mean + (now.alpha / to.alpha) * to.sigma**2 / now.sigma**2 * v.x
    return (mean + std * v.noise,)


def spread(now: Level, to: Level, variance: str) -> tuple[float, float]:
    """The log of a learned standard deviation as a combination of (1, what the model says).

    learned: the model says the log variance. learned_range: it says where between beta tilde (-1)
    and beta (1) the log variance lies: arXiv 2102.09672, equation 15, whose v is from 0 to 1.
    """
    if variance == "learned":
        return 0.0, 0.5
    low, high = np.log(variances(now, to))
    return (high + low) / 4, (high - low) / 4


def ddpm(levels: Levels, *, variance: str = "fixed_small") -> Method:
    """DDPM over the levels, with the smaller or larger variance of section 3.2, or a learned one.

    The small one is exact if the data are one point, the large one if they are unit normal. Their
    logarithms, which some configs name, are the same numbers. The step to the clean level adds no
    noise. ValueError for another variance.
    """
    if variance not in VARIANCES:
        raise ValueError(f"variance_type {variance!r} is not one of {', '.join(VARIANCES)}")
    calls = []
    for now, to in pairwise(unpack(levels)):
        small, large = variances(now, to)
        learned = variance in LEARNED and to.sigma > 0
        std = np.sqrt(large if variance.startswith("fixed_large") and to.sigma > 0 else small)
        bound = partial(update, now=now, to=to, std=1.0 if learned else std)
        log = spread(now, to, variance) if learned else (0.0, 0.0)
        calls.append(Call(now, to, bound, spread=log))
    return Method(1, calls, keeps_variance=variance in EXACT)
