"""iPNDM: PNDM of Liu et al., arXiv 2202.09778, without its Runge-Kutta start, on angles.

Slots: the sample; the last three eps, newest first.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from .ddim import update as ddim_update
from .levels import Array, Level, Levels, unpack
from .pndm import linear
from .tables import Call, Method, Values


def angular(t: Array) -> Levels:
    """Levels at model times t, the angle of (alpha, sigma) in right angles; (N,) -> Levels of (N,).

    ValueError unless the times fall strictly within 1 >= t >= 0.
    """
    if np.any(np.diff(t) >= 0) or t[0] > 1 or t[-1] < 0:
        raise ValueError(f"timesteps must fall strictly within 1 to 0: {t.tolist()}")
    # cos(pi / 2) is 6e-17: where nothing but noise is left, exactly that.
    alpha = np.where(t < 1, np.cos(np.pi / 2 * t), 0.0)
    return Levels(t, alpha, np.sin(np.pi / 2 * t))


def first(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """Euler; unlike the steps that follow it can begin where there is no signal."""
    return *ddim_update(v, now, to, 0.0), v.eps, *v.slots[1:3]


def ipndm(levels: Levels) -> Method:
    """iPNDM over the levels: Adams-Bashforth, equation 12, of orders 1, 2, 3 and then 4."""
    calls = []
    for i, (now, to) in enumerate(pairwise(unpack(levels))):
        later = partial(linear, now=now, to=to, history=i)
        calls.append(Call(now, to, later if i else partial(first, now=now, to=to)))
    return Method(4, calls)
