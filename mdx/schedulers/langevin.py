"""Langevin steps at a level, for any table: the corrector of Song et al., arXiv 2011.13456.

A corrector moves the sample along the score, adds noise, and stays at its level: it mends what the
sampler missed so far, for a model call each. Its length depends on the length of the score, which
no table can hold; so it is a function beside `step`.
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mdx.fields import shown

from .record import fits
from .sde_ve import corrected
from .step import State, checked, host, per_image, step
from .tables import Array, Table

if TYPE_CHECKING:
    from mindspore import Tensor


def correct(
    table: Table,
    state: State,
    model_output: Tensor | NDArray[np.floating],
    noise: Tensor | NDArray[np.floating],
    *,
    snr: float = 0.15,
) -> State:
    """One Langevin step at the level before row `state.index`: arXiv 2011.13456, algorithm 4.

    The model must have been called as for `step`, and must be called again after this. Its score is
    (alpha x0 - x) / sigma^2.

    Args:
        table: of the run.
        state: what `init` or `step` made.
        model_output: (B, ...) of any float dtype.
        noise: unit noise (B, ...) of any float dtype.
        snr: the length of the score's part over that of the noise's, for each image by itself.

    Returns:
        The state after it, at the same row.

    Raises:
        ValueError: if shapes do not fit, no row is left, or the level has no noise.
    """
    from mindspore import Tensor

    fits(table)
    checked(state)
    if not isinstance(snr, Real) or not 0 < snr < np.inf:
        raise ValueError(f"snr must be more than 0, not {shown(snr)}")
    fresh, i = host(table, "noise", noise).astype(np.float64), state.index
    _, info = step(table, state, model_output, noise)
    if not np.all(table.sigma[i] > 0):
        raise ValueError(f"the level before row {i} has no noise: there is no score to follow")
    slots, x0 = on_host(state.slots), on_host(info.x0)
    x = slots[0]
    if fresh.shape != x.shape:
        raise ValueError(f"noise has shape {fresh.shape}, the sample {x.shape}")
    alpha, sigma = (
        per_image(level[i], x.ndim).astype(np.float64) for level in (table.alpha, table.sigma)
    )
    score = (alpha * x0 - x) / sigma**2
    # Each image alone: `corrected` takes lengths on the average of what it is given.
    for b in range(len(x)):
        own = slice(b, b + 1)
        x[own] = corrected(x[own], score[own], fresh[own], snr=snr)
    return state._replace(slots=Tensor(slots.astype(np.float32)))


def on_host(tensor: Any) -> Array:
    """A copy in float64."""
    return tensor.asnumpy().astype(np.float64)
