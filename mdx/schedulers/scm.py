"""TrigFlow and continuous-time consistency models, sCM: Lu and Song, arXiv 2410.11081.

The paper's sample is cos(t) x0 + sin(t) data * eps, for data of standard deviation `data`; the
samples here are that over `data`, which is what the network takes, until they are clean.
"""

from collections.abc import Sequence

import numpy as np

from .consistency import consistency
from .levels import Array, Levels
from .tables import Method


def angles(t: Array | Sequence[float], data: float) -> Levels:
    """Levels of a run at angles t, noisy to clean, (N,) -> Levels of (N,).

    ValueError unless the angles fall strictly within pi / 2 >= t >= 0.
    """
    t = np.asarray(t, np.float64)
    # Published settings write pi / 2 as 1.5708, a little too much.
    if np.any(np.diff(t) >= 0) or t[0] > np.pi / 2 + 1e-5 or t[-1] < 0:
        raise ValueError(f"angles must fall strictly within pi / 2 to 0: {t.tolist()}")
    return Levels(t, np.where(t > 0, np.cos(t) / data, 1.0), np.sin(t))


def scm(levels: Levels, *, data: float = 0.5) -> Method:
    """Consistency sampling over the levels of `angles`, with the TrigFlow network F.

    x0 = cos(t) x - sin(t) data F(x / data, t); the network returns F itself, not times `data`.
    """
    method = consistency(levels)
    calls = []
    for call in method.calls:
        t = call.now.t
        calls.append(call._replace(reads=(data * np.cos(t), -data * np.sin(t))))
    return method._replace(calls=calls)
