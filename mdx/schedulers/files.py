"""Tables as files: safetensors, so that any program can read them."""

import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .tables import Table, check, frozen

FORMAT = {"format": "mdx.schedulers.table", "version": "1"}


def save(table: Table, path: str | os.PathLike[str]) -> None:
    """Write the table to a safetensors file, float64, one tensor per field.

    The file appears whole or not at all. OSError if it cannot be written.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        save_file(dict(table._asdict()), partial, metadata=FORMAT)
        os.replace(partial, target)
    except SafetensorError as error:
        raise OSError(f"cannot write {target}: {error}") from None
    finally:
        partial.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Table:
    """Read a table that `save` wrote, bit for bit.

    FileNotFoundError if there is none; ValueError if the file is anything else, or its numbers do
    not make a table.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no table at {path}")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            fields = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from None
    if metadata != FORMAT or set(fields) != set(Table._fields):
        raise ValueError(f"{path} is no table of mdx: {metadata or 'no metadata'}")
    if any(array.dtype != "float64" for array in fields.values()) or fields["mix"].ndim < 3:
        raise ValueError(f"{path} is no table of mdx: its arrays have the wrong type or shape")
    return check(frozen(**fields))
