"""Euler with ancestral noise, the "Euler a" of k-diffusion.

Each step goes further down than asked along the probability flow of Karras et al., arXiv
2206.00364, and comes back up with fresh noise: the posterior of DDPM, arXiv 2006.11239, written in
s = sigma / alpha. It is DDIM with eta = 1.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from .euler import ratio, slope
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def parts(now: Level, to: Level) -> tuple[float, float]:
    """(down, up): down^2 + up^2 = s_to^2, with the share up that the posterior has."""
    s, s_to = ratio(now), ratio(to)
    up = s_to * np.sqrt(max(s**2 - s_to**2, 0.0)) / s
    return s_to**2 / s, up


def update(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """One Euler step to `down`, then noise of size `up`."""
    down, up = parts(now, to)
    x = v.x / now.alpha + (down - ratio(now)) * slope(v, now) + up * v.noise
    return (to.alpha * x,)


def euler_ancestral(levels: Levels) -> Method:
    """Ancestral Euler over the levels. Levels need alpha > 0."""
    steps = pairwise(unpack(levels))
    return Method(1, [Call(now, to, partial(update, now=now, to=to)) for now, to in steps])
