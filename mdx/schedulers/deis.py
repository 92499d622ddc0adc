"""DEIS: Fast Sampling of Diffusion Models with Exponential Integrator, arXiv 2204.13902.

tAB-DEIS in log rho, where rho = sigma / alpha: x / alpha moves by the integral of eps over rho, and
eps is extrapolated as a polynomial in log rho = -lambda. Slots: the sample; the last eps, newest
first.
"""

from functools import partial

import numpy as np

from .exponential import exact, growing, log_snr
from .levels import Level, Levels
from .tables import Array, Call, Method, Values

ORDERS = (1, 2, 3)


def update(v: Values, now: Level, to: Level, before: tuple[Level, ...]) -> tuple[Array, ...]:
    """One step, equations 14 and 15, with eps at `now` and at the levels `before` it, newest first.

    d rho = -rho d lambda, and rho at lambda is rho_to e^(lambda_to - lambda). The step to the clean
    level ends at x0.
    """
    known = (v.eps, *v.slots[1:])
    history = known[: len(v.slots) - 1]
    if to.sigma == 0:
        return to.alpha * v.x0, *history
    w = exact([log_snr(level) for level in (now, *before)], log_snr(to), -1.0)
    change = -to.sigma / to.alpha * np.tensordot(w, known[: len(w)], axes=1)
    return to.alpha * (v.x / now.alpha + change), *history


def deis(levels: Levels, *, order: int = 2, last_orders: tuple[int, ...] = ()) -> Method:
    """DEIS over the levels, of order 1, 2 or 3.

    The order grows by one a step, up to `order`; `last_orders` are upper bounds for the last steps,
    the very last one first. ValueError for another order.
    """
    if order not in ORDERS:
        raise ValueError(f"solver_order {order!r} is not one of 1, 2, 3")
    calls = [
        Call(now, to, partial(update, now=now, to=to, before=before))
        for before, now, to in growing(levels, order, last_orders)
    ]
    return Method(order, calls)
