"""How tables combine: parts of runs, runs one after another, samplers side by side."""

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral

import numpy as np

from mdx.fields import shown

from .record import LEVELS, ROWS, TOLERANCE, Array, Table, check, fits, frozen

MOST_SLOTS = 1000  # of a padded table: a state is as large as that many pictures


def take(table: Table, rows: slice) -> Table:
    """A run of consecutive rows as a table of its own.

    Args:
        table: of N rows.
        rows: which of them.

    Returns:
        A table of those.

    Raises:
        ValueError: if the slice is empty or skips rows, and if its rows need the history that the
            rows before them made (a multistep method cut in the middle; build that table with
            `start`).
    """
    fits(table)
    if not isinstance(rows, slice):
        raise ValueError(f"take wants a slice of rows, not {shown(rows)}")
    try:
        start, stop, stride = rows.indices(table.rows)
    except TypeError:
        raise ValueError(f"take wants a slice of whole numbers, not {shown(rows)}") from None
    if stride != 1 or stop <= start:
        raise ValueError(f"{rows} takes no run of consecutive rows from {table.rows}")
    fields = {name: getattr(table, name)[start:stop] for name in ROWS}
    levels = {name: getattr(table, name)[start : stop + 1] for name in LEVELS}
    return check(frozen(**table._replace(**fields, **levels)._asdict()))


def concat(*tables: Table) -> Table:
    """One run after another.

    The slots are padded to the largest; a multistep method warms up again, as its first rows always
    do.

    Args:
        tables: each begins at the level where the one before it ends.

    Returns:
        A table of all their rows.

    Raises:
        ValueError: if levels do not meet within 1e-6, or the tables are for different batches or
            for models of different predictions.
    """
    if not tables:
        raise ValueError("concat needs at least one table")
    for table in tables:
        fits(table)
    for a, b in pairwise(tables):
        if a.batch_size != b.batch_size:
            raise ValueError(
                f"tables for batches of {a.batch_size} and {b.batch_size} cannot be joined"
            )
        gap = np.maximum(np.abs(a.alpha[-1] - b.alpha[0]), np.abs(a.sigma[-1] - b.sigma[0]))
        if np.max(gap) > TOLERANCE:
            raise ValueError(
                f"a run that ends at alpha {a.alpha[-1]}, sigma {a.sigma[-1]} cannot go on at "
                f"alpha {b.alpha[0]}, sigma {b.sigma[0]}"
            )
    slots = max(table.slots for table in tables)
    padded = [pad(table, slots) for table in tables]
    fields = {name: np.concatenate([getattr(t, name) for t in padded]) for name in ROWS}
    for name in LEVELS:
        parts = [getattr(table, name) for table in padded]
        fields[name] = np.concatenate([*(part[:-1] for part in parts[:-1]), parts[-1]])
    scale = tables[0].init_noise_scale
    return check(frozen(**fields, init_noise_scale=scale, prediction=agreed(tables)))


def stack(tables: Sequence[Table]) -> Table:
    """One sampler per batch row.

    Shorter tables are finished early: their rows then keep the sample as it is and ignore the
    model, which is still called for them. A stacked table counts as its batch rows.

    Args:
        tables: row b of the batch follows tables[b].

    Returns:
        A table of as many rows as the longest.

    Raises:
        ValueError: if there is none, or if they are for models of different predictions.
    """
    if not isinstance(tables, (list, tuple)) or not tables:
        raise ValueError(f"stack needs a list of tables, at least one, not {shown(tables)}")
    for table in tables:
        fits(table)
    slots, rows = max(t.slots for t in tables), max(t.rows for t in tables)
    wide = [widened(idle(pad(table, slots), rows)) for table in tables]
    fields = {
        name: np.concatenate([getattr(t, name) for t in wide], axis=1) for name in (*ROWS, *LEVELS)
    }
    scale = np.concatenate([t.init_noise_scale for t in wide])
    return check(frozen(**fields, init_noise_scale=scale, prediction=agreed(tables)))


def agreed(tables: Sequence[Table]) -> str | None:
    """What the one model of several tables must return, None if none of them asks.

    ValueError if they ask for different things.
    """
    asked = list(dict.fromkeys(t.prediction for t in tables if t.prediction is not None))
    if len(asked) > 1:
        raise ValueError(
            f"tables for models that return {' and '.join(map(repr, asked))} cannot be run with "
            "one model: make them with one prediction_type (table._replace(prediction=None) is "
            "never asked)"
        )
    return asked[0] if asked else None


def pad(table: Table, slots: int) -> Table:
    """The same sampler with more slots, the new ones always zero; for one compile over several.

    Args:
        table: of K slots.
        slots: K or more.

    Returns:
        A table of that many.

    Raises:
        ValueError: if the table already has more.
    """
    fits(table)
    if not isinstance(slots, Integral) or isinstance(slots, bool) or slots > MOST_SLOTS:
        raise ValueError(f"slots must be a whole number, {MOST_SLOTS} at most, not {shown(slots)}")
    k, more = table.slots, int(slots) - table.slots
    if more < 0:
        raise ValueError(f"a table of {k} slots cannot be padded to {slots}")
    mix = np.zeros((*table.mix.shape[:-2], slots, slots + 3))
    mix[..., :k, :k] = table.mix[..., :k]
    mix[..., :k, slots:] = table.mix[..., k:]
    return frozen(**table._replace(mix=mix)._asdict())


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
        prediction=table.prediction,
    )


def widened(table: Table) -> Table:
    """The table with the batch axis of a stacked one."""
    if table.batch_size is not None:
        return table
    fields = {name: getattr(table, name)[:, None] for name in (*ROWS, *LEVELS)}
    return frozen(
        **fields, init_noise_scale=table.init_noise_scale[None], prediction=table.prediction
    )
