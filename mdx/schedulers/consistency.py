"""Multistep consistency sampling: Song et al., arXiv 2303.01469, algorithm 1."""

from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def move(v: Values, to: Level, strength: float = 1.0) -> tuple[Array, ...]:
    """The clean signal the model believes in, noised afresh to the next level."""
    return (to.alpha * v.x0 + strength * to.sigma * v.noise,)


def consistency(levels: Levels, *, strength: float = 1.0) -> Method:
    """A jump to clean and fresh noise, times `strength`, for each of the levels."""
    steps = pairwise(unpack(levels))
    return Method(1, [Call(now, to, partial(move, to=to, strength=strength)) for now, to in steps])


def preconditioned(method: Method, ratios: Array, least: float, data: float) -> Method:
    """The same calls for a network F of which the consistency function is c_skip x + c_out F.

    Equation 5 with the scalings of appendix C: `ratios` (N,) are the sigmas the network is told,
    `least` the one at which the function is the identity, `data` the data's standard deviation.
    Samples are x0 + sigma * eps.
    """
    calls = []
    for call, sigma in zip(method.calls, ratios, strict=True):
        skip = data**2 / ((sigma - least) ** 2 + data**2)
        out = data * (sigma - least) / np.hypot(sigma, data)
        calls.append(call._replace(reads=(skip, out), scale=1 / np.hypot(sigma, data)))
    return Method(method.slots, calls)
