"""UniPC: a unified predictor-corrector framework, arXiv 2302.04867.

Each call serves twice: it corrects the step that led to its level, and predicts the next one from
the corrected sample. Slots: the predicted sample; the corrected one before it; what the last calls
said of x0 or eps, newest first.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from .exponential import Transfer, exact, halved, known, log_snr, moments, transfer
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values

ORDERS = (1, 2, 3)
SOLVERS = ("bh1", "bh2")
Move = tuple[
    list[Level], Level
]  # the levels whose values a step uses, its beginning first; its end


def weights(levels: list[Level], to: Level, step: Transfer, solver: str) -> Array:
    """The factors of the values at `levels` in the step to level `to`, (n,).

    More than two values: those that equation 5 is solved for, whatever B(h) is; they integrate the
    values' polynomial exactly. Two values: a = 1/2 for all h, as the paper takes it in section 3.4,
    and B(h) = h (bh1) or the integral of the exponential (bh2) counts.
    """
    nodes, end = [log_snr(level) for level in levels], log_snr(to)
    if len(nodes) != 2:
        return exact(nodes, end, step.rate)
    size = end - nodes[0] if solver == "bh1" else moments(step.rate, end - nodes[0], 1)[0]
    return halved(nodes, end, step.rate, size)


def corrected(
    v: Values, values: Sequence[Array], correct: Move | None, kind: str, solver: str
) -> Array:
    """The sample, corrected by the new value values[0] of x0 or eps where there is a corrector.

    slots[1] is the corrected sample before it, and the rest of `values` are older ones.
    """
    if correct is None:
        return v.x
    levels, to = correct
    step = transfer(kind, levels[0], to)
    used = (*values[1 : len(levels)], values[0])
    w = weights(levels, to, step, solver)
    return step.keep * v.slots[1] + step.gain * np.tensordot(w, used, axes=1)


def update(
    v: Values, correct: Move | None, predict: Move, kind: str, solver: str
) -> tuple[Array, ...]:
    """Algorithm 1: the corrector, where there is one, and the predictor."""
    new = known(v, kind)
    values = (new, *v.slots[2:])
    x = corrected(v, values, correct, kind, solver)
    levels, to = predict
    kept = (x, *values[: len(v.slots) - 2])
    if to.sigma == 0:
        x0 = new if kind == "dpmsolver++" else (x - levels[0].sigma * new) / levels[0].alpha
        return to.alpha * x0, *kept
    step = transfer(kind, levels[0], to)
    w = weights(levels, to, step, solver)
    return step.keep * x + step.gain * np.tensordot(w, values[: len(w)], axes=1), *kept


def unipc(
    levels: Levels,
    *,
    order: int = 2,
    solver: str = "bh2",
    kind: str = "dpmsolver++",
    lower_last: bool = True,
    uncorrected: Sequence[int] = (),
) -> Method:
    """UniPC over the levels, its predictors of order 1, 2 or 3; correctors raise that by one.

    The order grows by one a step, up to `order`; with `lower_last` it falls by one a step to 1 at
    the end. The last step, which no call follows, is never corrected, and the steps in
    `uncorrected`, counted from 0, are not either. `kind` "dpmsolver++" predicts x0, "dpmsolver"
    eps. ValueError for another order or solver.
    """
    if order not in ORDERS:
        raise ValueError(f"solver_order {order!r} is not one of 1, 2, 3")
    if solver not in SOLVERS:
        raise ValueError(f"solver_type {solver!r} is not one of {', '.join(SOLVERS)}")
    visited = unpack(levels)
    steps = len(visited) - 1
    calls, correct = [], None
    for i in range(steps):
        use = min(order, i + 1, steps - i if lower_last else order)
        used, to = visited[max(0, i - use + 1) : i + 1][::-1], visited[i + 1]
        bound = partial(update, correct=correct, predict=(used, to), kind=kind, solver=solver)
        calls.append(Call(visited[i], to, bound))
        correct = None if i in uncorrected else ([*used, to], to)
    return Method(order + 2, calls)
