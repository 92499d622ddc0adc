"""Euler's method on the probability flow: Karras et al., arXiv 2206.00364, algorithm 1."""

from functools import partial
from itertools import pairwise

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def move(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """One Euler step, algorithm 1 without the correction, from sigma `s` to `s_next`.

    The paper's sample x / alpha is x0 + s * eps with s = sigma / alpha.
    """
    s, s_next = now.sigma / now.alpha, to.sigma / to.alpha
    x = v.x / now.alpha
    d = (x - v.x0) / s
    return (to.alpha * (x + (s_next - s) * d),)


def euler(levels: Levels) -> Method:
    """Euler over the levels; order 1. Levels need alpha > 0."""
    steps = pairwise(unpack(levels))
    return Method(1, [Call(now, to, partial(move, now=now, to=to)) for now, to in steps])
