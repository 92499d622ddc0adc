"""What a field of an option's record says of it: see options.py, which is the table of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from mdx.settings_kinds import Kind

__all__ = ["Field", "Option", "fields_of"]


class Option(NamedTuple):
    """How the command line asks for a field, and what is done with the answer."""

    flag: str  # "--steps"; a name without hyphens for what has no flag
    metavar: str | tuple[str, ...] | None
    help: str
    nargs: str | int | None = None
    action: str = "store"
    default: Any = None  # of a new picture, where that is neither None nor the record's
    short: tuple[str, ...] = ()  # "-o"
    keyword: str | None = None  # of `generate`, if it is given the value as it is
    beside: bool = False  # whether it may stand beside --from, in the place of the picture's own
    key: str | None = None  # of A1111's text of a picture, see settings_infotext.py
    # where one option is for several fields, which share it: its word to their values, in order
    split: Callable[[str], Sequence[Any]] | None = None


class Field(NamedTuple):
    """A field of a record, read off its type."""

    kind: Kind  # of each entry
    option: Option | None  # None for what the command finds out by itself
    optional: bool  # whether it may be None
    length: int | None  # of a list; 0 for any, None for what is no list
    required: bool  # whether a PNG must have it; what came later has a default


def fields_of(record: Any) -> Mapping[str, Field]:
    """The fields of a record whose types say what they hold, in its order."""
    hints = get_type_hints(record, include_extras=True)
    return {name: _field(hint, name in record._field_defaults) for name, hint in hints.items()}


def _field(hint: Any, has_default: bool) -> Field:
    inner, kind, *option = get_args(hint)
    alternatives = get_args(inner) if type(None) in get_args(inner) else (inner,)
    [main] = [one for one in alternatives if one is not type(None)]
    entries = get_args(main) if get_origin(main) is tuple else None
    length = None if entries is None else 0 if ... in entries else len(entries)
    optional = len(alternatives) > 1
    return Field(kind, option[0] if option else None, optional, length, not has_default)
