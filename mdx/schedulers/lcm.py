"""Latent consistency models: Luo et al., arXiv 2310.04378."""

import numpy as np

from .consistency import consistency
from .levels import Levels
from .tables import Method, denoiser

DATA = 0.5  # sigma_data of the boundary scalings


def boundary(t: float, scaling: float) -> tuple[float, float]:
    """(c_skip, c_out) at model time `t`, which counts in units of 1 / `scaling` here."""
    s = t * scaling
    return DATA**2 / (s**2 + DATA**2), s / np.hypot(s, DATA)


def lcm(levels: Levels, prediction: str, *, scaling: float = 10.0) -> Method:
    """Consistency sampling over the levels of a distilled latent diffusion model.

    The consistency function is c_skip x + c_out x0; it is what counts as x0 here, clip
    included. At time 0 it is the sample, whatever the model says.
    """
    method = consistency(levels)
    calls = []
    for call in method.calls:
        skip, out = boundary(call.now.t, scaling)
        (from_x, from_out), _ = denoiser(prediction, call.now)
        calls.append(call._replace(reads=(skip + out * from_x, out * from_out)))
    return method._replace(calls=calls)
