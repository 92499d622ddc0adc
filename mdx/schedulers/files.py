"""Tables and states as files: safetensors, so that any program can read them."""

import os
from typing import Any

import numpy as np

from mdx.array_files import read, write
from mdx.fields import shown

from .record import ARRAYS, Table, check, frozen
from .step import MOST_AXES, State, checked, whole

TABLE = {"format": "mdx.schedulers.table", "version": "3"}
# What a denoiser carries came with version 2, which is written where there is any.
STATE = {"format": "mdx.schedulers.state", "version": "1"}
CARRYING = {**STATE, "version": "2"}
CARRY = "carry."  # begins the names of what is carried

# Tables of older versions lack these: what they read is not known, and nothing else bounds them.
ADDED = {"1": ("quantile", "spread"), "2": (), "3": ()}


def save(table: Table, path: str | os.PathLike[str]) -> None:
    """Write the table to a safetensors file: float64, one tensor per array, the rest as metadata.

    The file appears whole or not at all.

    Args:
        table: what is written.
        path: the file, which is replaced where there is one.

    Raises:
        ValueError: if it is no table.
        OSError: if the file cannot be written.
    """
    check(table)
    more = {} if table.prediction is None else {"prediction": table.prediction}
    write({name: getattr(table, name) for name in ARRAYS}, path, {**TABLE, **more})


def load(path: str | os.PathLike[str]) -> Table:
    """Read a table that `save` wrote, bit for bit; one of an older version reads it is not said.

    Args:
        path: the file.

    Returns:
        The Table.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: that names the file, if it is anything else, or its numbers do not make a table.
    """
    found, fields = read("table", path, TABLE["format"], dict.fromkeys(ARRAYS, "F64"), ADDED)
    version, lead = found["version"], fields["mix"].shape[:-2]
    for name in ADDED[version]:
        fields[name] = np.zeros((*lead, 2) if name == "spread" else lead)
    prediction = found.get("prediction") if version == TABLE["version"] else None
    try:
        return check(frozen(**fields, prediction=prediction))
    except ValueError as error:
        raise ValueError(f"{path} is no table of mdx: {error}") from None


def save_state(state: State, path: str | os.PathLike[str]) -> None:
    """Write a run's state to a safetensors file: slots float32, index int64, and what is carried.

    The table that it runs and, of a sampler that adds noise, the generators are not in it. The file
    appears whole or not at all.

    Args:
        state: what is written.
        path: the file, which is replaced where there is one.

    Raises:
        ValueError: for an index that is no row.
        OSError: if the file cannot be written.
    """
    slots: Any = checked(state).slots
    if not whole(state.index, 2**63 - 1):
        raise ValueError(f"a state's index must be a row of its table, not {shown(state.index)}")
    fields = {"slots": slots.asnumpy(), "index": np.array(state.index, np.int64)}
    for name, value in (state.carry or {}).items():
        array = np.asarray(value.asnumpy() if hasattr(value, "asnumpy") else value)
        if array.dtype not in (np.float32, np.int32):
            raise ValueError(
                f"what a state carries must be float32 or int32 to be saved: {shown(name)} is "
                f"{array.dtype}"
            )
        fields[CARRY + name] = array
    write(fields, path, CARRYING if state.carry else STATE)


def load_state(path: str | os.PathLike[str]) -> State:
    """Read a state that `save_state` wrote, bit for bit; `step` goes on where it stopped.

    What is carried comes back as tensors.

    Args:
        path: the file.

    Returns:
        The State.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: that names the file, if it is anything else.
    """
    names = {"slots": "F32", "index": "I64"}
    versions = {kind["version"]: () for kind in (STATE, CARRYING)}
    _, fields = read("state", path, STATE["format"], names, versions, CARRY)
    slots, index = fields["slots"], fields["index"]
    if not 2 <= slots.ndim <= MOST_AXES + 1 or slots.size == 0:
        raise ValueError(
            f"{path} is no state of mdx: its slots must have shape (K, B, ...), not {slots.shape}"
        )
    if not np.isfinite(slots).all():
        raise ValueError(f"{path} is no state of mdx: its slots hold NaN or infinity")
    if index.shape != () or index < 0:
        raise ValueError(f"{path} is no state of mdx: its index must be a row, not {index}")

    from mindspore import Tensor

    carry = {name[len(CARRY) :]: Tensor(fields[name]) for name in fields if name not in names}
    return State(Tensor(slots), int(index), carry or None)
