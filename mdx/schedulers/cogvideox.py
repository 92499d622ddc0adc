"""The two samplers of CogVideoX: Yang et al., arXiv 2408.06072.

DDIM, arXiv 2010.02502, and SDE-DPM-Solver++ of order 2, arXiv 2211.01095, both written in x and x0
so that they bear a level without signal. Slots of the second: the sample and the previous x0.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from .exponential import log_snr
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def shifted(kept: Array, scale: float) -> Array:
    """alphas_cumprod whose signal to noise ratio is divided by `scale`, (T,) -> (T,).

    Larger pictures need more noise to hide as much of them.
    """
    return kept / (scale + (1 - scale) * kept)


def straight(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """DDIM, equation 12 without noise, with eps as x and x0 tell it, clipping included."""
    share = to.sigma / now.sigma
    return (share * v.x + (to.alpha - now.alpha * share) * v.x0,)


def random(v: Values, before: Level | None, now: Level, to: Level) -> tuple[Array, ...]:
    """One step of SDE-DPM-Solver++; of order 2 where it knows the level `before`."""
    h = log_snr(to) - log_snr(now)
    x0 = v.x0
    if before is not None:
        # After a level without signal the ratio is 0: that x0 says nothing of the slope.
        x0 = v.x0 + h / (2 * (log_snr(now) - log_snr(before))) * (v.x0 - v.slots[1])
    x = to.sigma / now.sigma * np.exp(-h) * v.x - to.alpha * np.expm1(-2 * h) * x0
    return x + to.sigma * np.sqrt(-np.expm1(-2 * h)) * v.noise, v.x0


def cogvideox_ddim(levels: Levels) -> Method:
    """DDIM over the levels; order 1."""
    steps = pairwise(unpack(levels))
    return Method(1, [Call(now, to, partial(straight, now=now, to=to)) for now, to in steps])


def cogvideox_dpm(levels: Levels) -> Method:
    """SDE-DPM-Solver++ over the levels; order 1 at the start, and at the end if that is clean."""
    visited = unpack(levels)
    calls = []
    for i, (now, to) in enumerate(pairwise(visited)):
        before = visited[i - 1] if i and to.sigma else None
        calls.append(Call(now, to, partial(random, before=before, now=now, to=to)))
    return Method(2, calls)
