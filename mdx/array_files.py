"""Arrays of one kind of value as a safetensors file, written whole and read with suspicion."""

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

__all__ = ["read", "write"]

KEPT = ("F32", "I32")  # dtypes of a value whose arrays are named by others


def write(
    fields: Mapping[str, NDArray[Any]], path: str | os.PathLike[str], metadata: dict[str, str]
) -> None:
    """Write arrays to a safetensors file, whole or not at all; OSError if it cannot be done."""
    target = Path(path)
    try:
        with replacing(target) as partial:
            # The format is row by row, and the library writes memory as it lies.
            ordered = {name: np.asarray(array, order="C") for name, array in fields.items()}
            save_file(ordered, partial, metadata=metadata)
    except SafetensorError as error:
        raise OSError(f"cannot write {target}: {error}") from None


def read(
    kind: str,
    path: str | os.PathLike[str],
    form: str,
    dtypes: Mapping[str, str],
    versions: Mapping[str, tuple[str, ...]],
    further: str | None = None,
) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Metadata and arrays of a safetensors file, if they are those of the kind.

    `dtypes` are the arrays' as the format writes them; arrays whose names begin with `further` may
    be there beside them, of the dtypes KEPT. `versions` are those that can be read, each with the
    arrays that it lacks. FileNotFoundError, or ValueError that names the file.
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
            if further is not None:
                wanted |= {name for name in there if name.startswith(further)}
            lists = {"lacks": sorted(wanted - there), "should not have": sorted(there - wanted)}
            wrong = [f"{verb} {first_few(names)}" for verb, names in lists.items() if names]
            if wrong:
                raise ValueError(f"{said} is no {kind} of mdx: it {' and '.join(wrong)}")
            for name in sorted(there):
                # Asked before it is read: numpy does not know all dtypes that the format has.
                dtype = file.get_slice(name).get_dtype()
                allowed = (dtypes[name],) if name in dtypes else KEPT
                if dtype not in allowed:
                    raise ValueError(
                        f"{said} is no {kind} of mdx: {name} must be {' or '.join(allowed)}, not "
                        f"{dtype}"
                    )
            return found, {name: file.get_tensor(name) for name in there}
    except SafetensorError as error:
        raise ValueError(f"{said} is no safetensors file: {shown(str(error))}") from None
