"""Noise levels of flow matching, where signal and noise share one: x = (1 - sigma) x0 + sigma eps.

Rectified flow, arXiv 2209.03003. The model's time is sigma times the number of training steps.
"""

from collections.abc import Sequence

import numpy as np

from .levels import CLEAN, Array, Levels, falling


def shifted(sigma: Array, factor: float) -> Array:
    """Sigmas moved towards the noise for large pictures: arXiv 2403.03206, equation 23.

    (N,) -> (N,). The noise to signal ratio sigma / (1 - sigma) is multiplied by `factor`.
    """
    return factor * sigma / (factor * sigma + (1 - sigma))  # 1 stays 1, whatever is rounded


def stretched(sigma: Array, last: float) -> Array:
    """Sigmas whose signal 1 - sigma is scaled so that the last one becomes `last`, (N,) -> (N,).

    The schedule of LTX-Video, arXiv 2501.00103. A run of one level has no signal to scale, and
    stays as it is.
    """
    signal = 1 - sigma
    return 1 - signal * (1 - last) / signal[-1] if signal[-1] > 0 else sigma


def of_sigmas(sigma: Array | Sequence[float], total: int) -> Levels:
    """Levels of a run at given sigmas, (N,) -> Levels of (N,); `total` is the model's last time.

    ValueError unless they fall strictly within 1 >= sigma >= 0.
    """
    s = falling("sigmas", sigma)
    if s[0] > 1:
        raise ValueError(f"sigmas of a flow must lie within 1 to 0: {s}")
    return Levels(np.where(s > 0, s * total, CLEAN), 1 - s, s)
