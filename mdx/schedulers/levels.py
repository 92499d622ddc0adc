"""Which noise levels a run visits, from noisy to clean: x = alpha * x0 + sigma * eps.

`alphas_cumprod` below is the training schedule's, (T,) float64; `ratio` is sigma / alpha, the sigma
of papers that write x0 + sigma * eps.
"""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.fields import shown

Array = NDArray[np.float64]

SPACINGS = ("linspace", "leading", "trailing")
MOST = 2.0**12  # ratio that stands for an infinite one
CLEAN = -1.0  # the time of the level without noise: one before the first training step


class Level(NamedTuple):
    """One noise level."""

    t: float  # time as the model counts it, 0 to T - 1; may be fractional
    alpha: float  # factor of the clean signal
    sigma: float  # factor of the noise


class Levels(NamedTuple):
    """The levels of a run of N transitions, from noisy to clean, the final one included."""

    t: Array  # (N+1,) model times
    alpha: Array  # (N+1,)
    sigma: Array  # (N+1,)

    def __repr__(self) -> str:
        """How many there are and where they lead; the numbers are in the fields."""
        try:
            ends = ", ".join(f"{name} {span(getattr(self, name))}" for name in self._fields)
            return f"Levels({len(self.t)} of them: {ends})"
        except (IndexError, TypeError, ValueError):
            return "Levels(of what are no arrays of numbers)"

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same numbers."""
        return (
            all(map(np.array_equal, self, other)) if isinstance(other, Levels) else NotImplemented
        )

    def __ne__(self, other: object) -> bool:
        """Whether they differ: a tuple would compare arrays, whose truth is ambiguous."""
        return not self == other

    def __hash__(self) -> int:
        """The same for equal levels."""
        return hash(tuple(map(digest, self)))


def span(values: Array) -> str:
    """How an array begins and ends, in words."""
    return f"{number(values[0])} to {number(values[-1])}"


def number(values: Array) -> str:
    """A number in four digits, or the least and the largest of several."""
    low, high = f"{np.min(values):.4g}", f"{np.max(values):.4g}"
    return low if low == high else f"{low}..{high}"


def digest(values: Array) -> tuple[tuple[int, ...], bytes]:
    """What is the same for arrays of equal numbers, to be hashed."""
    array = np.asarray(values, np.float64) + 0.0  # one zero of both
    return array.shape, array.tobytes()


def unpack(levels: Levels) -> list[Level]:
    """The N+1 levels one by one, as Python floats.

    ValueError unless the three arrays have one length.
    """
    return [Level(*map(float, values)) for values in zip(*levels, strict=True)]


def spaced(spacing: str, steps: int, total: int, offset: int = 0) -> Array:
    """Model times of `steps` model calls over `total` training steps, noisy to clean.

    Returns (steps,) float64; "linspace" may be fractional. `offset` is added by "leading" only, as
    checkpoints expect. arXiv 2305.08891, table 2. ValueError for an unknown spacing, and for steps
    that are no whole number from 1.
    """
    counted(steps)
    if spacing == "linspace":
        return np.linspace(0, total - 1, steps)[::-1]
    if spacing == "leading":
        return np.arange(steps - 1, -1, -1, dtype=np.float64) * (total // steps) + offset
    if spacing == "trailing":
        return np.round(total - np.arange(steps, dtype=np.float64) * (total / steps)) - 1
    raise ValueError(f"timestep_spacing {spacing!r} is not one of {', '.join(SPACINGS)}")


def karras(ratio_max: float, ratio_min: float, steps: int, rho: float = 7.0) -> Array:
    """Noise ratios evenly spaced in their rho-th root, (steps,). arXiv 2206.00364, equation 5.

    The ratios are sigma / alpha at both ends, 0 or more. ValueError for other numbers.
    """
    ends(ratio_max, ratio_min, steps)
    if not 0 < rho < np.inf:
        raise ValueError(f"rho must be a number above 0, not {rho!r}")
    return (
        np.linspace(ratio_max ** (1 / rho), ratio_min ** (1 / rho), steps, dtype=np.float64) ** rho
    )


def exponential(ratio_max: float, ratio_min: float, steps: int) -> Array:
    """Noise ratios evenly spaced in their logarithm, that is in log-SNR, (steps,).

    The ratios are sigma / alpha at both ends, above 0. ValueError for other numbers.
    """
    ends(ratio_max, ratio_min, steps)
    if not min(ratio_max, ratio_min) > 0:
        raise ValueError(f"noise ratios must be above 0, not {ratio_max!r} to {ratio_min!r}")
    return np.exp(np.linspace(np.log(ratio_max), np.log(ratio_min), steps))


def beta(ratio_max: float, ratio_min: float, steps: int, shape: float = 0.6) -> Array:
    """Noise ratios at even quantiles of a Beta(shape, shape) distribution, (steps,).

    Dense at both ends. The ratios are sigma / alpha at both ends, 0 or more. arXiv 2407.12173,
    section 4. ValueError for other numbers, and a shape that is not above 0.
    """
    ends(ratio_max, ratio_min, steps)
    if not 0 < shape < np.inf:
        raise ValueError(f"shape must be a number above 0, not {shape!r}")
    return ratio_min + beta_quantiles(np.linspace(1, 0, steps), shape) * (ratio_max - ratio_min)


def ends(ratio_max: float, ratio_min: float, steps: int) -> None:
    """ValueError unless a ramp of so many steps can lead from one noise ratio to the other."""
    counted(steps)
    if not (0 <= ratio_max < np.inf and 0 <= ratio_min < np.inf):
        raise ValueError(f"noise ratios must be 0 or more, not {ratio_max!r} to {ratio_min!r}")


def counted(steps: int) -> None:
    """ValueError unless it is a number of steps."""
    if isinstance(steps, bool) or not isinstance(steps, Integral) or steps < 1:
        raise ValueError(f"steps must be a whole number, 1 or more, not {steps!r}")


def beta_quantiles(p: Array, shape: float) -> Array:
    """The x in [0, 1] of which Beta(shape, shape) leaves the shares p below, (N,) -> (N,).

    By symmetry only the half below x = 1/2 is needed, where the power series of the incomplete beta
    function converges (Abramowitz and Stegun, 26.5.4). In w = x^shape it is almost a straight line,
    and Newton's method inverts it.
    """
    n = np.arange(60)
    terms = np.append(1.0, np.cumprod((n[1:] - shape) / n[1:])) / (shape + n)

    def below(w: Array) -> Array:
        return w * (np.power.outer(w, n / shape) @ terms)

    most = 0.5**shape
    part = np.minimum(p, 1 - p)
    target = 2 * part * below(np.array([most]))
    w = part * most
    for _ in range(50):
        change = (below(w) - target) * shape * (1 - w ** (1 / shape)) ** (1 - shape)
        w = np.clip(w - change, 0.0, most)
        if np.all(np.abs(change) < 1e-15):
            break
    x = w ** (1 / shape)
    return np.where(p > 0.5, 1 - x, x)


def ratios(alphas_cumprod: Array) -> Array:
    """sigma / alpha of every training step, (T,); inf where no signal is left."""
    with np.errstate(divide="ignore"):
        return np.sqrt((1 - alphas_cumprod) / alphas_cumprod)


def at_times(alphas_cumprod: Array, times: Array | Sequence[float], *, log: bool = False) -> Levels:
    """Levels at model times, fractional ones by linear interpolation of sigma / alpha or its log.

    (N,) -> Levels of (N,). ValueError unless times fall strictly within 0 <= t <= T - 1.
    """
    t = numbers("timesteps", times)
    last = len(alphas_cumprod) - 1
    if t.max() > last or t.min() < 0:
        raise ValueError(
            f"timesteps {t.min():g} to {t.max():g} leave the trained range 0 to {last}; "
            "ask for fewer steps or a smaller steps_offset"
        )
    if np.any(np.diff(t) >= 0):
        raise ValueError(f"timesteps must fall strictly from noisy to clean: {shown(t.tolist())}")
    below = np.floor(t).astype(int)
    above = np.minimum(below + 1, last)
    # A whole time is looked up, never interpolated: its ratio may be infinite.
    whole = t == below
    ratio = ratios(alphas_cumprod)
    between = np.where(whole, 0.0, t - below)
    low, high = np.where(whole, 0.0, ratio[below]), np.where(whole, 0.0, ratio[above])
    r = low + between * (high - low)
    if log:
        r[~whole] = low[~whole] * (high[~whole] / low[~whole]) ** between[~whole]
    alpha = np.where(whole, np.sqrt(alphas_cumprod[below]), 1 / np.hypot(1, r))
    sigma = np.where(whole, np.sqrt(1 - alphas_cumprod[below]), r / np.hypot(1, r))
    return Levels(t, alpha, sigma)


def at_ratios(alphas_cumprod: Array, values: Array | Sequence[float]) -> Levels:
    """Levels of a run at given sigma / alpha, (N,) -> Levels of (N,).

    A last value of 0 is the clean level. ValueError unless the values are finite and fall strictly,
    and only the last is 0.
    """
    return of_ratios(alphas_cumprod, falling("sigmas", values))


def falling(
    what: str,
    values: Array | Sequence[float],
    to_ratio: Callable[[Array], Array] = np.asarray,
) -> Array:
    """Values of sigma / alpha as a caller gave them, or as `to_ratio` makes them, (N,) -> (N,).

    ValueError naming `what` unless they fall strictly, are 0 or more, and finite.
    """
    with np.errstate(over="ignore"):
        r = to_ratio(numbers(what, values))
    if np.any(np.diff(r) >= 0) or r[-1] < 0 or not np.all(np.isfinite(r)):
        raise ValueError(
            f"{what} must fall strictly from noisy to clean, to 0 or more: {shown(values)}"
        )
    return r


def of_ratios(alphas_cumprod: Array, r: Array) -> Levels:
    """Levels with these sigma / alpha; their times by linear interpolation in its logarithm.

    (N,) -> Levels of (N,), in any order; 0 is the clean level.
    """
    noisy = r > 0
    # Pure noise, whose ratio is infinite, lies as far off as samplers in log-SNR put it.
    trained = np.log(np.minimum(ratios(alphas_cumprod), MOST))
    t = np.interp(np.log(np.where(noisy, r, 1.0)), trained, np.arange(len(alphas_cumprod)))
    return Levels(np.where(noisy, t, CLEAN), 1 / np.hypot(1, r), r / np.hypot(1, r))


def append_final(levels: Levels, final: Levels | None = None) -> Levels:
    """The levels followed by the final one; without `final`, by the clean level."""
    last = final or Levels(np.array([CLEAN]), np.ones(1), np.zeros(1))
    return Levels(*(np.concatenate(pair) for pair in zip(levels, last, strict=True)))


def numbers(what: str, values: Array | Sequence[float]) -> Array:
    """The values as a float64 vector; ValueError naming `what` unless finite and not empty."""
    try:
        vector = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what} must be a list of numbers, not {shown(values)}") from None
    if vector.ndim != 1 or not vector.size or not np.all(np.isfinite(vector)):
        raise ValueError(f"{what} must be a list of finite numbers, not {shown(values)}")
    return vector
