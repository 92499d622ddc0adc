"""A sampler as data: the table, how equations become its rows, and how tables combine."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .levels import Level

Array = NDArray[np.float64]

PREDICTIONS = ("epsilon", "sample", "v_prediction", "flow_prediction")
TOLERANCE = 1e-6


class Table(NamedTuple):
    """N model calls of a sampler with K slots; slot 0 is the sample. All arrays are read-only.

    Row i feeds the model `scale[i] * slots[0]` at time `t[i]` and then takes
    x0 = bounded(denoise[i] . (slots[0], out)) and slots = mix[i] . (slots, out, x0, noise).

    Two things stand between the linear stages. x0 is bounded: it is clipped to [-s, s], s being
    clip[i]; where quantile[i] is not 0, s is that quantile of the picture's |x0| instead, at least
    1 and at most clip[i], and what is left is divided by s (dynamic thresholding, arXiv 2205.11487,
    section 2.3). And noise is scaled: by exp(spread[i] . (1, v)), v being what a model that learned
    its variance says of it (arXiv 2102.09672, section 3.1).

    A table made by `stack` has one sampler per batch row: every field then carries an axis B right
    after N (`init_noise_scale` carries only B).
    """

    t: Array  # (N,) time given to the model
    scale: Array  # (N,) factor on the model's input
    denoise: Array  # (N, 2) x0 from (slots[0], out)
    mix: Array  # (N, K, K+3) new slots from (slots, out, x0, noise)
    clip: Array  # (N,) bound on |x0|; inf is none
    quantile: Array  # (N,) share of |x0| in a picture whose bound is then made 1; 0 is none
    spread: Array  # (N, 2) log of the noise's factor from (1, variance); (0, 0) is none
    alpha: Array  # (N+1,) signal factor of slot 0 before row i, and after the last
    sigma: Array  # (N+1,) noise factor likewise
    init_noise_scale: Array  # () what unit noise is multiplied by to become the first sample

    @property
    def rows(self) -> int:
        """N, the number of model calls."""
        return self.mix.shape[0]

    @property
    def slots(self) -> int:
        """K, the number of arrays the state holds."""
        return self.mix.shape[-2]

    @property
    def width(self) -> int | None:
        """B, the batch a stacked table is for; None for one sampler and any batch."""
        return self.mix.shape[1] if self.mix.ndim == 4 else None

    @property
    def stochastic(self) -> bool:
        """Whether any row adds fresh noise."""
        return bool(np.any(self.mix[..., -1]))

    def needs_noise(self, row: int) -> bool:
        """Whether this row adds fresh noise to any slot (for a stacked table: of any sampler)."""
        return bool(np.any(self.draws(row)))

    def draws(self, row: int) -> NDArray[np.bool_]:
        """Whether this row adds fresh noise, (); for a stacked table which images' it does, (B,).

        The others must not consume their generators, or an image would depend on its batch.
        """
        return np.any(self.mix[row, ..., -1], axis=-1)

    def reads_variance(self, row: int) -> bool:
        """Whether this row needs a second half of channels in the model's output, its variance."""
        return bool(np.any(self.spread[row, ..., 1]))


class Bound(NamedTuple):
    """What keeps x0 small; the fields are those of a row."""

    clip: float = np.inf
    quantile: float = 0.0
    in_eps: bool = False  # whether eps is what the bounded x0 leaves of x, not what the model said


UNBOUNDED = Bound()


class Values(NamedTuple):
    """What an equation may speak of. All arrays have one shape; any vector space will do."""

    slots: tuple[Array, ...]  # K running values; slots[0] is x
    x: Array  # the sample
    out: Array  # what the model returned
    x0: Array  # the clean signal it stands for, clipped where the sampler clips
    eps: Array  # the noise it stands for
    noise: Array  # fresh unit noise


class Call(NamedTuple):
    """One model call and what follows from it."""

    now: Level  # level of slot 0 when the model is called
    to: Level  # level of slot 0 afterwards
    update: Callable[[Values], tuple[Array, ...]]  # the new slots
    reads: tuple[float, float] | None = None  # x0 from (x, out), if not by the prediction type
    scale: float = 1.0  # factor on the model's input
    spread: tuple[float, float] = (0.0, 0.0)  # log of the noise's factor from (1, variance)


class Method(NamedTuple):
    """A sampler's calls over the levels of one run."""

    slots: int  # K
    calls: list[Call]


def denoiser(prediction: str, level: Level) -> tuple[tuple[float, float], tuple[float, float]]:
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


def reading(call: Call, prediction: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """x0 and eps as combinations of (x, out) at a call: as it says itself, or by `denoiser`."""
    if call.reads is None:
        return denoiser(prediction, call.now)
    (from_x, from_out), alpha, sigma = call.reads, call.now.alpha, call.now.sigma
    if sigma == 0:
        return call.reads, (0.0, 0.0)
    return call.reads, ((1 - alpha * from_x) / sigma, -alpha * from_out / sigma)


def trace(
    method: Method, prediction: str, bound: Bound = UNBOUNDED, *, init_noise_scale: float = 1.0
) -> Table:
    """The table of a method: its equations evaluated on basis vectors are the rows.

    `prediction` is what the model returns, one of PREDICTIONS unless the calls have their own
    reading. ValueError if the rows do not pass `check`.
    """
    k = method.slots
    basis = np.eye(k + 3)
    slots, (out, x0, noise) = tuple(basis[:k]), basis[k:]
    denoise, mix = [], []
    for call in method.calls:
        to_x0, (from_x, from_out) = reading(call, prediction)
        eps = from_x * slots[0] + from_out * out
        if bound.in_eps and call.now.sigma:
            eps = (slots[0] - call.now.alpha * x0) / call.now.sigma
        denoise.append(to_x0)
        mix.append(call.update(Values(slots, slots[0], out, x0, eps, noise)))
    visited = [call.now for call in method.calls] + [method.calls[-1].to]
    return check(
        frozen(
            t=[level.t for level in visited[:-1]],
            scale=[call.scale for call in method.calls],
            denoise=denoise,
            mix=mix,
            clip=np.full(len(mix), bound.clip),
            quantile=np.full(len(mix), bound.quantile),
            spread=[call.spread for call in method.calls],
            alpha=[level.alpha for level in visited],
            sigma=[level.sigma for level in visited],
            init_noise_scale=init_noise_scale,
        )
    )


def frozen(**fields: object) -> Table:
    """A table whose arrays are float64 copies that nobody can write to."""
    arrays = {name: np.array(value, np.float64) for name, value in fields.items()}
    for array in arrays.values():
        array.setflags(write=False)
    return Table(**arrays)


def check(table: Table) -> Table:
    """The table itself, if it is one; ValueError saying what is wrong otherwise.

    Shapes fit; numbers are finite (clip may be inf); the sample never depends on slots that no row
    has filled; and a denoiser that knows x0 keeps the sample's signal at alpha at every level.
    """
    n, k, lead = table.rows, table.slots, table.mix.shape[1:-2]
    shapes = (
        *((n, *lead), (n, *lead), (n, *lead, 2), (n, *lead, k, k + 3)),
        *((n, *lead), (n, *lead), (n, *lead, 2)),
        *((n + 1, *lead), (n + 1, *lead), lead),
    )
    for name, array, shape in zip(Table._fields, table, shapes, strict=True):
        if array.dtype != np.float64 or array.shape != shape:
            raise ValueError(
                f"table.{name} must be float64 {shape}, not {array.dtype} {array.shape}"
            )
        if not np.all((array > 0) if name == "clip" else np.isfinite(array)):
            raise ValueError(f"table.{name} holds a number that is not usable: {array}")
    shares = table.quantile
    if np.any((shares < 0) | (shares > 1) | ((shares > 0) & (table.clip < 1))):
        raise ValueError(
            "table.quantile must lie between 0 and 1, and table.clip be 1 or more where it is not 0"
        )
    if n == 0 or k == 0:
        raise ValueError("a table needs at least one row and one slot")

    unfilled = np.ones((*lead, k), bool)
    unfilled[..., 0] = False
    signal = np.zeros((*lead, k))
    signal[..., 0] = table.alpha[0]
    for i in range(n):
        mix, (from_x, from_out) = table.mix[i], np.moveaxis(table.denoise[i], -1, 0)
        unfilled = np.any((mix[..., :k] != 0) & unfilled[..., None, :], axis=-1)
        if np.any(unfilled[..., 0]):
            raise ValueError(
                f"row {i} reads a slot that no earlier row has filled: a run cannot begin in the "
                "middle of a multistep method's history; build the table with start="
            )
        # What the model returns when its x0 is exactly the signal; 0 where the row ignores it.
        used = from_out != 0
        out = np.where(used, (1 - from_x * signal[..., 0]) / np.where(used, from_out, 1), 0)
        known = np.concatenate(
            [signal, out[..., None], np.ones((*lead, 1)), np.zeros((*lead, 1))], axis=-1
        )
        signal = np.einsum("...kc,...c->...k", mix, known)
        error = np.max(np.abs(signal[..., 0] - table.alpha[i + 1]))
        if not error < TOLERANCE:
            raise ValueError(f"row {i} misses its level: the signal is off by {error:.3g}")
    return table


def take(table: Table, rows: slice) -> Table:
    """A run of consecutive rows as a table of its own.

    ValueError if the slice is empty or skips rows, and if its rows need the history that the rows
    before them made (a multistep method cut in the middle; build that table with `start`).
    """
    if not isinstance(rows, slice):
        raise ValueError(f"take wants a slice of rows, not {rows!r}")
    start, stop, stride = rows.indices(table.rows)
    if stride != 1 or stop <= start:
        raise ValueError(f"{rows} takes no run of consecutive rows from {table.rows}")
    fields = {
        name: getattr(table, name)[start : stop + (name in ("alpha", "sigma"))]
        for name in Table._fields[:-1]
    }
    return check(frozen(**fields, init_noise_scale=table.init_noise_scale))


def concat(*tables: Table) -> Table:
    """One run after another: each table begins at the level where the one before it ends.

    The slots are padded to the largest; a multistep method warms up again, as its first rows always
    do. ValueError if levels do not meet within 1e-6, or the tables are for different batches.
    """
    if not tables:
        raise ValueError("concat needs at least one table")
    for a, b in pairwise(tables):
        if a.width != b.width:
            raise ValueError(f"tables for batches of {a.width} and {b.width} cannot be joined")
        gap = np.maximum(np.abs(a.alpha[-1] - b.alpha[0]), np.abs(a.sigma[-1] - b.sigma[0]))
        if np.max(gap) > TOLERANCE:
            raise ValueError(
                f"a run that ends at alpha {a.alpha[-1]}, sigma {a.sigma[-1]} cannot go on at "
                f"alpha {b.alpha[0]}, sigma {b.sigma[0]}"
            )
    slots = max(table.slots for table in tables)
    padded = [pad(table, slots) for table in tables]
    fields = {}
    for name in Table._fields[:-1]:
        parts = [getattr(table, name) for table in padded]
        if name in ("alpha", "sigma"):
            parts = [*(part[:-1] for part in parts[:-1]), parts[-1]]
        fields[name] = np.concatenate(parts)
    return check(frozen(**fields, init_noise_scale=tables[0].init_noise_scale))


def stack(tables: Sequence[Table]) -> Table:
    """One sampler per batch row: row b of the batch follows tables[b].

    Shorter tables are finished early: their rows then keep the sample as it is and ignore the
    model, which is still called for them. A stacked table counts as its batch rows.
    """
    if not tables:
        raise ValueError("stack needs at least one table")
    slots, rows = max(t.slots for t in tables), max(t.rows for t in tables)
    wide = [widened(idle(pad(table, slots), rows)) for table in tables]
    fields = {
        name: np.concatenate([getattr(t, name) for t in wide], axis=1)
        for name in Table._fields[:-1]
    }
    scale = np.concatenate([t.init_noise_scale for t in wide])
    return check(frozen(**fields, init_noise_scale=scale))


def pad(table: Table, slots: int) -> Table:
    """The same sampler with more slots, the new ones always zero; for one compile over several.

    ValueError if the table already has more.
    """
    k, more = table.slots, slots - table.slots
    if more < 0:
        raise ValueError(f"a table of {k} slots cannot be padded to {slots}")
    mix = np.zeros((*table.mix.shape[:-2], slots, slots + 3))
    mix[..., :k, :k] = table.mix[..., :k]
    mix[..., :k, slots:] = table.mix[..., k:]
    return frozen(**{**table._asdict(), "mix": mix})


def idle(table: Table, rows: int) -> Table:
    """The same run followed by rows that change nothing, up to `rows` in all."""
    more, lead = rows - table.rows, table.mix.shape[1:-2]

    def held(array: Array) -> Array:
        return np.concatenate([array, np.repeat(array[-1:], more, axis=0)])

    def then(array: Array, row: Array | float) -> Array:
        tail = np.broadcast_to(row, (more, *lead, *np.shape(row)))
        return np.concatenate([array, tail])

    return frozen(
        t=held(table.t),
        scale=then(table.scale, 1.0),
        denoise=then(table.denoise, np.array([1.0, 0.0])),
        mix=then(table.mix, np.eye(table.slots, table.slots + 3)),
        clip=then(table.clip, np.inf),
        quantile=then(table.quantile, 0.0),
        spread=then(table.spread, np.zeros(2)),
        alpha=held(table.alpha),
        sigma=held(table.sigma),
        init_noise_scale=table.init_noise_scale,
    )


def widened(table: Table) -> Table:
    """The table with the batch axis of a stacked one."""
    if table.width is not None:
        return table
    fields = {name: getattr(table, name)[:, None] for name in Table._fields[:-1]}
    return frozen(**fields, init_noise_scale=table.init_noise_scale[None])
