"""Multistep consistency sampling: Song et al., arXiv 2303.01469, algorithm 1."""

from functools import partial
from itertools import pairwise

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def move(v: Values, to: Level) -> tuple[Array, ...]:
    """The clean signal the model believes in, noised afresh to the next level."""
    return (to.alpha * v.x0 + to.sigma * v.noise,)


def consistency(levels: Levels) -> Method:
    """A jump to clean and fresh noise for each of the levels; the last step adds none to clean."""
    steps = pairwise(unpack(levels))
    return Method(1, [Call(now, to, partial(move, to=to)) for now, to in steps])
