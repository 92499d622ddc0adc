"""The tables of a run: what `generate` takes as `scheduler`."""

import math
from collections.abc import Sequence

import numpy as np

from mdx import schedulers
from mdx.checks import shown, whole
from mdx.families import Model
from mdx.schedulers import Scheduler, Table
from mdx.schedulers.config import is_compatible

__all__ = ["made", "of"]

STEPS = 50  # where neither the caller nor a Table says


def made(
    model: Model,
    chosen: Sequence[str | Scheduler | Table | None],
    steps: int | None,
    count: int,
    strength: Sequence[float] | None = None,
) -> list[Table]:
    """The table of each scheduler: one an image, or one for all `count` of them.

    With strengths of pictures, one for all or one an image, those of the last rows: `kept` says how
    many. ValueError or TypeError for what makes no table, or one that is not for the model.
    """
    if steps is not None and all(isinstance(scheduler, Table) for scheduler in chosen):
        raise ValueError("a Table has its own steps: leave out steps, or give a Scheduler")
    steps = STEPS if steps is None else whole("steps", steps, 1)
    shares = [None] if strength is None else strength
    number = max(len(chosen), len(shares))
    tables = [
        _one_table(model, chosen[i % len(chosen)], steps, shares[i % len(shares)])
        for i in range(number)
    ]
    widths = {table.batch_size for table in tables}
    if len(tables) > 1 and widths != {None}:
        raise ValueError("a stacked table cannot be one of several: it is one for each image")
    if not widths <= {None, count}:
        raise ValueError(
            f"the stacked table is for {tables[0].batch_size} images, but {count} are asked"
        )
    return tables


def of(tables: Sequence[Table], images: slice) -> Table:
    """The table of some of the images: their stack, or their part of a stack."""
    chosen = tables if len(tables) == 1 else tables[images]
    if len(chosen) > 1:
        return schedulers.stack(chosen)
    [table] = chosen
    if table.batch_size is None:
        return table
    arrays = {k: v[:, images] for k, v in table._asdict().items() if np.ndim(v) > 1}
    return table._replace(**arrays, init_noise_scale=table.init_noise_scale[images])


def _kept(steps: int, strength: float, of: str) -> int:
    """How many of a run's last steps are run at a strength; ValueError for none of them.

    As many as diffusers runs, in whose arithmetic 0.29 of 100 is 28.
    """
    left = min(int(steps * strength), steps)
    if left < 1:
        least = math.ceil(1e4 / steps) / 1e4
        raise ValueError(
            f"strength {strength:g} of {steps} {of} is none of them: give {least:g} or more, or "
            "more steps"
        )
    return left


def _rest(table: Table, strength: float) -> Table:
    """The last rows of a Table, which are the run at a strength."""
    left = _kept(_falling(table, "Table").rows, strength, "rows")
    if left == table.rows:
        return table
    try:
        return schedulers.take(table, slice(table.rows - left, None))
    except ValueError as error:
        raise ValueError(
            f"scheduler is a Table whose last {left} rows are no run of their own ({error}): give "
            "a Scheduler, or a Table with strength 1"
        ) from None


def _falling(table: Table, scheduler: str) -> Table:
    """The table; ValueError for one that goes from a clean picture to noise."""
    ratio = table.sigma[[0, -1]] / np.maximum(table.alpha[[0, -1]], 1e-12)
    if np.any(ratio[0] < ratio[1]):
        raise ValueError(
            f"scheduler {scheduler} goes from a picture to its noise, and image and strength are "
            "for those that go the other way: give start, the picture's latents"
        )
    return table


def _one_table(model, scheduler, steps, strength):
    if isinstance(scheduler, Table):
        try:
            table = schedulers.check(scheduler)
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"scheduler is a Table that makes no run: {error}") from None
        if strength is not None:
            table = _rest(table, strength)
    else:
        table = _built(model, scheduler, steps, strength)
    own = schedulers.prediction(model.scheduler)
    if table.prediction not in (None, own):
        raise ValueError(
            f"scheduler is for a model that returns {table.prediction!r}, and the checkpoint's "
            f"returns {own!r}: choose one for such a model, or model._replace(scheduler=...) where "
            "the checkpoint's config is mistaken (a Table whose prediction is None is run unasked)"
        )
    return table


def _built(model, scheduler, steps, strength):
    if scheduler is None:
        scheduler = model.scheduler
    elif isinstance(scheduler, str):
        scheduler = schedulers.from_config(model.scheduler, scheduler)
    elif not isinstance(scheduler, Scheduler) or not isinstance(scheduler.name, str):
        kinds = "a name, a Scheduler, a Table or None"
        raise TypeError(f"scheduler must be {kinds}, not {shown(scheduler)}")
    try:
        if is_compatible(scheduler, model.scheduler):
            if strength is None:
                return schedulers.table(scheduler, steps)
            left = _kept(steps, strength, "steps")
            table = schedulers.table(scheduler, steps, start=steps - left)
            return _falling(table, scheduler.name)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"scheduler is a Scheduler of nonsense: {error}") from None
    raise ValueError(
        f"{scheduler.name} is for other networks than a checkpoint with {model.scheduler.name} "
        "has: `mdx samplers` lists them by what they are for (a Table is run unasked)"
    )
