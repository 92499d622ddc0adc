"""What made a picture: the record that the command line fills in and a PNG carries, checked.

What the fields are, and may hold, is in options.py.
"""

import secrets
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from mdx.checks import shown
from mdx.option_fields import Field
from mdx.options import FIELDS, Settings
from mdx.settings_files import File
from mdx.settings_files import json as json_of_file
from mdx.settings_kinds import MOST, fitting

__all__ = ["check_grid", "checked", "from_json", "of_new", "to_json", "version"]

LARGEST = 2**27  # pixels of a grid: 400 MB, twice

# Fields that have a default and stand in a PNG all the same, as they always have.
ALWAYS = ("memory", "grid")


def version() -> str:
    """The installed mdx's version; "unknown" when it runs from a source folder."""
    try:
        return metadata.version("mdx")
    except metadata.PackageNotFoundError:
        return "unknown"


def of_new() -> dict[str, Any]:
    """What a new picture has where nothing is said: the options' defaults, and a random seed."""
    found = {name: field.option.default for name, field in FIELDS.items() if field.option}
    own = {"version": version(), "seeds": [secrets.randbelow(2**32)]}
    return {**found, **own, **Settings._field_defaults}


def to_json(settings: Settings) -> dict[str, Any]:
    """The settings as a JSON object; tuples become lists on the way.

    What has its default is left out, but for ALWAYS: as in pictures of before there was the field.
    """
    defaults = Settings._field_defaults
    return {
        name: _to_json(value)
        for name, value in settings._asdict().items()
        if name in ALWAYS or name not in defaults or value != defaults[name]
    }


def _to_json(value: Any) -> Any:
    if isinstance(value, File):
        return json_of_file(value)
    return [_to_json(entry) for entry in value] if isinstance(value, tuple) else value


def from_json(json: Mapping[str, Any]) -> Settings:
    """Check a JSON object and make the record of it. Raises ValueError that names the field."""
    missing = {name for name, field in FIELDS.items() if field.required} - json.keys()
    unknown = json.keys() - FIELDS.keys()
    if missing or unknown:
        made_by = json.get("version", "an unknown one")
        raise ValueError(
            f"the settings do not fit this mdx ({version()}; they are from {shown(made_by)}): "
            f"missing {_listed(missing)}, not known {_listed(unknown)}"
        )
    return checked(json, {name: f"the settings' {name}" for name in FIELDS})


def checked(values: Mapping[str, Any], names: Mapping[str, str]) -> Settings:
    """The record of values as JSON or the command line has them; `names` are for errors.

    Raises ValueError for a value that cannot be right whatever the model is, for more than MOST
    pictures and for a grid that does not fit them.
    """
    given = {name: _checked(FIELDS[name], names[name], value) for name, value in values.items()}
    settings = Settings(**given)
    prompts, seeds = len(settings.prompts), len(settings.seeds)
    if prompts * seeds > MOST:
        raise ValueError(
            f"{prompts} prompts times {seeds} seeds make {prompts * seeds} pictures, and one "
            f"command makes {MOST} at most: give it fewer at a time"
        )
    if settings.grid is not None:
        rows, columns = settings.grid
        if rows * columns != prompts * seeds:
            raise ValueError(
                f"{names['grid']} {rows} {columns} does not fit: {prompts} prompts times {seeds} "
                f"seeds make {prompts * seeds} pictures"
            )
        check_grid(settings)
    return settings


def check_grid(settings: Settings) -> None:
    """Raise ValueError for a grid of too many pixels; sides that are not known are one pixel."""
    rows, columns = settings.grid or (0, 0)
    height, width = rows * (settings.height or 1), columns * (settings.width or 1)
    if height * width > LARGEST:
        raise ValueError(
            f"a grid of {height} by {width} pixels has more than {LARGEST}: make pictures of "
            "their own, without a grid"
        )


def _checked(field: Field, name: str, value: Any) -> Any:
    """A value of a field, lists as tuples; ValueError by name for one that does not fit."""
    if value is None and field.optional:
        return None
    if field.length is None:
        return fitting(field.kind, name, value)
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name} must be a list, not {shown(value)}")
    if field.length not in (0, len(value)) or (not value and field.required):
        wanted = field.length or "one or more"
        raise ValueError(f"{name} must have {wanted} entries, not {len(value)}")
    return tuple(fitting(field.kind, name, entry) for entry in value)


def _listed(names: Iterable[str]) -> str:
    """Names in words, ten of them at most."""
    known = sorted(map(str, names))
    more = [f"... ({len(known)} in all)"] if len(known) > 10 else []
    return ", ".join([*(shown(name) for name in known[:10]), *more]) or "none"
