"""A sampler as data: the record of its coefficients, and what makes it one."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.deprecated import warn
from mdx.fields import shown

from .levels import Array, digest, number, span

TOLERANCE = 1e-6

# The fields by their first axis: N rows, N+1 levels, and neither.
ROWS = ("t", "scale", "denoise", "mix", "clip", "quantile", "spread")
LEVELS = ("alpha", "sigma")
ARRAYS = (*ROWS, *LEVELS, "init_noise_scale")


class Misses(ValueError):
    """What is raised for rows that do not lead from level to level."""


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

    Tables are values: equal if all their numbers are, hashed and pickled likewise.
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
    prediction: str | None = None  # what the model must return, see `prediction`; None: unasked

    @property
    def rows(self) -> int:
        """N, the number of model calls."""
        return self.mix.shape[0]

    @property
    def slots(self) -> int:
        """K, the number of arrays the state holds."""
        return self.mix.shape[-2]

    @property
    def batch_size(self) -> int | None:
        """B, the batch a stacked table is for; None for one sampler and any batch."""
        return self.mix.shape[1] if self.mix.ndim == 4 else None

    @property
    def width(self) -> int | None:
        """`batch_size`, as it was called."""
        warn("Table.width", "Table.batch_size")
        return self.batch_size

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

    def __repr__(self) -> str:
        """What it is in three lines; its numbers are in its fields."""
        try:
            batch = "" if self.batch_size is None else f" for a batch of {self.batch_size}"
            size = f"{counted(self.rows, 'row')} x {counted(self.slots, 'slot')}"
            noise = "with noise" if self.stochastic else "deterministic"
            ends = ", ".join(f"{name} {span(getattr(self, name))}" for name in ("t", *LEVELS))
            return (
                f"Table({size}{batch}, {noise}, prediction={self.prediction!r},\n      {ends},\n"
                f"      init_noise_scale {number(self.init_noise_scale)})"
            )
        except (AttributeError, IndexError, TypeError, ValueError):
            return "Table(of arrays that make none: see mdx.schedulers.check)"

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same numbers and read the same."""
        if not isinstance(other, Table):
            return NotImplemented
        return self.prediction == other.prediction and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ARRAYS
        )

    def __ne__(self, other: object) -> bool:
        """Whether they differ: a tuple would compare arrays, whose truth is ambiguous."""
        return not self == other

    def __hash__(self) -> int:
        """The same for equal tables."""
        return hash((self.prediction, *(digest(getattr(self, name)) for name in ARRAYS)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as its fields: arrays would come back as ones to write to."""
        return restored, tuple(self)


def counted(n: int, word: str) -> str:
    """A number of things."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def restored(*fields: Any) -> Table:
    """The table of these fields, in their order; its arrays are read-only, copied if they are not.

    Later versions may add fields at the end, with a default.
    """
    closed: list[Any] = [kept(one) if isinstance(one, np.ndarray) else one for one in fields]
    return Table(*closed)


def kept(array: NDArray[Any]) -> NDArray[Any]:
    """The array, or a copy of it, that nobody can write to."""
    if array.flags.writeable:
        array = array.copy()
        array.setflags(write=False)
    return array


def frozen(*, prediction: str | None = None, **fields: object) -> Table:
    """A table whose arrays are float64 copies that nobody can write to."""
    arrays = {name: np.array(value, np.float64) for name, value in fields.items()}
    for array in arrays.values():
        array.setflags(write=False)
    return Table(**arrays, prediction=prediction)


def check(table: Table) -> Table:
    """The table itself, if it is one.

    Shapes fit; numbers are finite (clip may be inf); the sample never depends on slots that no row
    has filled; and a denoiser that knows x0 keeps the sample's signal at alpha at every level.

    Args:
        table: what is looked at.

    Returns:
        The same.

    Raises:
        ValueError: saying what is wrong.
    """
    fits(table)
    with np.errstate(over="ignore", invalid="ignore"):  # what is lost to them misses its level
        keeps_signal(table)
    return table


def fits(table: Table) -> None:
    """ValueError unless the fields of a table have its types, shapes and ranges."""
    if not isinstance(table, Table):
        raise ValueError(f"a table is what schedulers.table makes, not {shown(table)}")
    if not isinstance(table.mix, np.ndarray) or table.mix.ndim not in (3, 4):
        shape = np.shape(table.mix) if isinstance(table.mix, np.ndarray) else type(table.mix)
        raise ValueError(f"table.mix must be float64 (N, K, K+3) or (N, B, K, K+3), not {shape}")
    n, k, lead = table.rows, table.slots, table.mix.shape[1:-2]
    shapes = {
        "t": (n, *lead),
        "scale": (n, *lead),
        "denoise": (n, *lead, 2),
        "mix": (n, *lead, k, k + 3),
        "clip": (n, *lead),
        "quantile": (n, *lead),
        "spread": (n, *lead, 2),
        "alpha": (n + 1, *lead),
        "sigma": (n + 1, *lead),
        "init_noise_scale": lead,
    }
    for name, shape in shapes.items():
        array = getattr(table, name)
        if not isinstance(array, np.ndarray):
            raise ValueError(f"table.{name} must be float64 {shape}, not {type(array).__name__}")
        if array.dtype != np.float64 or array.shape != shape:
            raise ValueError(
                f"table.{name} must be float64 {shape}, not {array.dtype} {array.shape}"
            )
        if not np.all((array > 0) if name == "clip" else np.isfinite(array)):
            raise ValueError(f"table.{name} holds a number that is not usable: {shown(array)}")
    if not (table.prediction is None or isinstance(table.prediction, str)):
        raise ValueError(
            f"table.prediction must be what the model returns, in words, or None, "
            f"not {shown(table.prediction)}"
        )
    shares = table.quantile
    if np.any((shares < 0) | (shares > 1) | ((shares > 0) & (table.clip < 1))):
        raise ValueError(
            "table.quantile must lie between 0 and 1, and table.clip be 1 or more where it is not 0"
        )
    if table.mix.size == 0:
        raise ValueError("a table needs at least one row and one slot")


def keeps_signal(table: Table) -> None:
    """ValueError unless slot 0 reads only what is filled and has the signal alpha at each level."""
    k, lead = table.slots, table.mix.shape[1:-2]
    reads, used = table.mix[..., :k] != 0, table.denoise[..., 1] != 0
    divisor = np.where(used, table.denoise[..., 1], 1.0)
    unfilled = np.ones((*lead, k, 1), bool)
    unfilled[..., 0, :] = False
    known = np.zeros((*lead, k + 3))  # of x0, in every slot, what the model returns, x0 and noise
    known[..., 0] = table.alpha[0]
    known[..., -2] = 1.0
    for i in range(table.rows):
        unfilled = reads[i] @ unfilled
        if unfilled[..., 0, 0].any():
            raise ValueError(
                f"the table's row {i} reads a slot that no earlier row has filled: a run cannot "
                "begin in the middle of a multistep method's history; build it with start="
            )
        # What the model returns when its x0 is exactly the signal; 0 where the row ignores it.
        known[..., k] = used[i] * (1 - table.denoise[i, ..., 0] * known[..., 0]) / divisor[i]
        known[..., :k] = np.einsum("...kc,...c->...k", table.mix[i], known)
        error = np.abs(known[..., 0] - table.alpha[i + 1]).max()
        if not error < TOLERANCE:
            raise Misses(f"the table's row {i} misses its level: the signal is off by {error:.3g}")
