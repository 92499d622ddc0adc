"""The tables of a run: what `generate` takes as `scheduler`."""

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
    model: Model, chosen: Sequence[str | Scheduler | Table | None], steps: int | None, count: int
) -> list[Table]:
    """The table of each scheduler: one an image, or one for all `count` of them.

    ValueError or TypeError for what makes no table, or one that is not for the model.
    """
    if steps is not None and all(isinstance(scheduler, Table) for scheduler in chosen):
        raise ValueError("a Table has its own steps: leave out steps, or give a Scheduler")
    steps = STEPS if steps is None else whole("steps", steps, 1)
    tables = [_one_table(model, scheduler, steps) for scheduler in chosen]
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


def _one_table(model, scheduler, steps):
    if isinstance(scheduler, Table):
        try:
            table = schedulers.check(scheduler)
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"scheduler is a Table that makes no run: {error}") from None
    else:
        table = _built(model, scheduler, steps)
    own = schedulers.prediction(model.scheduler)
    if table.prediction not in (None, own):
        raise ValueError(
            f"scheduler is for a model that returns {table.prediction!r}, and the checkpoint's "
            f"returns {own!r}: choose one for such a model, or model._replace(scheduler=...) where "
            "the checkpoint's config is mistaken (a Table whose prediction is None is run unasked)"
        )
    return table


def _built(model, scheduler, steps):
    if scheduler is None:
        scheduler = model.scheduler
    elif isinstance(scheduler, str):
        scheduler = schedulers.from_config(model.scheduler, scheduler)
    elif not isinstance(scheduler, Scheduler) or not isinstance(scheduler.name, str):
        kinds = "a name, a Scheduler, a Table or None"
        raise TypeError(f"scheduler must be {kinds}, not {shown(scheduler)}")
    try:
        if is_compatible(scheduler, model.scheduler):
            return schedulers.table(scheduler, steps)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"scheduler is a Scheduler of nonsense: {error}") from None
    raise ValueError(
        f"{scheduler.name} is for other networks than a checkpoint with {model.scheduler.name} "
        "has: `mdx samplers` lists them by what they are for (a Table is run unasked)"
    )
