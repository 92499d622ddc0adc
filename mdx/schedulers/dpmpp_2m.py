"""DPM-Solver++ multistep, orders 1 and 2: Lu et al., arXiv 2211.01095.

Slots: the sample and the previous x0.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values

SOLVERS = ("midpoint", "heun")


def log_snr(level: Level) -> float:
    """lambda = log(alpha / sigma), half the log of the signal-to-noise ratio."""
    return np.inf if level.sigma == 0 else float(np.log(level.alpha / level.sigma))


def first(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """Order 1, equation 9 with k = 1; the same as DDIM."""
    h = log_snr(to) - log_snr(now)
    x = to.sigma / now.sigma * v.x - to.alpha * np.expm1(-h) * v.x0
    return x, v.x0


def second(v: Values, before: Level, now: Level, to: Level, solver: str) -> tuple[Array, ...]:
    """Order 2, algorithm 2, with the previous x0 as the second point.

    "midpoint" takes the derivative's weight as half the first-order weight; "heun" integrates it
    exactly, equation 9 with k = 2. Both agree to the order of the method.
    """
    h, h_before = log_snr(to) - log_snr(now), log_snr(now) - log_snr(before)
    d0 = v.x0
    d1 = (h / h_before) * (v.x0 - v.slots[1])
    weight = -0.5 * np.expm1(-h)
    if solver == "heun":
        weight = np.expm1(-h) / h + 1 if h else 0.0  # a ramp may end on its final level twice
    x = to.sigma / now.sigma * v.x - to.alpha * np.expm1(-h) * d0 + to.alpha * weight * d1
    return x, v.x0


def dpmpp_2m(
    levels: Levels, *, order: int = 2, solver: str = "midpoint", last_first_order: bool = True
) -> Method:
    """DPM-Solver++ multistep over the levels; order 1 or 2.

    The first step has no history and is of order 1; so is the last one when asked, or when it ends
    at the clean level, where log-SNR is infinite. ValueError for another order or solver.
    """
    if order not in (1, 2):
        raise ValueError(f"solver_order {order!r} is not one of 1, 2")
    if solver not in SOLVERS:
        raise ValueError(f"solver_type {solver!r} is not one of {', '.join(SOLVERS)}")
    visited = unpack(levels)
    calls = []
    for i, (now, to) in enumerate(pairwise(visited)):
        last = i == len(visited) - 2
        if order == 1 or i == 0 or to.sigma == 0 or (last and last_first_order):
            update = partial(first, now=now, to=to)
        else:
            update = partial(second, before=visited[i - 1], now=now, to=to, solver=solver)
        calls.append(Call(now, to, update))
    return Method(2, calls)
