"""SDE-DPM-Solver++ with a midpoint, k-diffusion's "DPM++ SDE": Lu et al., arXiv 2211.01095.

Written in x / alpha = x0 + s * eps of arXiv 2206.00364. The noises of a step's two halves and that
of the whole step are increments of one Brownian motion whose clock is s: the whole is the sum of
the halves. Slots: the sample; the decayed start of the step and the first half of its noise.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from .euler import ratio
from .euler_ancestral import parts
from .kdpm2 import final
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def share(now: Level, middle: Level, to: Level) -> tuple[float, float]:
    """What the unit noises of both halves add to the unit noise of the whole step."""
    whole = ratio(now) - ratio(to)
    halves = ratio(now) - ratio(middle), ratio(middle) - ratio(to)
    return np.sqrt(halves[0] / whole), np.sqrt(halves[1] / whole)


def first(v: Values, now: Level, middle: Level, to: Level, strength: float) -> tuple[Array, ...]:
    """Order 1 to the middle, keeping what the whole step needs."""
    x, s, noise = v.x / now.alpha, ratio(now), strength * v.noise
    down, up = parts(now, middle)
    half = down / s * x + (1 - down / s) * v.x0 + up * noise
    down, up = parts(now, to)
    return middle.alpha * half, down / s * x + share(now, middle, to)[0] * up * noise


def second(v: Values, now: Level, middle: Level, to: Level, strength: float) -> tuple[Array, ...]:
    """The whole step with the clean signal found in the middle."""
    s, noise = ratio(now), strength * v.noise
    down, up = parts(now, to)
    x = v.slots[1] + (1 - down / s) * v.x0 + share(now, middle, to)[1] * up * noise
    return to.alpha * x, 0 * v.x


def dpmpp_sde(levels: Levels, middles: Sequence[Level], *, strength: float = 1.0) -> Method:
    """DPM++ SDE over the levels, two calls a step except for one to clean.

    `middles` are the levels at the geometric mean of s, one for each step that does not end clean;
    all noise is multiplied by `strength`.
    """
    between = iter(middles)
    calls = []
    for now, to in pairwise(unpack(levels)):
        if to.sigma == 0:
            calls.append(Call(now, to, partial(final, now=now, to=to)))
            continue
        middle = next(between)
        own = {"now": now, "middle": middle, "to": to, "strength": strength}
        calls.append(Call(now, middle, partial(first, **own)))
        calls.append(Call(middle, to, partial(second, **own)))
    return Method(2, calls, keeps_variance=strength == 1)
