"""Tables and states as files: safetensors, so that any program can read them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mdx.files import replacing

from .step import State
from .tables import Table, check, frozen

TABLE = {"format": "mdx.schedulers.table", "version": "2"}
STATE = {"format": "mdx.schedulers.state", "version": "1"}


def save(table: Table, path: str | os.PathLike[str]) -> None:
    """Write the table to a safetensors file, float64, one tensor per field.

    The file appears whole or not at all. OSError if it cannot be written.
    """
    write(table._asdict(), path, TABLE)


def load(path: str | os.PathLike[str]) -> Table:
    """Read a table that `save` wrote, bit for bit.

    FileNotFoundError if there is none; ValueError if the file is anything else, or its numbers do
    not make a table.
    """
    fields = read("table", path, TABLE, Table._fields)
    if any(array.dtype != "float64" for array in fields.values()) or fields["mix"].ndim < 3:
        raise ValueError(f"{path} is no table of mdx: its arrays have the wrong type or shape")
    return check(frozen(**fields))


def save_state(state: State, path: str | os.PathLike[str]) -> None:
    """Write a run's state to a safetensors file: slots float32, index int64.

    The table that it runs and, of a sampler that adds noise, the generators are not in it. The file
    appears whole or not at all. OSError if it cannot be written.
    """
    slots: Any = state.slots
    write({"slots": slots.asnumpy(), "index": np.array(state.index, np.int64)}, path, STATE)


def load_state(path: str | os.PathLike[str]) -> State:
    """Read a state that `save_state` wrote, bit for bit; `step` goes on where it stopped.

    FileNotFoundError if there is none; ValueError if the file is anything else.
    """
    fields = read("state", path, STATE, State._fields)
    slots, index = fields["slots"], fields["index"]
    typed = slots.dtype == "float32" and index.dtype == "int64"
    if not typed or slots.ndim != 5 or index.shape != () or index < 0:
        raise ValueError(f"{path} is no state of mdx: its arrays have the wrong type or shape")

    from mindspore import Tensor

    return State(Tensor(slots), int(index))


def write(
    fields: Mapping[str, NDArray[Any]], path: str | os.PathLike[str], metadata: dict[str, str]
) -> None:
    """Write arrays to a safetensors file, whole or not at all; OSError if it cannot be done."""
    target = Path(path)
    try:
        with replacing(target) as partial:
            save_file(dict(fields), partial, metadata=metadata)
    except SafetensorError as error:
        raise OSError(f"cannot write {target}: {error}") from None


def read(
    kind: str, path: str | os.PathLike[str], metadata: dict[str, str], names: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, if its metadata and names are those of the kind."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no {kind} at {path}")
    try:
        with safe_open(path, framework="np") as file:
            found = file.metadata() or {}
            fields = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from None
    if found != metadata or set(fields) != set(names):
        raise ValueError(f"{path} is no {kind} of mdx: {found or 'no metadata'}")
    return fields
