"""How models that know no training steps are told of a noise level: a time from sigma / alpha."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .levels import Array, Levels


class Clock(NamedTuple):
    """How a model is told of a noise ratio sigma / alpha, and back."""

    time: Callable[[Array], Array]
    ratio: Callable[[Array], Array]

    def levels(self, ratio: Array) -> Levels:
        """Levels with these ratios, 0 being the clean one; (N,) -> Levels of (N,)."""
        with np.errstate(divide="ignore"):
            return Levels(self.time(ratio), 1 / np.hypot(1, ratio), ratio / np.hypot(1, ratio))


# c_noise of arXiv 2206.00364, table 1.
LOGARITHM = Clock(lambda r: np.log(r) / 4, lambda t: np.exp(4 * t))
ANGLE = Clock(lambda r: np.arctan(r) * 2 / np.pi, lambda t: np.tan(t * np.pi / 2))
