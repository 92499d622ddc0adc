"""Linear multistep (Adams-Bashforth) on the probability flow of arXiv 2206.00364.

The slope dx/ds of x / alpha = x0 + s * eps is eps itself; its interpolating polynomial through the
last calls is integrated over the step, whatever the spacing. Slots: the sample; up to three eps,
newest first.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from .euler import ratio
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values

ORDERS = (1, 2, 3, 4)
# Two Gauss-Legendre points integrate polynomials of degree 3 exactly, which is order 4.
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(2)


def weights(known: list[float], end: float) -> Array:
    """Integrals of the Lagrange polynomials of the points `known` from known[0] to `end`."""
    nodes = np.array(known)
    half = (end - nodes[0]) / 2
    powers = range(len(nodes))
    moments = [half * WEIGHTS @ (half * (POINTS + 1)) ** p for p in powers]
    return np.linalg.solve(np.vander(nodes - nodes[0], increasing=True).T, moments)


def update(v: Values, before: tuple[Level, ...], now: Level, to: Level) -> tuple[Array, ...]:
    """One step with the slopes at `now` and at the levels `before` it, newest first."""
    w = weights([ratio(level) for level in (now, *before)], ratio(to))
    known = (v.eps, *v.slots[1:])
    x = v.x / now.alpha + np.tensordot(w, known[: len(w)], axes=1)
    return to.alpha * x, *known[: len(v.slots) - 1]


def lms(levels: Levels, *, order: int = 4) -> Method:
    """Linear multistep over the levels; the order grows by one a step, up to `order`.

    It follows the history there is: a run that begins late begins with order 1. ValueError for an
    order other than 1 to 4. Levels need alpha > 0.
    """
    if order not in ORDERS:
        raise ValueError(f"order {order!r} is not one of 1, 2, 3, 4")
    visited = unpack(levels)
    calls = []
    for i, (now, to) in enumerate(pairwise(visited)):
        before = tuple(visited[max(0, i - order + 1) : i][::-1])
        calls.append(Call(now, to, partial(update, before=before, now=now, to=to)))
    return Method(order, calls)
