"""Running a table on the device: pure functions from state to state.

MindSpore is imported when the first of them is called, not with the package: tables are made,
looked at and saved without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .tables import Table

if TYPE_CHECKING:
    from mindspore import Tensor

Host = NDArray[np.float32]


class State(NamedTuple):
    """What a run needs to go on, and nothing else."""

    slots: Tensor  # (K, B, C, H, W) float32; slots[0] is the sample
    index: int  # the next row of the table  # pyright: ignore[reportIncompatibleMethodOverride]


class Info(NamedTuple):
    """What a step shows of itself."""

    x0: Tensor  # (B, C, H, W) float32, the picture the model has in mind


def init(table: Table, noise: Tensor | NDArray[np.floating]) -> State:
    """The state before row 0, from unit noise (B, C, H, W) of any float dtype.

    ValueError for another shape, or another batch than a stacked table is for.
    """
    values = host(table, "noise", noise)
    return begin(table, values * per_image(table.init_noise_scale))


def begin(table: Table, sample: Tensor | NDArray[np.floating]) -> State:
    """The state before row 0, from a sample (B, C, H, W) already at the table's first level.

    ValueError for another shape, or another batch than a stacked table is for.
    """
    from mindspore import Tensor

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

    The model must have been called on `table.scale[i] * state.slots[0]` at time `table.t[i]`.
    `model_output` and `noise` are (B, C, H, W) of any float dtype; the arithmetic is float32. A
    model that learned its variance returns (B, 2C, H, W), the variance being the second half of the
    channels: needed where `table.reads_variance(i)`, and ignored elsewhere. `noise` is needed where
    `table.needs_noise(i)`, and ignored elsewhere. ValueError if one of them is missing, if shapes
    do not fit or if no row is left.
    """
    from mindspore import Tensor

    from mdx.kernels import ONE_AT_A_TIME

    from .device import advance_alone

    i, shape = state.index, tuple(state.slots.shape)
    if not 0 <= i < table.rows:
        raise ValueError(f"the table has {table.rows} rows; there is no row {i}")
    if shape[0] != table.slots:
        raise ValueError(f"the state has {shape[0]} slots, the table {table.slots}: see pad")
    fitting(table, "the sample", shape[1:])
    doubled = (shape[1], 2 * shape[2], *shape[3:])
    double = tuple(model_output.shape) == doubled
    if table.reads_variance(i) and not double:
        raise ValueError(
            f"row {i} reads the variance that the model learned: model_output must have shape "
            f"{doubled}, not {tuple(model_output.shape)}"
        )
    out = device("model_output", model_output, doubled if double else shape[1:])
    if not table.needs_noise(i):
        # Its column is zero: any tensor of the shape will do, and the graph stays the same.
        fresh = state.slots[0] if double else out
    elif noise is None:
        raise ValueError(f"row {i} adds noise, and none was given")
    else:
        fresh = device("noise", noise, shape[1:])
    with ONE_AT_A_TIME:
        row = (Tensor(array) for array in factors(table, i, shape[1]))
        slots, x0 = advance_alone(state.slots, out, fresh, *row)
    return State(slots, i + 1), Info(x0)


def add_noise(
    table: Table,
    i: int,
    x0: Tensor | NDArray[np.floating],
    noise: Tensor | NDArray[np.floating],
) -> Tensor:
    """Clean images moved to the level before row i: alpha x0 + sigma noise, (B, C, H, W) float32.

    i = table.rows is the final level. ValueError for a level the table does not have, and for
    shapes that do not fit.
    """
    from mindspore import Tensor

    if not 0 <= i <= table.rows:
        raise ValueError(f"the table has levels 0 to {table.rows}; there is no level {i}")
    clean, fresh = host(table, "x0", x0), host(table, "noise", noise)
    if clean.shape != fresh.shape:
        raise ValueError(f"x0 has shape {clean.shape}, noise {fresh.shape}")
    return Tensor(clean * per_image(table.alpha[i]) + fresh * per_image(table.sigma[i]))


def fitting(table: Table, name: str, shape: tuple[int, ...]) -> None:
    """ValueError unless the shape is that of a batch of images the table can serve."""
    if len(shape) != 4 or table.width not in (None, shape[0]):
        batch = "B" if table.width is None else table.width
        raise ValueError(f"{name} must have shape ({batch}, C, H, W), not {shape}")


def host(table: Table, name: str, values: Any) -> Host:
    """A batch of images as float32 on the host, where the first sample is made once a run."""
    array = values.asnumpy() if hasattr(values, "asnumpy") else np.asarray(values)
    fitting(table, name, array.shape)
    return array.astype(np.float32)


def device(name: str, values: Any, shape: tuple[int, ...]) -> Tensor:
    """A batch of images as a float32 tensor; ValueError if its shape is another."""
    from mindspore import Tensor, float32

    if tuple(values.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(values.shape)}, the sample {shape}")
    if isinstance(values, Tensor):
        return values if values.dtype == float32 else values.astype(float32)
    return Tensor(np.ascontiguousarray(values, np.float32))


def factors(table: Table, i: int, batch: int) -> Iterator[Host]:
    """One row as float32 arrays, columns first and ready to broadcast: what `advance` takes.

    denoise, mix, and what no matrix says: clip, quantile and the two numbers of spread.
    """
    beyond = [table.clip[i][..., None], table.quantile[i][..., None], table.spread[i]]
    for array in (table.denoise[i], table.mix[i], np.concatenate(beyond, axis=-1)):
        lead = array if table.width is not None else np.broadcast_to(array, (batch, *array.shape))
        yield np.ascontiguousarray(lead.T[..., None, None, None], np.float32)


def per_image(factor: NDArray[np.float64]) -> Host:
    """A factor, or one per batch row, shaped to multiply (B, C, H, W)."""
    return np.asarray(factor, np.float32).reshape(-1, 1, 1, 1)
