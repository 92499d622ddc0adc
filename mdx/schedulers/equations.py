"""What a sampler's equations speak of, and what its calls of the model are.

A sampler is written as a `Method`: for each call of the model a function that makes the new slots
of named values. `trace` makes the rows of a table of it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .levels import Level
from .record import Array

PREDICTIONS = ("epsilon", "sample", "v_prediction", "flow_prediction")


class Bound(NamedTuple):
    """What keeps x0 small; the fields are those of a row. No equation says it: x0 comes bounded."""

    clip: float = np.inf  # bound on |x0|; inf is none
    quantile: float = 0.0  # share of |x0| in a picture whose bound is then made 1; 0 is none
    in_eps: bool = False  # whether eps is what the bounded x0 leaves of x, not what the model said


UNBOUNDED = Bound()


class Values(NamedTuple):
    """What an equation may speak of. All arrays are float64, read-only and of one shape.

    Any shape will do, and any number of them: an equation adds multiples of whole arrays, whatever
    they hold.
    """

    slots: tuple[Array, ...]  # K running values; slots[0] is x
    x: Array  # the sample, alpha x0 + sigma eps
    out: Array  # what the model returned
    x0: Array  # the clean signal it stands for, clipped where the sampler clips
    eps: Array  # the noise it stands for
    noise: Array  # fresh unit noise


class Call(NamedTuple):
    """One model call and what follows from it."""

    now: Level  # level of slot 0 when the model is called
    to: Level  # level of slot 0 afterwards, where the next call begins
    update: Callable[[Values], tuple[Array, ...]]  # the K new slots, linear in the values
    reads: tuple[float, float] | None = None  # x0 from (x, out), if not by the prediction type
    scale: float = 1.0  # factor on the model's input
    spread: tuple[float, float] = (0.0, 0.0)  # log of the noise's factor from (1, variance)


class Method(NamedTuple):
    """A sampler's calls over the levels of one run."""

    slots: int  # K, what is kept between calls, the sample among it; all but the sample begin at 0
    calls: Sequence[Call]
    # Whether a denoiser that knows x0 leaves noise of sigma in the sample at every level. Methods
    # whose papers give them another variance, in general or where steps are long, say False.
    keeps_variance: bool = True


def denoiser(
    prediction: str | None, level: Level
) -> tuple[tuple[float, float], tuple[float, float]]:
    """x0 and eps as combinations of (x, out) at a level.

    Returns two pairs of factors. epsilon: arXiv 2006.11239, equation 15; v: arXiv 2202.00512,
    appendix D; flow: arXiv 2403.03206, section 2. ValueError for an unknown prediction, and for
    one that says nothing at the level.
    """
    alpha, sigma = level.alpha, level.sigma
    if prediction == "epsilon":
        if alpha == 0:
            raise ValueError(
                "a model that predicts epsilon says nothing at zero SNR; "
                "rescale_betas_zero_snr needs prediction_type 'v_prediction' or 'sample'"
            )
        return (1 / alpha, -sigma / alpha), (0.0, 1.0)
    if prediction == "sample":
        if sigma == 0:
            raise ValueError(
                "a model that predicts the sample says nothing of the noise at a clean level"
            )
        return (0.0, 1.0), (1 / sigma, -alpha / sigma)
    if prediction == "v_prediction":
        # General alpha, sigma: x = alpha x0 + sigma eps and v = alpha eps - sigma x0.
        power = alpha**2 + sigma**2
        return (alpha / power, -sigma / power), (sigma / power, alpha / power)
    if prediction == "flow_prediction":
        # General alpha, sigma: x = alpha x0 + sigma eps and out = eps - x0.
        total = alpha + sigma
        return (1 / total, -sigma / total), (1 / total, alpha / total)
    raise ValueError(f"prediction_type {prediction!r} is not one of {', '.join(PREDICTIONS)}")


def reading(call: Call, prediction: str | None) -> tuple[tuple[float, float], tuple[float, float]]:
    """x0 and eps as combinations of (x, out) at a call: as it says itself, or by `denoiser`."""
    if call.reads is None:
        return denoiser(prediction, call.now)
    (from_x, from_out), alpha, sigma = call.reads, call.now.alpha, call.now.sigma
    if sigma == 0:
        return call.reads, (0.0, 0.0)
    return call.reads, ((1 - alpha * from_x) / sigma, -alpha * from_out / sigma)
