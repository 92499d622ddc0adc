"""What made a picture: the record that the command line fills in and a PNG carries.

A field stands here once: what it may hold, and how the command line asks for it. The parser, the
checks of both and the text in a PNG are made of that.
"""

from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from mdx.checks import did_you_mean, shown
from mdx.settings_kinds import (
    BUDGET,
    NAME,
    PART,
    PATH,
    PROMPT,
    SCALE,
    SIDE,
    Kind,
    text,
    whole,
    word,
)

__all__ = [
    "FIELDS",
    "MOST",
    "Field",
    "Option",
    "Settings",
    "checked",
    "from_json",
    "to_json",
    "version",
]

MOST = 10_000  # pictures of one command: a day's work on a fast device
LARGEST = 2**27  # pixels of a grid: 400 MB, twice


class Option(NamedTuple):
    """How the command line asks for a field."""

    flag: str  # "--steps"; a name without hyphens for what has no flag
    metavar: str | tuple[str, ...]
    help: str
    nargs: str | int | None = None
    action: str = "store"


class Settings(NamedTuple):
    """Everything `mdx` needs to make its pictures again; None means the checkpoint's default."""

    # of the mdx that made it
    version: Annotated[str, NAME]
    # a Hub id, an absolute folder, or the bare name of a folder whose place is not said; None is
    # the packaged checkpoint
    model: Annotated[
        str | None,
        PATH,
        Option("--model", "M", "Hub id or folder (default: the packaged one)"),
    ]
    # of the weights' files
    variant: Annotated[
        str | None, PART, Option("--variant", "V", 'of the weights\' files, such as "fp16"')
    ]
    # the Hub commit, or what was asked for
    revision: Annotated[
        str | None, NAME, Option("--revision", "R", "branch, tag or commit on the Hub")
    ]
    dtype: Annotated[
        str,
        word("float32", "float16", "bfloat16"),
        Option("--dtype", "D", "float32 (default), float16 or bfloat16"),
    ]
    # pictures are made for every prompt and every seed
    prompts: Annotated[tuple[str, ...], PROMPT, Option("prompts", "PROMPT", "what to draw", "*")]
    seeds: Annotated[
        tuple[int, ...],
        whole(0, 2**128 - 1),
        Option("--seed", "S", "default: a random one", "+"),
    ]
    # negative prompt, for all pictures
    negative: Annotated[
        str | None, PROMPT, Option("--negative", "TEXT", "what to keep out of the pictures")
    ]
    # its name
    scheduler: Annotated[
        str | None, NAME, Option("--scheduler", "NAME", "default: the checkpoint's")
    ]
    # of the scheduler
    steps: Annotated[
        int | None, whole(1, 1_000_000), Option("--steps", "N", "default: the scheduler's")
    ]
    # scale of the classifier-free guidance
    guidance: Annotated[
        float | None, SCALE, Option("--guidance", "G", "default: the checkpoint's; 1 is none")
    ]
    # pixels
    width: Annotated[int | None, SIDE]
    height: Annotated[int | None, SIDE]
    # the budget: what keeps within it may change last bits
    memory: Annotated[
        str | None, BUDGET, Option("--memory", "M", "budget to keep within, as 6GB or 800MB")
    ] = None
    # rows and columns; None for pictures of their own
    grid: Annotated[
        tuple[int, int] | None,
        whole(1, MOST),
        Option("--grid", ("R", "C"), "one picture of R rows and C columns", 2),
    ] = None
    # options of the scheduler's config, as they were given: "use_karras_sigmas=true"
    set: Annotated[
        tuple[str, ...],
        text(2**17),
        Option(
            "--set",
            "KEY=VALUE",
            "option of the scheduler, as `mdx samplers NAME` lists them; may be repeated",
            action="append",
        ),
    ] = ()


class Field(NamedTuple):
    """A field of the record, read off its type."""

    kind: Kind  # of each entry
    option: Option | None  # None for what no option, or one for two of them, gives
    optional: bool  # whether it may be None
    length: int | None  # of a list; 0 for any, None for what is no list
    required: bool  # whether a PNG must have it; what came later has a default


def _field(name: str, hint: Any) -> Field:
    inner, kind, *option = get_args(hint)
    alternatives = get_args(inner) if type(None) in get_args(inner) else (inner,)
    [main] = [one for one in alternatives if one is not type(None)]
    entries = get_args(main) if get_origin(main) is tuple else None
    length = None if entries is None else 0 if ... in entries else len(entries)
    return Field(
        kind,
        option[0] if option else None,
        len(alternatives) > 1,
        length,
        name not in Settings._field_defaults,
    )


FIELDS: Mapping[str, Field] = {
    name: _field(name, hint) for name, hint in get_type_hints(Settings, include_extras=True).items()
}


def version() -> str:
    """The installed mdx's version; "unknown" when it runs from a source folder."""
    try:
        return metadata.version("mdx")
    except metadata.PackageNotFoundError:
        return "unknown"


def to_json(settings: Settings) -> dict[str, Any]:
    """The settings as a JSON object; tuples become lists on the way.

    Without `set` there is no such key: as in pictures of before there was one.
    """
    return {name: value for name, value in settings._asdict().items() if value != ()}


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
        return _fitting(field.kind, name, value)
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name} must be a list, not {shown(value)}")
    if field.length not in (0, len(value)) or (not value and field.required):
        wanted = field.length or "one or more"
        raise ValueError(f"{name} must have {wanted} entries, not {len(value)}")
    return tuple(_fitting(field.kind, name, entry) for entry in value)


def _fitting(kind: Kind, name: str, entry: Any) -> Any:
    if not kind.fits(entry):
        meant = did_you_mean(entry, kind.choices)
        raise ValueError(f"{name} must be {kind.words}, not {shown(entry)}{meant}")
    return entry


def _listed(names: Iterable[str]) -> str:
    """Names in words, ten of them at most."""
    known = sorted(map(str, names))
    more = [f"... ({len(known)} in all)"] if len(known) > 10 else []
    return ", ".join([*(shown(name) for name in known[:10]), *more]) or "none"
