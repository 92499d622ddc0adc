"""DPM-Solver and DPM-Solver++ singlestep: arXiv 2206.00927 and arXiv 2211.01095.

A step of order k makes k calls, on the way at levels of the run; each goes from the step's own
beginning. Slots: the sample; the one that the step began with; what the step's calls said of eps
(DPM-Solver) or x0 (++), the first one first.
"""

from functools import partial

import numpy as np

from .exponential import exact, halved, known, log_snr, transfer
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values

ORDERS = (1, 2, 3)
SOLVERS = ("midpoint", "heun")


def update(
    v: Values, seen: tuple[Level, ...], to: Level, kind: str, solver: str
) -> tuple[Array, ...]:
    """From seen[0], where the step begins, to level `to`, with the values at all `seen` levels.

    The values' polynomial is integrated exactly. Solver "midpoint" takes two of them only: weights
    as in algorithm 1 of arXiv 2211.01095 for a step's second call, and for its third the first and
    the last value, as in algorithm 2 of arXiv 2206.00927. The step to the clean level ends at x0.
    """
    first = len(seen) == 1
    began = v.x if first else v.slots[1]
    values = (*(() if first else v.slots[2 : 1 + len(seen)]), known(v, kind))
    held = (began, *values, *[0 * v.x] * len(v.slots))[: len(v.slots) - 1]
    if to.sigma == 0:
        return to.alpha * v.x0, *held
    step = transfer(kind, seen[0], to)
    nodes, weigh = [log_snr(level) for level in seen], exact
    if solver == "midpoint" and not first:
        weigh = halved if len(seen) == 2 else exact
        nodes, values = [nodes[0], nodes[-1]], (values[0], values[-1])
    change = np.tensordot(weigh(nodes, log_snr(to), step.rate), values, axes=1)
    return step.keep * began + step.gain * change + step.noise * v.noise, *held


def dpm_singlestep(
    levels: Levels,
    *,
    order: int = 2,
    kind: str = "dpmsolver++",
    solver: str = "midpoint",
    lower_last: bool = False,
) -> Method:
    """DPM-Solver singlestep over the levels, of order 1, 2 or 3, one call for each level.

    Calls that make no whole step at the end are a step of lower order. If a whole one would end the
    run, its last call is a step of its own with `lower_last`; so is any that ends at the clean
    level. ValueError for another order, kind or solver.
    """
    if order not in ORDERS:
        raise ValueError(f"solver_order {order!r} is not one of 1, 2, 3")
    if solver not in SOLVERS:
        raise ValueError(f"solver_type {solver!r} is not one of {', '.join(SOLVERS)}")
    visited = unpack(levels)
    whole = (len(visited) - 1) % order == 0
    alone = visited[-1].sigma == 0 or (lower_last and whole)
    calls = []
    for i, to in enumerate(visited[1:]):
        begin = i if alone and to is visited[-1] else i - i % order
        seen = tuple(visited[begin : i + 1])
        bound = partial(update, seen=seen, to=to, kind=kind, solver=solver)
        calls.append(Call(visited[i], to, bound))
    slots = 1 if order == 1 else order + 1
    return Method(slots, calls, keeps_variance=kind != "sde-dpmsolver")
