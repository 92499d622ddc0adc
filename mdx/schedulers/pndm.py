"""PNDM: Pseudo Numerical Methods for Diffusion Models, Liu et al., arXiv 2202.09778.

Slots: the sample; the last three eps, newest first; the sample a Runge-Kutta step began with; the
sample that step has summed up so far. Without Runge-Kutta the start needs neither of the last two
for long: the saved sample lies where the second eps will be.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values

ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def transfer(x: Array, eps: Array, now: Level, to: Level) -> Array:
    """phi, equation 11: the sample moved from level `now` to level `to` along a fixed eps."""
    return to.alpha * ((x - now.sigma * eps) / now.alpha) + to.sigma * eps


def linear(v: Values, now: Level, to: Level, history: int) -> tuple[Array, ...]:
    """Pseudo linear multistep, equation 12, with the eps that the history holds; three suffice."""
    known = (v.eps, *v.slots[1:4])[: history + 1]
    eps = np.tensordot(ADAMS_BASHFORTH[len(known) - 1], known, axes=1)
    return transfer(v.x, eps, now, to), v.eps, *v.slots[1:3], *v.slots[4:]


def first(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """The start without Runge-Kutta, part 1: Euler, keeping where it began."""
    return transfer(v.x, v.eps, now, to), v.eps, v.x, v.slots[3]


def again(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """The start, part 2 (improved Euler): the same step once more with the mean of both eps."""
    begun, eps = v.slots[2], (v.slots[1] + v.eps) / 2
    return transfer(begun, eps, now, to), v.slots[1], v.slots[2], v.slots[3]


def runge_kutta(v: Values, part: int, now: Level, middle: Level, to: Level) -> tuple[Array, ...]:
    """Pseudo Runge-Kutta, equation 13, one of its four model calls (`part` 0 to 3).

    phi is linear in eps, so the sum over the four eps can run as a sum of samples.
    """
    x, newest, second, third, begun, total = v.slots
    if part == 0:
        begun, total = v.x, transfer(v.x, 0 * v.eps, now, to)
        newest, second, third = v.eps, newest, second
    step = transfer(0 * v.x, v.eps, now, to)
    total = total + step * (1 / 6, 1 / 3, 1 / 3, 1 / 6)[part]
    x = total if part == 3 else transfer(begun, v.eps, now, to if part == 2 else middle)
    return x, newest, second, third, begun, total


def pndm(levels: Levels, *, middle: Levels | None = None) -> Method:
    """PNDM over the levels.

    With `middle`, the levels halfway between the first ones, each of those transitions is a
    Runge-Kutta step of four model calls. Without it the first transition is made twice, so N
    transitions take N+1 calls (N = 1 takes one).

    Order: 4 with Runge-Kutta and 3 without, if the levels are evenly spaced in sigma / alpha, as
    the weights assume; 2 on any other spacing, the time grids of checkpoints included.
    """
    steps = list(pairwise(unpack(levels)))
    calls = []
    halves = unpack(middle) if middle is not None else []
    for (now, to), half in zip(steps, halves, strict=False):
        at = (now, half, half, to)
        after = (half, half, to, to)
        for part in range(4):
            update = partial(runge_kutta, part=part, now=now, middle=half, to=to)
            calls.append(Call(at[part], after[part], update))
    history = len(halves)
    if middle is None and len(steps) > 1:
        now, to = steps[0]
        calls.append(Call(now, to, partial(first, now=now, to=to)))
        calls.append(Call(to, to, partial(again, now=now, to=to)))
        history = 1
    for now, to in steps[history:]:
        calls.append(Call(now, to, partial(linear, now=now, to=to, history=history)))
        history += 1
    return Method(4 if middle is None else 6, calls)
