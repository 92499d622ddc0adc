"""The loop in which a table of coefficients and a denoiser meet."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mdx import mindspore_internals, schedulers
from mdx.checks import flag, shown
from mdx.compile_cache import compiled
from mdx.compile_cache import run as at_work
from mdx.progress import bar, without_compiling
from mdx.sampling import one_graph as whole_runs
from mdx.sampling.denoiser import Denoiser, lift, per_image, rows
from mdx.sampling.network import Network
from mdx.schedulers import Info, State, Table
from mdx.schedulers.step import checked, fitting, whole

__all__ = ["After", "Callback", "checked_watching", "run", "sample"]

Callback = Callable[[int, State, Info], Any]
After = Callable[[Table, State], State]


@at_work()
def sample(
    denoiser: Any,
    table: Table,
    *,
    noise: NDArray[np.floating] | Tensor | None = None,
    start: NDArray[np.floating] | Tensor | State | None = None,
    step_noise: Iterable[NDArray[np.floating] | None] | None = None,
    callback: Callback | None = None,
    after: After | None = None,
    progress: bool | None = None,
    one_graph: bool = False,
) -> State:
    """Run a table with a denoiser, from noise or from a state, to the state after its last row.

    Args:
        denoiser: what `mdx.denoiser` made, or functions of `mdx.guidance`; any Denoiser; or a
            function (x, t) -> output of one's own, which is called with float32 arrays, x (B, ...)
            and t (B,), and returns an array or a Tensor (B, ...).
        table: the sampler: what `schedulers.table` made.
        noise: unit noise (B, ...) to begin with, of any rank from 1 to 6.
        start: in its place, a sample (B, ...) at the level of the table's first row, or a State to
            go on from.
        step_noise: for each row of the table, those before the state's included, the unit noise
            (B, ...) that it adds, or None where it adds none; see `mdx.step_noise.rows`. None if
            no row adds any.
        callback: is called with (row, state, info) after every row; info.x0 is the sample that the
            model has in mind.
        after: a function (table, state) -> state to go on with; callback sees that one.
        progress: True draws a bar on stderr, False none, None one where stderr is a terminal.
        one_graph: run all rows in one compiled graph: for networks alone, and unwatched.

    Returns:
        The state after the last row; slots[0] is the sample.

    Raises:
        ValueError, TypeError: for arguments that do not fit, before the denoiser is called, and for
            an output that does not, by its row.
        FloatingPointError: for a sample that is not finite after the first row or the last.
    """
    checked_watching(callback, after, progress, flag("one_graph", one_graph))
    schedulers.check(table)
    if (noise is None) == (start is None):
        raise ValueError("sample begins with noise, or from start: give one of them")
    if isinstance(start, State):
        state = _going_on(table, start)
    elif start is not None:
        state = schedulers.begin(table, start)
    else:
        state = schedulers.init(table, noise)  # pyright: ignore[reportArgumentType]
    if step_noise is None:
        if any(table.needs_noise(i) for i in range(state.index, table.rows)):
            raise ValueError(
                "rows of the table add noise: give step_noise, as mdx.step_noise.rows makes it"
            )
        step_noise = [None] * table.rows
    drawn = bar(table.rows, state.index, False if one_graph else progress)
    with drawn as steps, without_compiling(steps):
        return run(denoiser, table, state, step_noise, callback, after, steps.update, one_graph)


def checked_watching(callback: Any, after: Any, progress: Any, one_graph: bool) -> None:
    """TypeError or ValueError for what cannot watch a run."""
    for name, function in (("callback", callback), ("after", after)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be callable, not {shown(function)}")
    watched = progress is not None and flag("progress", progress)
    if one_graph and (watched or callback is not None or after is not None):
        raise ValueError("one_graph cannot be watched: leave out progress, callback and after")


def run(
    denoiser: Any,
    table: Table,
    state: State,
    step_noise: Iterable[Any],
    callback: Callback | None,
    after: After | None,
    done: Callable[[], Any],
    one_graph: bool,
) -> State:
    """The state after the last row of a table, from one of its states; `done` after each row."""
    if not isinstance(denoiser, Network) or callback is not None or after is not None:
        mindspore_internals.ready_outside_graphs()
    if one_graph:
        if not isinstance(denoiser, Network):
            raise ValueError(
                "one_graph runs a network, guided or not, and not a denoiser made of functions"
            )
        if denoiser.memory.weights == "stage":
            raise ValueError(
                'one_graph has all of the network\'s weights at work: ask for weights="net"'
            )
        denoiser.lowered().init(tuple(state.slots.shape[1:]))
        _agreed(denoiser.prediction, table)
        return finite(whole_runs.run(denoiser, table, state, list(step_noise)))
    return finite(_row_by_row(lift(denoiser), table, state, step_noise, callback, after, done))


def _row_by_row(
    denoiser: Denoiser,
    table: Table,
    state: State,
    step_noise: Iterable[Any],
    callback: Callback | None,
    after: After | None,
    done: Callable[[], Any],
) -> State:
    _agreed(denoiser.prediction, table)
    begin, count = state.index, state.slots.shape[1]
    carry = denoiser.init(tuple(state.slots.shape[1:]))
    carry = {**carry, **(state.carry or {})}
    each, noises = rows(table), iter(step_noise)
    for row in each:
        try:
            noise = next(noises)
        except StopIteration:
            raise ValueError(
                f"step_noise ends at row {row.index} of {table.rows}: give one entry a row"
            ) from None
        if row.index < begin:
            continue
        x = _scaled(state.slots, Tensor(per_image(row.scale, count)))
        out, carry = denoiser.apply(carry, x, row)
        state, info = schedulers.step(table, state, out, noise)
        state = state._replace(carry=dict(carry) or None)
        if row.index == begin:
            finite(state)  # not after all rows what the first one shows
        if after is not None:
            state = _same_run(state, after(table, state))
            carry = dict(carry if state.carry is None else state.carry)
        if callback is not None:
            callback(row.index, state, info)
        done()
    return state


def finite(state: State) -> State:
    """The state; FloatingPointError if its sample holds NaN or infinity."""
    slots = state.slots
    if not np.isfinite(slots.asnumpy()[0]).all():
        raise FloatingPointError(
            "the latents hold NaN or infinity: the model's numbers overflow in its dtype "
            "(load it in float32), or the steps of the scheduler are too large for it"
        )
    return state


def _agreed(prediction: str | None, table: Table) -> None:
    """ValueError for a table that reads another output than the denoiser's."""
    if None not in (prediction, table.prediction) and prediction != table.prediction:
        raise ValueError(
            f"the table is for a model that returns {table.prediction!r}, and the denoiser returns "
            f"{prediction!r}: make it with that prediction_type"
        )


def _same_run(state: State, changed: Any) -> State:
    """What `after` returned, if the run can go on with it."""
    if not isinstance(changed, State):
        raise TypeError(f"after must return a State, not {type(changed).__name__}")
    if changed.index != state.index or changed.slots.shape != state.slots.shape:
        raise ValueError(
            f"after must return a State at row {state.index} with slots {state.slots.shape}, "
            f"not at row {changed.index} with {changed.slots.shape}"
        )
    return changed._replace(carry=state.carry) if changed.carry is None else changed


def _going_on(table: Table, state: State) -> State:
    """A state to begin with, with as many slots as the table; ValueError for none of its rows."""
    slots = checked(state).slots
    fitting(table, "start", tuple(slots.shape[1:]))
    if not whole(state.index, table.rows) or len(slots) > table.slots:
        raise ValueError(
            f"start is at row {shown(state.index)} with {len(slots)} slots, and the table has "
            f"{table.rows} rows and {table.slots} slots"
        )
    padded = np.zeros((table.slots, *slots.shape[1:]), np.float32)
    padded[: len(slots)] = slots.asnumpy()
    return state._replace(slots=Tensor(padded))


def _scale(slots: Tensor, factor: Tensor) -> Tensor:
    shape = (-1,) + (1,) * (len(slots.shape) - 2)
    return slots[0] * factor.reshape(shape)


_scaled = compiled(_scale)
