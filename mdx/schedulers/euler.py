"""Euler's method on the probability flow: Karras et al., arXiv 2206.00364, algorithm 2.

The paper's sample is x / alpha = x0 + s * eps, with s = sigma / alpha.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def ratio(level: Level) -> float:
    """s = sigma / alpha, the paper's sigma."""
    return level.sigma / level.alpha


def slope(v: Values, now: Level) -> Array:
    """dx/ds at level `now`: line 7, (x - D) / s."""
    return (v.x / now.alpha - v.x0) / ratio(now)


def churn(v: Values, now: Level, to: Level, strength: float) -> Array:
    """Noise that takes a sample x / alpha from `now` up to `to`: lines 4 to 6."""
    return strength * np.sqrt(max(ratio(to) ** 2 - ratio(now) ** 2, 0.0)) * v.noise


def churning(levels: Levels, churned: Levels | None) -> list[tuple[Level, Level, Level]]:
    """The steps of a run: from a raised level, to the next, and what that is raised to."""
    raised = pairwise(unpack(churned or levels))
    return [(now, to, up) for (now, up), to in zip(raised, unpack(levels)[1:], strict=True)]


def update(v: Values, now: Level, to: Level, up: Level, strength: float) -> tuple[Array, ...]:
    """One Euler step, line 8, and the noise with which the next step begins."""
    x = v.x / now.alpha + (ratio(to) - ratio(now)) * slope(v, now)
    return (up.alpha * (x + churn(v, to, up, strength)),)


def euler(levels: Levels, *, churned: Levels | None = None, strength: float = 1.0) -> Method:
    """Euler over the levels; order 1. Levels need alpha > 0.

    `churned` are the levels that the paper raises each of them to before calling the model; the
    noise for it, times `strength`, is added by the row before, so a run begins already raised.
    """
    calls = []
    for now, to, up in churning(levels, churned):
        bound = partial(update, now=now, to=to, up=up, strength=strength)
        calls.append(Call(now, up, bound))
    return Method(1, calls, keeps_variance=churned is None or strength == 1)
