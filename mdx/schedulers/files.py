"""Tables and states as files: safetensors, so that any program can read them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mdx.fields import shown
from mdx.files import as_name, first_few, replacing

from .record import ARRAYS, Table, check, frozen
from .step import MOST_AXES, State, checked, whole

TABLE = {"format": "mdx.schedulers.table", "version": "3"}
STATE = {"format": "mdx.schedulers.state", "version": "1"}

# Tables of older versions lack these: what they read is not known, and nothing else bounds them.
ADDED = {"1": ("quantile", "spread"), "2": (), "3": ()}


def save(table: Table, path: str | os.PathLike[str]) -> None:
    """Write the table to a safetensors file: float64, one tensor per array, the rest as metadata.

    The file appears whole or not at all. ValueError if it is no table, OSError if the file cannot
    be written.
    """
    check(table)
    more = {} if table.prediction is None else {"prediction": table.prediction}
    write({name: getattr(table, name) for name in ARRAYS}, path, {**TABLE, **more})


def load(path: str | os.PathLike[str]) -> Table:
    """Read a table that `save` wrote, bit for bit; one of an older version reads it is not said.

    FileNotFoundError if there is none; ValueError that names the file if it is anything else, or
    its numbers do not make a table.
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
    """Write a run's state to a safetensors file: slots float32, index int64.

    The table that it runs and, of a sampler that adds noise, the generators are not in it. The file
    appears whole or not at all. ValueError for an index that is no row, OSError if the file cannot
    be written.
    """
    slots: Any = checked(state).slots
    if not whole(state.index, 2**63 - 1):
        raise ValueError(f"a state's index must be a row of its table, not {shown(state.index)}")
    write({"slots": slots.asnumpy(), "index": np.array(state.index, np.int64)}, path, STATE)


def load_state(path: str | os.PathLike[str]) -> State:
    """Read a state that `save_state` wrote, bit for bit; `step` goes on where it stopped.

    FileNotFoundError if there is none; ValueError that names the file if it is anything else.
    """
    names = {"slots": "F32", "index": "I64"}
    _, fields = read("state", path, STATE["format"], names, {STATE["version"]: ()})
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
    kind: str,
    path: str | os.PathLike[str],
    form: str,
    dtypes: Mapping[str, str],
    versions: Mapping[str, tuple[str, ...]],
) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Metadata and arrays of a safetensors file, if they are those of the kind.

    `dtypes` are the arrays' as the format writes them; `versions` are those that can be read, each
    with the arrays that it lacks. FileNotFoundError, or ValueError that names the file.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be the name of a file, not {shown(path)}")
    said = as_name(str(path))
    try:
        exists = Path(path).is_file()
    except (OSError, ValueError):  # no file can have such a name
        exists = False
    if not exists:
        raise FileNotFoundError(f"no {kind} at {said}")
    try:
        with safe_open(path, framework="np") as file:
            found, there = file.metadata() or {}, set(file.keys())
            version = found.get("version", "")
            if found.get("format") != form:
                raise ValueError(
                    f"{said} is no {kind} of mdx: {shown(found) if found else 'no metadata'}"
                )
            if version not in versions:
                raise ValueError(
                    f"{said} is a {kind} of version {shown(version)}, and this mdx reads "
                    f"{', '.join(versions)}: install a newer one, or write the file again"
                )
            wanted = set(dtypes).difference(versions[version])
            lists = {"lacks": sorted(wanted - there), "should not have": sorted(there - wanted)}
            wrong = [f"{verb} {first_few(names)}" for verb, names in lists.items() if names]
            if wrong:
                raise ValueError(f"{said} is no {kind} of mdx: it {' and '.join(wrong)}")
            for name in sorted(there):
                # Asked before it is read: numpy does not know all dtypes that the format has.
                dtype = file.get_slice(name).get_dtype()
                if dtype != dtypes[name]:
                    raise ValueError(
                        f"{said} is no {kind} of mdx: {name} must be {dtypes[name]}, not {dtype}"
                    )
            return found, {name: file.get_tensor(name) for name in there}
    except SafetensorError as error:
        raise ValueError(f"{said} is no safetensors file: {shown(str(error))}") from None
