"""Where a run begins, if not with noise: what `generate` takes as `start`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mdx.checks import array_of, whole
from mdx.schedulers import State, Table
from mdx.schedulers.step import check_carry

__all__ = ["Begun", "check", "given", "state"]


class Begun(NamedTuple):
    """A state on the host, whose images can be parted."""

    slots: NDArray[np.float32]  # (K, B, C, h, w); K is 1 for latents that were given alone
    row: int  # the next one of the table
    carry: Mapping[str, Any] | None = None  # what its denoiser carries on: see State


def given(start: Any) -> Begun:
    """Latents (B, C, h, w), or a State of them, looked at; ValueError or TypeError by name."""
    whole_state = isinstance(start, State)
    if whole_state:
        check_carry("the carry of start", start)
    slots = array_of("start", start.slots if whole_state else start)
    if slots.ndim != (5 if whole_state else 4):
        raise ValueError(
            f"start must be latents (B, C, h, w), or a State of them, not of shape {slots.shape}"
        )
    if slots.dtype.kind != "f":
        raise ValueError(f"start must be floating point latents, not {slots.dtype} {slots.shape}")
    with np.errstate(over="ignore"):
        slots = slots.astype(np.float32)
    if not np.isfinite(slots).all():
        raise ValueError("start holds NaN or infinity")
    if not whole_state:
        return Begun(slots[None], 0)
    return Begun(slots, whole("the index of start", start.index, 0), start.carry)


def check(begun: Begun, rows: int, shape: tuple[int, ...]) -> None:
    """ValueError unless the run has such latents (B, C, h, w), and such a row."""
    if begun.slots.shape[1:] != shape or not len(begun.slots):
        raise ValueError(f"start must be latents of shape {shape}, not {begun.slots.shape[1:]}")
    if begun.row > rows:
        raise ValueError(f"start is at row {begun.row} of a table with {rows} rows")


def state(begun: Begun, images: slice, table: Table) -> State:
    """The state of some of the images, with the slots of their table."""
    own = begun.slots[:, images]
    slots = np.zeros((table.slots, *own.shape[1:]), np.float32)
    slots[: len(own)] = own
    # Images of a batch may have come to their end already.
    return State(Tensor(slots), min(begun.row, table.rows), begun.carry)
