"""SA-Solver, stochastic Adams with predictor and corrector: Xue et al., arXiv 2309.05019.

Slots: the sample, which is the prediction; what the corrector of this step begins with: the decayed
sample and the noise of the step before; the last predictions of the model, newest first.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .exponential import fitted, log_snr, moments
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values

ORDERS = (1, 2, 3)


class Step(NamedTuple):
    """One transition, and how it is made."""

    now: Level
    to: Level
    tau: float  # how random: 0 is the probability flow, 1 the reverse SDE
    data: bool  # integrates x0, else eps


def weights(step: Step, nodes: Sequence[Level]) -> Array:
    """What each known prediction adds: integrals of its Lagrange polynomial over the step.

    With two nodes the slope's integral is taken with the exponential of its end, h^2 / 2.
    """
    h = log_snr(step.to) - log_snr(step.now)
    rate = 1 + step.tau**2 if step.data else -1.0
    front = rate * step.to.alpha if step.data else -(1 + step.tau**2) * step.to.sigma
    if step.to.sigma == 0:
        return np.array([1.0 if step.data else -step.now.sigma / step.now.alpha])
    integrals = moments(rate, h, len(nodes))
    if len(nodes) == 2 and step.data:
        integrals[1] = h**2 / 2
    return front * fitted([log_snr(level) - log_snr(step.now) for level in nodes], integrals)


def begun(step: Step, x: Array, noise: Array) -> Array:
    """The decayed sample and the step's noise, which predictor and corrector share."""
    h, tau, now, to = log_snr(step.to) - log_snr(step.now), step.tau, step.now, step.to
    if step.data:
        kept = to.sigma / now.sigma * np.exp(-(tau**2) * h) if to.sigma else 0.0
        return kept * x + to.sigma * np.sqrt(-np.expm1(-2 * tau**2 * h) if tau else 0.0) * noise
    size = tau * to.sigma * np.sqrt(np.expm1(2 * h)) if tau and to.sigma else 0.0
    return to.alpha / now.alpha * x + size * noise


def update(
    v: Values, before: Step | None, step: Step, corrected: Sequence[Level], used: Sequence[Level]
) -> tuple[Array, ...]:
    """Algorithm 1: correct the sample with what the model says of it, then predict the next one.

    `corrected` and `used` are the levels of the predictions that corrector and predictor take.
    """
    known = (v.x0 if step.data else v.eps, *v.slots[2:])
    x = v.x
    if before is not None:
        w = weights(before, corrected)
        x = v.slots[1] + np.tensordot(w, known[: len(w)], axes=1)
    start, w = begun(step, x, v.noise), weights(step, used)
    return start + np.tensordot(w, known[: len(w)], axes=1), start, *known[: len(v.slots) - 2]


def sa_solver(
    levels: Levels,
    tau: Callable[[float], float],
    *,
    predictor: int = 2,
    corrector: int = 2,
    data: bool = True,
    lower_final: bool = True,
) -> Method:
    """SA-Solver over the levels; `tau` says how random the step from a model time is.

    `predictor` and `corrector` are the predictions they take, fewer while there are fewer, and
    towards the end if `lower_final`. ValueError unless they are 1, 2 or 3.
    """
    if predictor not in ORDERS or corrector not in ORDERS:
        raise ValueError(f"orders must be 1, 2 or 3, not {predictor!r} and {corrector!r}")
    visited = unpack(levels)
    n = len(visited) - 1
    calls, before, random = [], None, False
    for i, (now, to) in enumerate(pairwise(visited)):
        clean = to.sigma == 0
        step = Step(now, to, 0.0 if clean else tau(now.t), data)
        p, q = predictor, corrector
        if lower_final:
            p, q = min(p, n - i), min(q, n - i + 2)
        used = visited[max(0, i - (0 if clean else p - 1)) : i + 1][::-1]
        corrected = visited[max(0, i - q + 1) : i + 1][::-1]
        bound = partial(update, before=before, step=step, corrected=corrected, used=used)
        calls.append(Call(now, to, bound))
        before, random = step, random or step.tau > 0
    slots = 2 + max(predictor, corrector) - 1
    return Method(slots, calls, keeps_variance=data or not random)
