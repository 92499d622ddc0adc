"""Noise for runs of any step count from one Brownian path, refined by bridges from a seed.

Levy's construction: halving an interval adds a normal number of a quarter of its length; each
number depends on the seed and the place of its interval alone.
"""

from collections.abc import Sequence

import numpy as np

from .levels import numbers
from .tables import Array

DEPTH = 24


def increments(
    seed: int,
    clock: Sequence[float] | Array,
    shape: tuple[int, ...],
    *,
    span: tuple[float, float],
) -> Array:
    """Unit normal increments of one path between readings of its clock, (N, *shape) float64.

    `clock` (N+1,) rises or falls within `span`; for DPM++ SDE it is table.sigma / table.alpha, and
    row i takes increment i. The same seed, shape and span are the same path: runs of more steps see
    it in more detail, and increments times the root of their clock add up to those of fewer. The
    clock is read to 2^-24 of the span. ValueError if it leaves the span, turns or stands still.
    """
    low, high = span
    ticks = np.round((numbers("clock", clock) - low) / (high - low) * 2**DEPTH).astype(int)
    steps = np.diff(ticks)
    if ticks.min() < 0 or ticks.max() > 2**DEPTH or not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError(f"the clock must run one way within {low} to {high}, not {list(clock)}")
    known = {0: np.zeros(shape), 2**DEPTH: normal(seed, 0, shape)}
    path = [place(known, seed, int(tick), shape) for tick in ticks]
    lengths = np.abs(steps) / 2**DEPTH
    return np.diff(path, axis=0) / np.sqrt(lengths).reshape(-1, *(1 for _ in shape))


def place(known: dict[int, Array], seed: int, tick: int, shape: tuple[int, ...]) -> Array:
    """The path at a tick, by halving the interval around it; `known` gathers what was found."""
    left, right = 0, 2**DEPTH
    while tick not in known:
        middle = (left + right) // 2
        if middle not in known:
            bridge = np.sqrt((right - left) / 2**DEPTH) / 2 * normal(seed, middle, shape)
            known[middle] = (known[left] + known[right]) / 2 + bridge
        left, right = (left, middle) if tick < middle else (middle, right)
    return known[tick]


def normal(seed: int, place: int, shape: tuple[int, ...]) -> Array:
    """The unit normal numbers of one place in the path of a seed."""
    return np.random.Generator(np.random.PCG64([seed, place])).standard_normal(shape)
