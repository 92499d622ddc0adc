"""The variance exploding SDE with its predictor and corrector: Song et al., arXiv 2011.13456.

Samples are x0 + sigma * eps; the model is told sigma and returns the score. The predictor is a
table. The corrector's step depends on the lengths of what it is given, which no table can hold: it
is a function of its own, for the caller to take at a level before the predictor's row.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def update(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """Reverse diffusion, algorithm 2, with the score as (x0 - x) / sigma^2; no noise into clean."""
    variance = now.sigma**2 - to.sigma**2
    noise = np.sqrt(variance) * v.noise if to.sigma else 0 * v.noise
    return (v.x + variance * (v.x0 - v.x) / now.sigma**2 + noise,)


def sde_ve(levels: Levels) -> Method:
    """The predictor over the levels, alpha = 1 throughout."""
    calls = []
    for now, to in pairwise(unpack(levels)):
        bound = partial(update, now=now, to=to)
        calls.append(Call(now, to, bound, reads=(1.0, now.sigma**2)))
    return Method(1, calls, keeps_variance=False)


def corrected(x: Array, score: Array, noise: Array, *, snr: float = 0.15) -> Array:
    """One Langevin step at a level, algorithm 4: (B, ...) of x, the model's score, unit noise.

    Its length makes noise and score keep the ratio `snr`, on the average of the batch.
    """
    sizes = [np.linalg.norm(a.reshape(len(a), -1), axis=1).mean() for a in (noise, score)]
    step = 2 * (snr * sizes[0] / sizes[1]) ** 2
    return x + step * score + np.sqrt(2 * step) * noise
