"""Running a table on the device: pure functions from state to state.

MindSpore is imported when the first of them is called, not with the package: tables are made,
looked at and saved without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.fields import shown

from .record import Table, fits

if TYPE_CHECKING:
    from mindspore import Tensor

Host = NDArray[np.float32]

# Axes of a sample, B among them: the device's arrays have eight, and a row's factors two more.
MOST_AXES = 6


class State(NamedTuple):
    """What a run needs to go on, and nothing else."""

    slots: Tensor  # (K, B, ...) float32; slots[0] is the sample, (B, C, H, W) of pictures
    index: int  # the next row of the table  # pyright: ignore[reportIncompatibleMethodOverride]
    carry: Mapping[str, Any] | None = None  # what the denoiser carries on, by name; None: nothing

    def __repr__(self) -> str:
        """Its shape and place; its numbers are in its fields."""
        carried = "" if self.carry is None else f", carry={', '.join(self.carry)}"
        return f"State(slots={shaped(self.slots)}, index={self.index!r}{carried})"


class Info(NamedTuple):
    """What a step shows of itself."""

    x0: Tensor  # (B, ...) float32, the picture the model has in mind

    def __repr__(self) -> str:
        """Its shape; its numbers are in its field."""
        return f"Info(x0={shaped(self.x0)})"


def shaped(values: Any) -> str:
    """What kind of array something is."""
    return f"{getattr(values, 'dtype', type(values).__name__)} {getattr(values, 'shape', '')}"


def init(table: Table, noise: Tensor | NDArray[np.floating]) -> State:
    """The state before row 0, from unit noise.

    Args:
        table: of the run.
        noise: (B, ...) of any float dtype. Samples may be pictures (B, C, H, W), videos (B, C, F,
            H, W), points (B, D) or numbers (B,): up to 6 axes, whose meaning no sampler knows.

    Returns:
        The State.

    Raises:
        ValueError: for another shape, for another batch than a stacked table is for, and for what
            is no finite number in float32.
    """
    fits(table)
    values = host(table, "noise", noise)
    return begin(table, values * per_image(table.init_noise_scale, values.ndim))


def begin(table: Table, sample: Tensor | NDArray[np.floating]) -> State:
    """The state before row 0, from a sample already at the table's first level.

    Args:
        table: of the run.
        sample: (B, ...) of any float dtype.

    Returns:
        The State.

    Raises:
        ValueError: as for `init`.
    """
    from mindspore import Tensor

    fits(table)
    values = host(table, "sample", sample)
    slots = np.zeros((table.slots, *values.shape), np.float32)
    slots[0] = values
    return State(Tensor(slots), 0)


def step(
    table: Table,
    state: State,
    model_output: Tensor | NDArray[np.floating],
    noise: Tensor | NDArray[np.floating] | None = None,
) -> tuple[State, Info]:
    """The state after row `state.index`, given what the model returned for it.

    The model must have been called on `table.scale[i] * state.slots[0]` at time `table.t[i]`. The
    arithmetic is float32. A picture, where a row thresholds it, is all of one sample.

    Args:
        table: of the run.
        state: what `init` or `step` made.
        model_output: (B, ...) like the sample, of any float dtype. A model that learned its
            variance returns (B, 2C, ...), the variance being the second half of the channels:
            needed where `table.reads_variance(i)`, and ignored elsewhere. Samples (B,) have no
            channels, and a row that reads the variance none for them.
        noise: unit noise like the sample: needed where `table.needs_noise(i)`, and ignored
            elsewhere.

    Returns:
        The State, and Info of what the row came to.

    Raises:
        ValueError: if one of them is missing, if shapes do not fit or if no row is left.
    """
    from mindspore import Tensor

    from .device import advance_alone

    fits(table)
    checked(state)
    i, (slots, *shape) = state.index, state.slots.shape or (0,)
    if not whole(i, table.rows - 1):
        raise ValueError(
            f"the table has {table.rows} rows; there is no row {shown(i)} for the state"
        )
    if slots != table.slots:
        raise ValueError(f"the state has {slots} slots, the table {table.slots}: see pad")
    shape = fitting(table, "the sample", tuple(shape))
    batch = shape[0]
    if not isinstance(model_output, Tensor):
        model_output = real("model_output", model_output)
    if not isinstance(noise, Tensor) and table.needs_noise(i) and noise is not None:
        noise = real("noise", noise)
    doubled = (batch, *(2 * channels for channels in shape[1:2]), *shape[2:])
    double = len(shape) > 1 and np.shape(model_output) == doubled
    if table.reads_variance(i) and not double:
        wanted = f"shape {doubled}" if len(shape) > 1 else "channels, and samples (B,) have none"
        raise ValueError(
            f"row {i} reads the variance that the model learned: model_output must have {wanted}, "
            f"not {np.shape(model_output)}"
        )
    out = device("model_output", model_output, doubled if double else shape)
    if not table.needs_noise(i):
        # Its column is zero: any tensor of the shape will do, and the graph stays the same.
        fresh = state.slots[0] if double else out
    elif noise is None:
        raise ValueError(f"row {i} adds noise, and none was given")
    else:
        fresh = device("noise", noise, shape)
    row = (Tensor(array) for array in factors(table, i, batch, len(shape)))
    new, x0 = advance_alone(state.slots, out, fresh, *row)
    return state._replace(slots=new, index=i + 1), Info(x0)


def add_noise(
    table: Table,
    i: int,
    x0: Tensor | NDArray[np.floating],
    noise: Tensor | NDArray[np.floating],
) -> Tensor:
    """Clean samples moved to the level before a row: alpha x0 + sigma noise.

    Args:
        table: of the run.
        i: the row; table.rows is the final level.
        x0: clean samples (B, ...) of any float dtype.
        noise: unit noise (B, ...) of any float dtype.

    Returns:
        float32 (B, ...).

    Raises:
        ValueError: for a level the table does not have, and as for `init`.
    """
    from mindspore import Tensor

    fits(table)
    if not whole(i, table.rows):
        raise ValueError(f"the table has levels 0 to {table.rows}; there is no level {shown(i)}")
    clean, fresh = host(table, "x0", x0), host(table, "noise", noise)
    if clean.shape != fresh.shape:
        raise ValueError(f"x0 has shape {clean.shape}, noise {fresh.shape}")
    alpha, sigma = (per_image(level[i], clean.ndim) for level in (table.alpha, table.sigma))
    return Tensor(clean * alpha + fresh * sigma)


def checked(state: State) -> State:
    """The state itself; TypeError unless its slots are a Tensor, and its carry a dict or None."""
    from mindspore import Tensor

    if not isinstance(state, State) or not isinstance(state.slots, Tensor):
        raise TypeError(
            f"a state's slots must be a Tensor, not {shown(getattr(state, 'slots', state))}"
        )
    check_carry("a state's carry", state)
    return state


def check_carry(name: str, state: State) -> None:
    """TypeError by name unless what a state carries is a dict by names, or nothing."""
    carry = state.carry
    named = isinstance(carry, Mapping) and all(isinstance(name, str) for name in carry)
    if carry is not None and not named:
        raise TypeError(f"{name} must be a dict of arrays or None, not {shown(carry)}")


def whole(i: Any, most: int) -> bool:
    """Whether i is a whole number from 0 to `most`."""
    return isinstance(i, Integral) and not isinstance(i, bool) and 0 <= int(i) <= most


def fitting(table: Table, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, if it is that of a batch of samples the table can serve; else ValueError."""
    if not 1 <= len(shape) <= MOST_AXES or 0 in shape or table.batch_size not in (None, shape[0]):
        batch = "B" if table.batch_size is None else table.batch_size
        raise ValueError(
            f"{name} must have shape ({batch}, ...), of 1 to {MOST_AXES} axes and none of them "
            f"empty, not {shape}"
        )
    return shape


def host(table: Table, name: str, values: Any) -> Host:
    """A batch of samples as float32 on the host, where the first one is made once a run."""
    array = real(name, values.asnumpy() if hasattr(values, "asnumpy") else values)
    fitting(table, name, array.shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite in float32")
    return array


def real(name: str, values: Any) -> Host:
    """Numbers as a float32 array; ValueError if they are none."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "cmMOSU":
            with np.errstate(over="ignore"):
                return np.asarray(array, np.float32, order="C")
    except (TypeError, ValueError):
        pass
    kind = getattr(values, "dtype", type(values).__name__)
    raise ValueError(f"{name} must be an array of real numbers, not {kind}")


def device(name: str, values: Any, shape: tuple[int, ...]) -> Tensor:
    """A batch of samples as a float32 tensor; ValueError if its shape is another."""
    from mindspore import Tensor, float32

    if np.shape(values) != shape:
        raise ValueError(f"{name} has shape {np.shape(values)}, the sample {shape}")
    if isinstance(values, Tensor):
        return values if values.dtype == float32 else values.astype(float32)
    return Tensor(real(name, values))


def factors(table: Table, i: int, batch: int, axes: int = 4) -> Iterator[Host]:
    """One row as float32 arrays, columns first and ready to broadcast: what `advance` takes.

    denoise, mix, and what no matrix says: clip, quantile and the two numbers of spread. `axes` is
    how many a sample has, B among them.
    """
    beyond = [table.clip[i][..., None], table.quantile[i][..., None], table.spread[i]]
    for array in (table.denoise[i], table.mix[i], np.concatenate(beyond, axis=-1)):
        lead = (
            array if table.batch_size is not None else np.broadcast_to(array, (batch, *array.shape))
        )
        columns = lead.T.reshape(*lead.T.shape, *[1] * (axes - 1))
        yield np.ascontiguousarray(columns, np.float32)


def per_image(factor: NDArray[np.float64], axes: int) -> Host:
    """A factor, or one per batch row, shaped to multiply a sample of so many axes."""
    return np.asarray(factor, np.float32).reshape(-1, *[1] * (axes - 1))
