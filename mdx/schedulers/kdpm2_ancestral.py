"""The midpoint method with ancestral noise, k-diffusion's "DPM2 a".

Each step is one of `kdpm2` to a lower level than asked, then fresh noise up to it, in the shares of
`euler_ancestral`. Slots: the sample; the sample the step began with, over alpha.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from .euler import ratio, slope
from .euler_ancestral import parts
from .kdpm2 import final, first
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def second(v: Values, now: Level, middle: Level, to: Level) -> tuple[Array, ...]:
    """The whole step down with the slope at the middle, and up again with noise."""
    down, up = parts(now, to)
    x = v.slots[1] + (down - ratio(now)) * slope(v, middle) + up * v.noise
    return to.alpha * x, 0 * v.x


def kdpm2_ancestral(levels: Levels, middles: Sequence[Level]) -> Method:
    """The ancestral midpoint method over the levels, two calls a step except for one to clean.

    `middles` as for `kdpm2`, between each level and the `down` of its step.
    """
    steps, between = list(pairwise(unpack(levels))), iter(middles)
    calls = []
    for now, to in steps:
        if to.sigma == 0:
            calls.append(Call(now, to, partial(final, now=now, to=to)))
            continue
        middle = next(between)
        calls.append(Call(now, middle, partial(first, now=now, middle=middle)))
        update = partial(second, now=now, middle=middle, to=to)
        calls.append(Call(middle, to, update))
    return Method(2, calls)
