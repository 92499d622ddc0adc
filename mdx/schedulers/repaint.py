"""RePaint, inpainting with a model that was not trained for it: Lugmayr et al., arXiv 2201.09865.

The table runs the unknown part and the jumps back to more noise. After each row the caller puts the
known part in its place: slot 0 = mask * add_noise(table, i + 1, picture, fresh) + (1 - mask) *
slot 0. A jump belongs to the row before it, so that every row is a model call: the known part then
comes in after the jump, where it has the noise of that level.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def jumps(steps: int, length: int, count: int) -> list[int]:
    """The level that each call begins at, counted from clean.

    From every `length`-th level on the way down, but the topmost, the run goes up `length` levels
    again, until it has come by `count` times.
    """
    left = dict.fromkeys(range(0, steps - length, length), count - 1)
    path, at = [], steps
    while at > 0:
        path.append(at)
        at -= 1
        if left.get(at, 0):
            left[at] -= 1
            at += length
    return path


def update(v: Values, now: Level, down: Level, to: Level, eta: float) -> tuple[Array, ...]:
    """A step of DDIM to `down`, equation 12 of its paper, and equation 1's noise up to `to`."""
    std = eta * down.sigma / now.sigma * np.sqrt(1 - (now.alpha / down.alpha) ** 2)
    x = down.alpha * v.x0 + np.sqrt(down.sigma**2 - std**2) * v.eps
    kept = to.alpha / down.alpha
    # The step's and the jump's noise, independent normal numbers, are one of their joint size.
    added = np.sqrt(max(to.sigma**2 - (kept * down.sigma) ** 2, 0.0))
    return (kept * x + np.hypot(kept * std, added) * v.noise,)


def repaint(levels: Levels, path: Sequence[int], *, eta: float = 0.0) -> Method:
    """RePaint over the levels, beginning calls at those of `path`, counted from clean."""
    visited = unpack(levels)[::-1]
    calls = []
    for at, then in pairwise([*path, 0]):
        now, down, to = visited[at], visited[at - 1], visited[then]
        calls.append(Call(now, to, partial(update, now=now, down=down, to=to, eta=eta)))
    return Method(1, calls)
