"""DPM-Solver and DPM-Solver++ multistep: arXiv 2206.00927 and arXiv 2211.01095.

Slots: the sample; then what the last calls said of eps (DPM-Solver) or x0 (++), newest first.
"""

from functools import partial

import numpy as np

from .exponential import exact, growing, halved, known, log_snr, transfer
from .levels import Level, Levels
from .tables import Array, Call, Method, Values

ORDERS = (1, 2, 3)
SOLVERS = ("midpoint", "heun")


def update(
    v: Values, now: Level, to: Level, before: tuple[Level, ...], kind: str, solver: str
) -> tuple[Array, ...]:
    """One step with the values at `now` and at the levels `before` it, newest first.

    The values' polynomial is integrated exactly: arXiv 2211.01095, equation 9. Two values may take
    the weights of its algorithm 2 instead, solver "midpoint". A step to the clean level ends at x0.
    """
    values = (known(v, kind), *v.slots[1:])
    history = values[: len(v.slots) - 1]
    if to.sigma == 0:
        return to.alpha * v.x0, *history
    step = transfer(kind, now, to)
    nodes = [log_snr(level) for level in (now, *before)]
    weigh = halved if len(nodes) == 2 and solver == "midpoint" else exact
    w = weigh(nodes, log_snr(to), step.rate)
    change = np.tensordot(w, values[: len(w)], axes=1)
    return step.keep * v.x + step.gain * change + step.noise * v.noise, *history


def dpm_multistep(
    levels: Levels,
    *,
    order: int = 2,
    kind: str = "dpmsolver++",
    solver: str = "midpoint",
    last_orders: tuple[int, ...] = (),
) -> Method:
    """DPM-Solver multistep over the levels, of order 1, 2 or 3.

    The order grows by one a step, up to `order`; `last_orders` are upper bounds for the last steps,
    the very last one first. A step to the clean level, where log-SNR is infinite, has order 1.
    ValueError for another order, kind or solver.
    """
    if order not in ORDERS:
        raise ValueError(f"solver_order {order!r} is not one of 1, 2, 3")
    if solver not in SOLVERS:
        raise ValueError(f"solver_type {solver!r} is not one of {', '.join(SOLVERS)}")
    calls = []
    for before, now, to in growing(levels, order, last_orders):
        bound = partial(update, now=now, to=to, before=before, kind=kind, solver=solver)
        calls.append(Call(now, to, bound))
    return Method(order, calls, keeps_variance=kind != "sde-dpmsolver")
