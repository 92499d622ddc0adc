"""Heun's method on a rectified flow: arXiv 2209.03003 for the flow, arXiv 2206.00364 for the steps.

Slots: the sample; where the step will end once the velocity at its end is known too: x + h v / 2.
"""

from functools import partial

from .euler import churning
from .flow_euler import noised, update, velocity
from .levels import Level, Levels
from .tables import Array, Call, Method, Values


def first(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """Euler to the end of the step."""
    return *update(v, now, to, to, 0.0), v.x + (to.sigma - now.sigma) / 2 * velocity(v)


def second(v: Values, now: Level, to: Level, up: Level, strength: float) -> tuple[Array, ...]:
    """The same step with the mean of both velocities, and the noise for the next step."""
    x = v.slots[1] + (to.sigma - now.sigma) / 2 * velocity(v)
    return noised(x, v, to, up, strength), 0 * v.x


def final(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """The step to the clean level is Euler's: models are not trained at its end."""
    return *update(v, now, to, to, 0.0), 0 * v.x


def flow_heun(levels: Levels, *, churned: Levels | None = None, strength: float = 1.0) -> Method:
    """Heun over the levels of a flow; order 2, two calls a step except for the one to clean.

    `churned` and `strength` as for flow Euler.
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
