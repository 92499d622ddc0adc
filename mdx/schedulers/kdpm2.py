"""The midpoint method with a geometric midpoint, k-diffusion's "DPM2".

DPM-Solver-2, arXiv 2206.00927, carried over to the x / alpha = x0 + s * eps of Karras et al., arXiv
2206.00364: the slope is taken halfway in log s, and used for the whole step. Slots: the sample; the
sample the step began with, over alpha.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from .euler import ratio, slope
from .euler import update as euler_update
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def first(v: Values, now: Level, middle: Level) -> tuple[Array, ...]:
    """Euler to the middle, keeping where it began."""
    return *euler_update(v, now, middle, middle, 0.0), v.x / now.alpha


def second(v: Values, now: Level, middle: Level, to: Level) -> tuple[Array, ...]:
    """The whole step with the slope at the middle."""
    x = v.slots[1] + (ratio(to) - ratio(now)) * slope(v, middle)
    return to.alpha * x, 0 * v.x


def final(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """The step to the clean level is Euler's: halfway to it in log s is nowhere."""
    return *euler_update(v, now, to, to, 0.0), 0 * v.x


def kdpm2(levels: Levels, middles: Sequence[Level]) -> Method:
    """The midpoint method over the levels; order 2, two calls a step except for one to clean.

    `middles` are the levels between neighbours, one for each step that does not end clean; the
    order needs them at the geometric mean of s, to the accuracy of a step.
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
