"""DDIM: Denoising Diffusion Implicit Models, arXiv 2010.02502."""

from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def update(v: Values, now: Level, to: Level, eta: float) -> tuple[Array, ...]:
    """One step from level `now` to level `to`: equation 12, its noise as in equation 16.

    The pair of levels is all it knows: nothing is assumed of how far apart they are.
    """
    std = 0.0
    if eta:
        std = eta * to.sigma / now.sigma * np.sqrt(1 - (now.alpha / to.alpha) ** 2)
    x = to.alpha * v.x0 + np.sqrt(to.sigma**2 - std**2) * v.eps + std * v.noise
    return (x,)


def ddim(levels: Levels, *, eta: float = 0.0) -> Method:
    """DDIM over the levels; order 1.

    `eta` 0 is deterministic, 1 has the noise of DDPM. ValueError unless 0 <= eta <= 1.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie between 0 and 1, not {eta!r}")
    steps = pairwise(unpack(levels))
    return Method(1, [Call(now, to, partial(update, now=now, to=to, eta=eta)) for now, to in steps])
