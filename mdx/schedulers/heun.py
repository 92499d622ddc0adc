"""Heun's method on the probability flow: Karras et al., arXiv 2206.00364, algorithms 1 and 2.

Slots: the sample; where the step will end once the slope at its end is known too: x + h d / 2.
"""

from functools import partial

from .euler import churn, churning, ratio, slope
from .euler import update as euler_update
from .levels import Level, Levels
from .tables import Array, Call, Method, Values


def first(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """Euler to the end of the step, algorithm 2, line 8."""
    x, h, d = v.x / now.alpha, ratio(to) - ratio(now), slope(v, now)
    return to.alpha * (x + h * d), x + h / 2 * d


def second(v: Values, now: Level, to: Level, up: Level, strength: float) -> tuple[Array, ...]:
    """The same step with the mean of both slopes, line 11, and the noise of the next step."""
    h, d = ratio(to) - ratio(now), slope(v, to)
    return up.alpha * (v.slots[1] + h / 2 * d + churn(v, to, up, strength)), 0 * v.x


def final(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """The step to the clean level is Euler's: there is no slope at its end."""
    return *euler_update(v, now, to, to, 0.0), 0 * v.x


def heun(levels: Levels, *, churned: Levels | None = None, strength: float = 1.0) -> Method:
    """Heun over the levels; order 2, two calls a step except for the one to the clean level.

    Levels need alpha > 0. `churned` and `strength` as for Euler.
    """
    calls = []
    for now, to, up in churning(levels, churned):
        if to.sigma == 0:
            calls.append(Call(now, to, partial(final, now=now, to=to)))
            continue
        calls.append(Call(now, to, partial(first, now=now, to=to)))
        update = partial(second, now=now, to=to, up=up, strength=strength)
        calls.append(Call(to, up, update))
    return Method(2, calls, keeps_variance=churned is None or strength == 1)
