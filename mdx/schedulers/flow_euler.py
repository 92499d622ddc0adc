"""Euler's method on a rectified flow: Liu et al., arXiv 2209.03003.

The paper's time runs along sigma, with x = (1 - sigma) x0 + sigma eps. Churn, the noise that raises
a sample before the model sees it, is that of arXiv 2206.00364, algorithm 2.
"""

from functools import partial

from .euler import churn, churning
from .levels import Level, Levels
from .tables import Array, Call, Method, Values


def velocity(v: Values) -> Array:
    """dx/dsigma along the line from x0 to eps: equation 1."""
    return v.eps - v.x0


def noised(x: Array, v: Values, to: Level, up: Level, strength: float) -> Array:
    """A sample at `to`, raised to `up`; there the flow keeps less of the signal."""
    return up.alpha / to.alpha * x + up.alpha * churn(v, to, up, strength) if up != to else x


def update(v: Values, now: Level, to: Level, up: Level, strength: float) -> tuple[Array, ...]:
    """One Euler step along the velocity, and the noise with which the next step begins."""
    return (noised(v.x + (to.sigma - now.sigma) * velocity(v), v, to, up, strength),)


def flow_euler(levels: Levels, *, churned: Levels | None = None, strength: float = 1.0) -> Method:
    """Euler over the levels of a flow, alpha = 1 - sigma; order 1 in sigma.

    `churned` are the levels that each of them is raised to before the model is called; the noise
    for it, times `strength`, is added by the row before, so a run begins already raised.
    """
    own = {"strength": strength}
    return Method(
        1,
        [
            Call(now, up, partial(update, now=now, to=to, up=up, **own))
            for now, to, up in churning(levels, churned)
        ],
        keeps_variance=churned is None or strength == 1,
    )
