"""Trajectory consistency distillation: Zheng et al., arXiv 2402.19159."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def update(v: Values, down: Level, to: Level) -> tuple[Array, ...]:
    """Strategic stochastic sampling: along the trajectory to `down`, and back up with noise.

    `down` is the level the paper calls s, at or below `to`.
    """
    kept = to.alpha / down.alpha
    std = np.sqrt(max(to.sigma**2 - (kept * down.sigma) ** 2, 0.0))
    return (kept * (down.alpha * v.x0 + down.sigma * v.eps) + std * v.noise,)


def tcd(levels: Levels, downs: Sequence[Level]) -> Method:
    """TCD over the levels; `downs` has one level for each step, which then adds noise.

    The last step goes straight to its level. Where every step does, this is DDIM.
    """
    calls = []
    for (now, to), down in zip(pairwise(unpack(levels)), downs, strict=True):
        calls.append(Call(now, to, partial(update, down=down, to=to)))
    return Method(1, calls)
