"""Exponential integrators in lambda = log(alpha / sigma), half the log-SNR.

What DPM-Solver, DEIS and UniPC have in common: the sample's own decay is solved exactly, and what
is left is the integral of x0 or eps against an exponential. arXiv 2206.00927, proposition 3.1;
arXiv 2211.01095, proposition 4.1, and its section on SDEs for the stochastic kinds.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Values

KINDS = ("dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++")
# For short steps: ten Gauss-Legendre points integrate all that occurs here to rounding.
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(10)


class Transfer(NamedTuple):
    """x_to = keep x + gain * integral of e^(-rate (lambda_to - lambda)) f(lambda) + noise z."""

    keep: float
    gain: float
    rate: float
    noise: float


def log_snr(level: Level) -> float:
    """lambda = log(alpha / sigma), infinite at both ends."""
    if level.alpha == 0 or level.sigma == 0:
        return -np.inf if level.alpha == 0 else np.inf
    return float(np.log(level.alpha) - np.log(level.sigma))


def of_x0(kind: str) -> bool:
    """Whether f is x0, as in DPM-Solver++; otherwise it is eps."""
    return kind.endswith("++")


def known(v: Values, kind: str) -> Array:
    """The value of f that a model call gives."""
    return v.x0 if of_x0(kind) else v.eps


def transfer(kind: str, now: Level, to: Level) -> Transfer:
    """From level `now` to level `to`, whose sigma is not 0; ValueError for an unknown kind.

    dpmsolver: arXiv 2206.00927, equation 3.4; dpmsolver++: arXiv 2211.01095, equation 8. The
    stochastic kinds solve the reverse SDE instead, and need lambda to rise.
    """
    h = log_snr(to) - log_snr(now)
    decay, scale = to.sigma / now.sigma, to.alpha / now.alpha
    if kind == "dpmsolver++":
        return Transfer(decay, to.alpha, 1.0, 0.0)
    if kind == "dpmsolver":
        return Transfer(scale, -to.sigma, -1.0, 0.0)
    h = max(h, 0.0)  # a ramp may end on its final level twice, but for a rounding
    if kind == "sde-dpmsolver++":
        noise = to.sigma * np.sqrt(-np.expm1(-2 * h))
        return Transfer(decay * np.exp(-h), 2 * to.alpha, 2.0, noise)
    if kind == "sde-dpmsolver":
        return Transfer(scale, -2 * to.sigma, -1.0, to.sigma * np.sqrt(np.expm1(2 * h)))
    raise ValueError(f"algorithm_type {kind!r} is not one of {', '.join(KINDS)}")


def moments(rate: float, h: float, count: int) -> Array:
    """Integrals over 0 <= s <= h of e^(-rate (h - s)) s^p for p = 0 ... count - 1, (count,).

    By parts, each follows from the one before; short steps would cancel, and are summed up instead.
    """
    if abs(rate * h) < 1:
        s = h * (POINTS + 1) / 2
        return s ** np.arange(count)[:, None] @ (h / 2 * WEIGHTS * np.exp(rate * (s - h)))
    values = [-np.expm1(-rate * h) / rate]
    for p in range(1, count):
        values.append((h**p - p * values[-1]) / rate)
    return np.array(values)


def fitted(nodes: list[float], integrals: Array) -> Array:
    """Weights of f at `nodes`, (n,): they give 1, s, s^2, ... the `integrals` (n,)."""
    return np.linalg.solve(np.vander(nodes, increasing=True).T, integrals)


def exact(nodes: list[float], end: float, rate: float) -> Array:
    """Weights of f at `nodes`, (n,): its polynomial through them, integrated to `end` exactly.

    nodes[0] is where the integral begins; the others may lie anywhere.
    """
    return fitted([s - nodes[0] for s in nodes], moments(rate, end - nodes[0], len(nodes)))


def halved(nodes: list[float], end: float, rate: float, size: float | None = None) -> Array:
    """Weights of f at two nodes, (2,): its slope counts for half of the step it spans.

    As good as `exact` to order 2. `size` is what the step counts for; without it, the integral of
    the exponential.
    """
    h = end - nodes[0]
    (first,) = moments(rate, h, 1)
    share = h / (nodes[1] - nodes[0]) / 2 * (first if size is None else size)
    return np.array([first - share, share])


def growing(
    levels: Levels, order: int, last_orders: tuple[int, ...] = ()
) -> list[tuple[tuple[Level, ...], Level, Level]]:
    """A multistep run's steps: the levels before `now` that are used, newest first; `now`; `to`.

    The order grows by one a step, up to `order`; `last_orders` are upper bounds for the last steps,
    the very last one first.
    """
    visited = unpack(levels)
    steps = len(visited) - 1
    bounds = (*last_orders, *[order] * steps)[:steps][::-1]
    return [
        (tuple(visited[max(0, i - min(order, bound) + 1) : i][::-1]), now, to)
        for i, ((now, to), bound) in enumerate(zip(pairwise(visited), bounds, strict=True))
    ]
