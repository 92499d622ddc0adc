"""ER-SDE-Solver, extended reverse-time SDEs: Cui et al., arXiv 2309.06169.

In y = x / alpha over r = sigma / alpha every SDE of the family is solved by

    y_to = phi_to / phi y + phi_to * integral of phi'(r) / phi(r)^2 x0(r) + noise z,

    noise^2 = r_to^2 - (r phi_to / phi)^2,

with a noise scale phi(r) = r g(r) of one's choice: g = 1 is the probability flow, g = r the reverse
SDE, and between them lies what the paper found best. Slots: the sample and the last x0, the newest
first.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from .exponential import growing
from .levels import Level, Levels
from .tables import Array, Call, Method, Values

ORDERS = (1, 2, 3)
NOISE_SCALES: dict[str, Callable[[Array], Array]] = {  # g
    "er": lambda r: np.exp(r**0.3) + 10.0,
    "sde": lambda r: r,
    "ode": np.ones_like,
}
# g is smooth in log r: these Gauss-Legendre points integrate it to rounding.
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(24)


def weights(g: Callable[[Array], Array], nodes: Array, end: float) -> Array:
    """What the x0 at each of `nodes` (n,) adds: its Lagrange polynomial's integral, by parts.

    nodes[0] is where the step begins, `end` where it ends, both above 0.
    """
    middle, half = np.log(nodes[0] * end) / 2, np.log(nodes[0] / end) / 2
    r = np.exp(middle + half * POINTS)
    measure = half * WEIGHTS * end * g(np.array(end)) / g(r)
    power = np.arange(len(nodes))
    # Column j holds the coefficients of node j's polynomial, in r / nodes[0].
    lagrange = np.linalg.inv(np.vander(nodes / nodes[0], increasing=True))
    slopes = power * (r[:, None] / nodes[0]) ** (power - 1.0) / nodes[0]
    at_start = end * g(np.array(end)) / (nodes[0] * g(nodes[0])) * (power == 0)
    return (end / nodes[0]) ** power @ lagrange - at_start + measure @ slopes @ lagrange


def update(
    v: Values, before: Sequence[Level], now: Level, to: Level, g: Callable[[Array], Array]
) -> tuple[Array, ...]:
    """One step, of order len(before) + 1; to the clean level, where phi is 0, it is x0."""
    known = (v.x0, *v.slots[1:])
    history = known[: len(v.slots) - 1]
    if to.sigma == 0:
        return to.alpha * v.x0, *history
    nodes = np.array([level.sigma / level.alpha for level in (now, *before)])
    end = to.sigma / to.alpha
    share = float(g(np.array(end)) / g(nodes[0]))
    noise = end * np.sqrt(1 - min(1.0, share) ** 2)
    drawn = np.tensordot(weights(g, nodes, end), known[: len(nodes)], axes=1)
    return to.alpha * (share * end / nodes[0] / now.alpha * v.x + drawn + noise * v.noise), *history


def er_sde(levels: Levels, *, order: int = 3, noise_scale: str = "er") -> Method:
    """ER-SDE-Solver over the levels; its first steps are of the order their history allows.

    ValueError for another order or noise scale.
    """
    if order not in ORDERS:
        raise ValueError(f"solver_order {order!r} is not one of 1, 2, 3")
    if noise_scale not in NOISE_SCALES:
        raise ValueError(f"noise_scale {noise_scale!r} is not one of {', '.join(NOISE_SCALES)}")
    calls = [
        Call(now, to, partial(update, before=before, now=now, to=to, g=NOISE_SCALES[noise_scale]))
        for before, now, to in growing(levels, order)
    ]
    return Method(max(order, 2), calls)
