"""DDPM: Denoising Diffusion Probabilistic Models, arXiv 2006.11239."""

from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values

VARIANCES = ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log")


def move(v: Values, now: Level, to: Level, large: bool) -> tuple[Array, ...]:
    """Algorithm 2, for steps of any length: beta is the noise that all steps between them added.

    The mean is that of equation 7; the variance its beta tilde, or beta itself if `large`. The step
    to the clean level adds none.
    """
    kept = (now.alpha / to.alpha) ** 2
    beta = 1 - kept
    mean = to.alpha * beta / now.sigma**2 * v.x0 + np.sqrt(kept) * to.sigma**2 / now.sigma**2 * v.x
    variance = to.sigma**2 / now.sigma**2 * beta
    if large and to.sigma > 0:
        variance = beta
    return (mean + np.sqrt(variance) * v.noise,)


def ddpm(levels: Levels, *, variance: str = "fixed_small") -> Method:
    """DDPM over the levels, with the smaller or the larger of section 3.2's two variances.

    The small one is exact if the data are one point, the large one if they are unit normal. Their
    logarithms, which some configs name, are the same numbers. ValueError for another variance.
    """
    if variance not in VARIANCES:
        raise ValueError(f"variance_type {variance!r} is not one of {', '.join(VARIANCES)}")
    large = variance.startswith("fixed_large")
    steps = pairwise(unpack(levels))
    return Method(1, [Call(a, b, partial(move, now=a, to=b, large=large)) for a, b in steps])
