"""Where a sampler's error can be known: data with an exact denoiser, and tables run in float64.

For a mixture of normals the perfect denoiser is a formula (Karras et al., arXiv 2206.00364,
appendix B.3, has it for points; widths only add to the variance), so what is left of a run's error
is the sampler's own. All of it is numpy on the host, for tables of one sampler and stacked ones:

    table = schedulers.table(schedulers.from_config(config, "dpmpp_2m"), 10)
    testbed.error(table, testbed.MIXTURE, np.random.default_rng(0).normal(size=(64, 1)))

Samples are (..., D), and (B, ..., D) for a stacked table.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdx.deprecated import renamed

from .tables import PREDICTIONS, Array, Table

Model = Callable[[int, Array], Array]  # (row, sample) -> what the network would return


class Data(NamedTuple):
    """A mixture of M round normals in D dimensions; with one component a plain normal."""

    weights: Array  # (M,), sum 1
    means: Array  # (M, D)
    stds: Array  # (M,)


def normals(means: ArrayLike, stds: ArrayLike, weights: ArrayLike | None = None) -> Data:
    """The mixture of the normals with these means (M, D) and standard deviations (M,).

    Weights (M,) are even where none are given. ValueError for counts that differ, and for numbers
    that make no distribution.
    """
    centres, widths = np.array(means, np.float64), np.array(stds, np.float64)
    shares = np.full(len(centres), 1 / len(centres))
    if weights is not None:
        shares = np.array(weights, np.float64)
    if centres.ndim != 2 or not widths.shape == shares.shape == centres.shape[:1]:
        raise ValueError(
            f"means (M, D), stds (M,) and weights (M,) cannot have shapes "
            f"{centres.shape}, {widths.shape}, {shares.shape}"
        )
    if not (np.all(widths > 0) and np.all(shares > 0) and abs(shares.sum() - 1) < 1e-9):
        raise ValueError("stds must be positive, and weights positive with sum 1")
    for array in (shares, centres, widths):
        array.setflags(write=False)
    return Data(shares, centres, widths)


NORMAL = normals([[0.3]], [0.7])
MIXTURE = normals([[-1.0], [0.4], [1.2]], [0.3, 0.5, 0.4])

# What models may return: any prediction type, and what those return that have one way only.
WORDS = (*PREDICTIONS, "trigflow", "score", "consistency")


def parts(
    data: Data, alpha: ArrayLike, sigma: ArrayLike, x: Array
) -> tuple[Array, Array, Array, Array]:
    """How x = alpha x0 + sigma eps may have come about.

    Returns the share of each component (..., M, 1), what it has too much of its mean (..., M, D),
    its variance at this level and that of x0 times alpha (..., M, 1).
    """
    a, s = np.asarray(alpha)[..., None], np.asarray(sigma)[..., None]
    pull = a * data.stds[:, None] ** 2
    variance = a * pull + s**2
    beyond = x[..., None, :] - a * data.means
    log = np.sum(beyond**2, -1, keepdims=True) / variance + x.shape[-1] * np.log(variance)
    log = np.log(data.weights[:, None]) - log / 2
    share = np.exp(log - log.max(-2, keepdims=True))
    return share / share.sum(-2, keepdims=True), beyond, variance, pull


def denoised(data: Data, alpha: ArrayLike, sigma: ArrayLike, x: Array) -> Array:
    """E[x0 | x], what the perfect denoiser returns for x (..., D).

    alpha and sigma are numbers, or arrays (..., 1) that broadcast against x.
    """
    share, beyond, variance, pull = parts(data, alpha, sigma, x)
    return np.sum(share * (data.means + pull / variance * beyond), -2)


def score(data: Data, alpha: ArrayLike, sigma: ArrayLike, x: Array) -> Array:
    """The gradient of log p(x) at a noise level, (..., D); arguments as for `denoised`.

    It is (alpha E[x0 | x] - x) / sigma^2, and holds at sigma 0 as well.
    """
    share, beyond, variance, _ = parts(data, alpha, sigma, x)
    return -np.sum(share * beyond / variance, -2)


def to_prediction(
    prediction: str,
    alpha: Array | float,
    sigma: Array | float,
    x0: Array,
    eps: Array,
    scale: Array | float = 1.0,
) -> Array:
    """x0 and eps in the words of a prediction type, from its definition; arrays broadcast.

    A `scale` other than 1 is that of a preconditioned network, which only says what its skip
    connection leaves: arXiv 2206.00364, table 1, for x / alpha; with the other sign it is called
    "v_prediction". ValueError for a word that is not one of WORDS.
    """
    if prediction not in WORDS:
        raise ValueError(f"prediction_type {prediction!r} is not one of {', '.join(WORDS)}")
    if np.any(np.asarray(scale) != 1):
        std = np.sqrt(1 / np.square(scale) - np.square(sigma)) / alpha  # of the network's data
        left = scale * (sigma / std * x0 - alpha * std * eps)
        return -left if prediction == "v_prediction" else left
    if prediction == "sample":
        return x0
    if prediction == "flow_prediction":
        return eps - x0
    if prediction == "score":
        return -eps / sigma
    return eps if prediction == "epsilon" else alpha * eps - sigma * x0


def model_output(prediction: str, table: Table, i: int, x: Array, x0: Array) -> Array:
    """What a model of this prediction type returns before row i when it believes in x0.

    ValueError as for `to_prediction`.
    """
    alpha, sigma, scale = (expand(a[i], x) for a in (table.alpha, table.sigma, table.scale))
    # Rows after the end of a stacked run lie at the clean level, where x is x0.
    eps = (x - alpha * x0) / np.where(sigma > 0, sigma, 1)
    return to_prediction(prediction, alpha, sigma, x0, eps, scale)


def required_output(table: Table, i: int, x: Array, x0: Array) -> Array:
    """What a model must return before row i for the row to read x0 off it, whatever its words.

    0 where the row does not listen.
    """
    from_x, from_out = (expand(table.denoise[i, ..., k], x) for k in (0, 1))
    listens = from_out != 0
    return np.where(listens, (x0 - from_x * x) / np.where(listens, from_out, 1), 0.0)


def exact_model(table: Table, data: Data) -> Model:
    """The model that knows the data, for `run`."""

    def model(i: int, x: Array) -> Array:
        alpha, sigma = expand(table.alpha[i], x), expand(table.sigma[i], x)
        return required_output(table, i, x, denoised(data, alpha, sigma, x))

    return model


def expand(factor: NDArray[np.float64], x: Array) -> Array:
    """A factor, or one per batch row, shaped to multiply a sample."""
    return np.reshape(factor, np.shape(factor) + (1,) * (np.ndim(x) - 1) * np.ndim(factor))


def start(table: Table, sample: Array) -> Array:
    """Slots (K, ...) that hold the sample and nothing else."""
    slots = np.zeros((table.slots, *np.shape(sample)))
    slots[0] = sample
    return slots


def row(
    table: Table, i: int, slots: Array, out: Array, noise: Array, variance: ArrayLike = 0.0
) -> Array:
    """Slots (K, ...) after row i; out, noise and a learned variance are (...)."""
    lead = "" if table.batch_size is None else "b"
    apply = f"{lead}c,c{lead}...->{lead}..."
    x0 = bounded(table, i, np.einsum(apply, table.denoise[i], np.stack([slots[0], out])))
    constant, factor = (expand(table.spread[i, ..., k], out) for k in (0, 1))
    noise = noise * np.exp(constant + factor * np.asarray(variance))
    apply = f"{lead}kc,c{lead}...->k{lead}..."
    return np.einsum(apply, table.mix[i], np.stack([*slots, out, x0, noise]))


def bounded(table: Table, i: int, x0: Array) -> Array:
    """x0 (..., D) as row i clips it; where it thresholds, D are the values of one picture."""
    clip, share = expand(table.clip[i], x0), expand(table.quantile[i], x0)
    if not np.any(share):
        return np.clip(x0, -clip, clip)
    flat = np.abs(x0).reshape(-1, x0.shape[-1])
    shares = np.broadcast_to(share, (*x0.shape[:-1], 1)).ravel()
    large = [np.quantile(values, q) for values, q in zip(flat, shares, strict=True)]
    large = np.reshape(large, (*x0.shape[:-1], 1))
    bound = np.where(share > 0, np.clip(large, 1, np.maximum(clip, 1)), clip)
    return np.clip(x0, -bound, bound) / np.where(share > 0, bound, 1)


def run(table: Table, model: Model, sample: Array, fresh: Array | None = None) -> Array:
    """The sample before every row and after the last, (N+1, ...).

    The run begins with `sample`, which lies at the table's first level: init_noise_scale times unit
    noise. `model(i, x)` is called before row i with the sample itself: table.scale is for networks.
    `fresh` (N, ...) is the noise that rows may add. ValueError if a row needs noise and there is
    none, or if a stacked table is for another batch.
    """
    sample = np.asarray(sample, np.float64)
    if table.batch_size not in (None, *sample.shape[:1]):
        raise ValueError(f"the table is for a batch of {table.batch_size}, not {sample.shape}")
    slots = start(table, sample)
    path = [slots[0]]
    for i in range(table.rows):
        if fresh is None and table.needs_noise(i):
            raise ValueError(f"row {i} adds noise, and none was given")
        noise = np.zeros_like(sample) if fresh is None else fresh[i]
        slots = row(table, i, slots, model(i, slots[0]), noise)
        path.append(slots[0])
    return np.stack(path)


def response(table: Table) -> Array:
    """The final sample as a combination of (first noise, every output, every fresh noise)."""
    n = table.rows
    basis = np.eye(1 + 2 * n)
    begin = basis[0] * table.init_noise_scale
    return run(table, lambda i, _: basis[1 + i], begin, basis[1 + n :])[-1]


def flow(data: Data, sample: Array, high: ArrayLike, low: ArrayLike, steps: int = 1000) -> Array:
    """x / alpha at sigma / alpha = low, from x / alpha at sigma / alpha = high: the exact solution.

    The probability flow dy / dr = -r score(y), arXiv 2206.00364 equation 1 with s = 1, by
    Runge-Kutta of order 4 in asinh(r / std), which is smooth down to r = 0. high and low are
    numbers, or (..., 1) like `sample`'s leading axes.
    """
    unit = data.stds.min()
    first, last = np.arcsinh(np.asarray(high) / unit), np.arcsinh(np.asarray(low) / unit)
    h = (last - first) / steps

    def slope(at: Array, y: Array) -> Array:
        r = unit * np.sinh(at)
        return -r * score(data, 1.0, r, y) * unit * np.cosh(at)

    y = np.asarray(sample, np.float64)
    for i in range(steps):
        at = first + i * h
        k1 = slope(at, y)
        k2 = slope(at + h / 2, y + h / 2 * k1)
        k3 = slope(at + h / 2, y + h / 2 * k2)
        k4 = slope(at + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def error(table: Table, data: Data, sample: Array) -> Array:
    """Root mean square of what a run with the perfect model misses of the exact solution.

    Both begin with `sample` at the table's first level; unit noise will do. The result is (), and
    (B,) for a stacked table. ValueError for a table that adds noise, which follows no single
    solution, and for one that begins without any signal.
    """
    sample = np.asarray(sample, np.float64)
    end = solved(table, data, sample)
    alpha, sigma = ([expand(a[i], sample) for i in (0, -1)] for a in (table.alpha, table.sigma))
    exact = flow(data, sample / alpha[0], sigma[0] / alpha[0], sigma[1] / alpha[1])
    missed = end - alpha[1] * exact
    return np.sqrt(np.mean(missed**2, axis=tuple(range(np.ndim(alpha[0]) > 0, missed.ndim))))


def solved(table: Table, data: Data, sample: Array) -> Array:
    """The final sample of a run that follows the flow; ValueError for one that cannot."""
    if table.stochastic:
        raise ValueError("the table adds noise: its runs follow no single solution")
    if not np.all(table.alpha > 0):
        raise ValueError("the table visits a level with no signal: the flow begins nowhere")
    return run(table, exact_model(table, data), sample)[-1]


def crowded(high: float, low: float, count: int) -> Array:
    """Noise ratios (count,) whose steps in log-SNR grow from the start like 1, 3, 5, ...

    What the first steps of a multistep method miss for want of history then is no limit.
    """
    return high * (low / high) ** (np.linspace(0, 1, count) ** 2)


def order(
    build: Callable[[Array], Table],
    data: Data = NORMAL,
    ramp: Callable[[float, float, int], Array] = crowded,
    *,
    high: float = 3.0,
    low: float = 0.3,
    counts: tuple[int, ...] = (84, 168),
) -> float:
    """The order of convergence: minus the slope of log error over log steps.

    `build` makes the sampler's table for noise ratios (steps+1,), `ramp` those ratios from `high`
    to `low`, for each number of steps in `counts`; a table may also lead from low to high.
    The default counts are whole groups of singlestep methods, and on the default range no terms of
    the error cancel each other.
    ValueError as for `error`.
    """
    sample = np.linspace(-2, 2, 9)[:, None] * np.ones(data.means.shape[1])
    tables = [build(ramp(high, low, n + 1)) for n in counts]
    # x / alpha at the ends of a run is the same whatever coordinates it is made in.
    first, last = (tables[0].sigma / tables[0].alpha)[[0, -1]]
    sample = sample * np.hypot(1, first)
    ends = [solved(t, data, sample * t.alpha[0]) / t.alpha[-1] for t in tables]
    exact = flow(data, sample, first, last)
    errors = [np.linalg.norm(end - exact) for end in ends]
    return float(-np.polyfit(np.log(counts), np.log(errors), 1)[0])


# As they were called; each says so.
told = renamed("testbed.told", "testbed.to_prediction", to_prediction)
spoken = renamed("testbed.spoken", "testbed.model_output", model_output)
answer = renamed("testbed.answer", "testbed.required_output", required_output)
perfect = renamed("testbed.perfect", "testbed.exact_model", exact_model)
