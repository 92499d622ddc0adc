"""Multistep consistency sampling: Song et al., arXiv 2303.01469, algorithm 1."""

from functools import partial
from itertools import pairwise

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def update(v: Values, to: Level, strength: float = 1.0) -> tuple[Array, ...]:
    """The clean signal the model believes in, noised afresh to the next level."""
    return (to.alpha * v.x0 + strength * to.sigma * v.noise,)


def consistency(levels: Levels, *, strength: float = 1.0) -> Method:
    """A jump to clean and fresh noise, times `strength`, for each of the levels."""
    steps = pairwise(unpack(levels))
    calls = [Call(now, to, partial(update, to=to, strength=strength)) for now, to in steps]
    return Method(1, calls, keeps_variance=strength == 1)
