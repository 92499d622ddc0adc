"""Euler's method on a rectified flow: Liu et al., arXiv 2209.03003.

The paper's time runs along sigma, with x = (1 - sigma) x0 + sigma eps.
"""

from functools import partial
from itertools import pairwise

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def velocity(v: Values) -> Array:
    """dx/dsigma along the line from x0 to eps: equation 1."""
    return v.eps - v.x0


def move(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """One Euler step along the velocity."""
    return (v.x + (to.sigma - now.sigma) * velocity(v),)


def flow_euler(levels: Levels) -> Method:
    """Euler over the levels of a flow, alpha = 1 - sigma; order 1 in sigma."""
    steps = pairwise(unpack(levels))
    return Method(1, [Call(now, to, partial(move, now=now, to=to)) for now, to in steps])
