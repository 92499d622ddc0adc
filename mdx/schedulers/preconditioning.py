"""Networks with the preconditioning of EDM: Karras et al., arXiv 2206.00364, table 1.

The paper's sample is x / alpha = x0 + s * eps, with s = sigma / alpha.
"""

from collections.abc import Iterable

import numpy as np

from .euler import ratio
from .tables import Method


def preconditioned(
    method: Method,
    data: float,
    *,
    told: Iterable[float] | None = None,
    least: float = 0.0,
    sign: float = 1.0,
) -> Method:
    """The same calls for a network F that is told c_in x, with c_skip x + c_out F for x0.

    `data` is the data's standard deviation, `told` (N,) the s that the network is told, by default
    that of the calls' levels; `sign` is that of the output. With `least`, the s at which the
    function is the identity, these are the scalings of arXiv 2303.01469, appendix C.
    """
    calls = []
    sizes = [ratio(call.now) for call in method.calls] if told is None else told
    for call, s in zip(method.calls, sizes, strict=True):
        skip = data**2 / ((s - least) ** 2 + data**2)
        out = sign * data * (s - least) / np.hypot(s, data)
        reads, scale = (skip / call.now.alpha, out), 1 / (call.now.alpha * np.hypot(s, data))
        calls.append(call._replace(reads=reads, scale=scale))
    return method._replace(calls=calls)
