"""DDPM on the continuous cosine schedule of Wuerstchen: Pernias et al., arXiv 2306.00637."""

from collections.abc import Callable
from functools import partial

import numpy as np

from .ddpm import ddpm
from .levels import Array, Levels
from .tables import Method, Values

LEAST, MOST = 1e-4, 0.9999  # no level keeps less or more of the signal's variance


def kept(t: Array, offset: float, scaler: float) -> Array:
    """The share of the signal's variance left at times 0 (clean) to 1: arXiv 2102.09672, eq. 17.

    (N,) -> (N,). `scaler` above 1 spends more of the time on noise, below 1 less.
    """
    u = 1 - (1 - t) ** scaler if scaler > 1 else t**scaler
    angle = np.array([0.0, *u]) + offset
    share = np.cos(angle / (1 + offset) * np.pi / 2) ** 2
    return np.clip(share[1:] / share[0], LEAST, MOST)


def cosine(t: Array, offset: float, scaler: float) -> Levels:
    """Levels at times t, (N,) -> Levels of (N,)."""
    share = kept(t, offset, scaler)
    return Levels(t, np.sqrt(share), np.sqrt(1 - share))


def times(share: Array, offset: float, scaler: float) -> Array:
    """The times of levels that keep `share` of the signal's variance; the inverse of `kept`."""
    first = np.cos(offset / (1 + offset) * np.pi / 2)
    u = np.clip(np.arccos(np.sqrt(share) * first) * 2 / np.pi * (1 + offset) - offset, 0, 1)
    return 1 - (1 - u) ** (1 / scaler) if scaler > 1 else u ** (1 / scaler)


def silent(v: Values, update: Callable[[Values], tuple[Array, ...]]) -> tuple[Array, ...]:
    """A row that adds no noise."""
    return update(v._replace(noise=0 * v.noise))


def wuerstchen(levels: Levels) -> Method:
    """DDPM over the levels; the last step adds no noise, wherever it ends."""
    method = ddpm(levels)
    last = method.calls[-1]
    quiet = last._replace(update=partial(silent, update=last.update))
    return Method(method.slots, [*method.calls[:-1], quiet], keeps_variance=False)
