"""What the fields of configs may hold, as data, and the one reader that holds them to it.

A kind says in words what it takes and makes the value that is used of the one in the file. A net's
Config record annotates its fields with kinds; the keys of schedulers' configs have theirs in a
table. Whole numbers may be written as floats (16.0), as many tools do, and null for a yes or no is
no; everything else of another type, NaN and what is out of range is refused by name.
"""

import math
import reprlib
from collections.abc import Callable, Collection, Mapping
from numbers import Real
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

__all__ = [
    "DEPTH", "FLAG", "LONGEST", "SIDES", "SIZE", "TEXT", "Flag", "Kind", "Size", "choice",
    "each_block", "either", "listed", "nullable", "number", "per_block", "read", "shown", "value",
    "whole",
]  # fmt: skip

R = TypeVar("R")

LONGEST = 100  # characters of a value that an error shows
ENTRIES = 1 << 17  # of a list
SHORT = reprlib.Repr()
SHORT.maxlevel, SHORT.maxdict, SHORT.maxstring, SHORT.maxlong = 2, 2, 60, 40


class Kind(NamedTuple):
    """What a field may hold."""

    words: str  # what is expected, as an error says it: "a whole number from 1 to 1000"
    read: Callable[[Any], Any]  # the value in the file to the one used; raises Misfit


class Misfit(Exception):
    """What a kind does not take: its place within a list, the value, and the words for it.

    Between kinds and `value`, which makes the ValueError that names the key.
    """


def value(key: str, given: Any, kind: Kind) -> Any:
    """The value used where a config has `given` under `key`; ValueError unless it is of `kind`."""
    try:
        return kind.read(given)
    except Misfit as misfit:
        place, wrong, words = misfit.args
        raise ValueError(f"{key}{place} {shown(wrong)} is not supported, only {words}") from None


def read(
    record: type[R],
    json: Mapping[str, Any],
    neutral: Mapping[str, Kind],
    silent: Collection[str] = (),
) -> R:
    """Make `record`, a NamedTuple whose fields are annotated with kinds, of a config's JSON object.

    Absent fields keep the record's defaults. `neutral` are keys that need be no field, as they are
    known only by the values with which they change nothing; `silent` are keys that say nothing of
    what is computed, and so are those that begin with "_". Any other is refused unless it is null.
    ValueError names the first key whose value does not fit.
    """
    hints = get_type_hints(record, include_extras=True)
    kinds = {name: hint.__metadata__[0] for name, hint in hints.items()}
    found = {}
    for key, given in json.items():
        if key in kinds:
            found[key] = value(key, given, kinds[key])
        elif key in neutral:
            value(key, given, neutral[key])
        elif given is not None and not key.startswith("_") and key not in silent:
            raise ValueError(
                f"config key {shown(key)} (value {shown(given)}) is not known: this network is of "
                "a kind that mdx does not have, or its config is newer than this mdx"
            )
    return record(**found)


def shown(given: Any) -> str:
    """A value as an error shows it: in one line, and never long."""
    if given is None:
        return "null"
    if isinstance(given, int) and given.bit_length() > 128:
        return f"of {round(given.bit_length() * math.log10(2))} digits"
    try:
        text = SHORT.repr(given)
    except (ValueError, RecursionError):  # numbers within it that Python will not write out
        text = f"of type {type(given).__name__}"
    text = text.replace("\n", " ")  # arrays are written in several lines
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def whole(least: int = 0, most: int = 1 << 24) -> Kind:
    """Whole numbers from `least` to `most`."""
    words = f"a whole number from {least} to {most}"

    def checked(given: Any) -> int:
        if not _is_number(given) or not least <= given <= most or given != int(given):
            raise Misfit("", given, words)
        return int(given)

    return Kind(words, checked)


def number(least: float = -1e6, most: float = 1e6, *, above: bool = False) -> Kind:
    """Numbers from `least` to `most`, both included; or `above` the least."""
    words = f"a number {f'above {least:g}, up' if above else f'from {least:g}'} to {most:g}"

    def checked(given: Any) -> float:
        fits = _is_number(given) and least <= given <= most and not (above and given == least)
        if not fits or (isinstance(given, int) and given.bit_length() > 1000):  # floats end there
            raise Misfit("", given, words)
        return float(given)

    return Kind(words, checked)


def choice(*values: Any) -> Kind:
    """One of these values; those that are lists in the file are tuples here."""
    names = ["null" if one is None else repr(one) for one in values]
    words = f"one of {', '.join(names)}" if len(names) > 1 else names[0]

    def checked(given: Any) -> Any:
        for one in values:
            if _same(given, one):
                return one
        raise Misfit("", given, words)

    return Kind(words, checked)


def either(*kinds: Kind, words: str | None = None) -> Kind:
    """What any of the kinds takes, as the first that does."""
    expected = words or ", or ".join(kind.words for kind in kinds)

    def checked(given: Any) -> Any:
        for kind in kinds:
            try:
                return kind.read(given)
            except Misfit:
                continue
        raise Misfit("", given, expected)

    return Kind(expected, checked)


def nullable(kind: Kind) -> Kind:
    """What `kind` takes, or null."""
    return _worded(
        f"{kind.words}, or null", lambda given: None if given is None else kind.read(given)
    )


def listed(kind: Kind, least: int = 0, most: int = ENTRIES) -> Kind:
    """Lists of what `kind` takes, `least` to `most` of them, as tuples."""
    length = f"{least}" if least == most else f"{least} to {most}"
    words = f"a list of {length} entries, each {kind.words}"

    def checked(given: Any) -> tuple:
        if not isinstance(given, list | tuple) or not least <= len(given) <= most:
            raise Misfit("", given, words)
        entries = []
        for place, entry in enumerate(given):
            try:
                entries.append(kind.read(entry))
            except Misfit as misfit:
                raise Misfit(f"[{place}]{misfit.args[0]}", *misfit.args[1:]) from None
        return tuple(entries)

    return Kind(words, checked)


def each_block(kind: Kind) -> Kind:
    """A list of what `kind` takes, with one for each block."""
    return listed(kind, 1, BLOCKS)


def per_block(kind: Kind) -> Kind:
    """What `kind` takes, once for all blocks, or a list with one for each block."""
    some = each_block(kind)

    def checked(given: Any) -> Any:
        return (some if isinstance(given, list | tuple) else kind).read(given)

    return _worded(f"{kind.words}, or a list of that for each block", checked)


def _worded(words: str, read: Callable[[Any], Any]) -> Kind:
    """A kind of these words, but for an entry of a list: what is said of that stands."""

    def checked(given: Any) -> Any:
        try:
            return read(given)
        except Misfit as misfit:
            place, wrong, expected = misfit.args
            raise Misfit(place, wrong, expected if place else words) from None

    return Kind(words, checked)


def _is_number(given: Any) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool)


def _same(given: Any, one: Any) -> bool:
    """Equal and of one type, but for 1 and 1.0, lists and tuples."""
    if isinstance(one, tuple):
        alike = isinstance(given, list | tuple) and len(given) == len(one)
        return alike and all(map(_same, given, one))
    if _is_number(one):
        return _is_number(given) and given == one
    return type(given) is type(one) and given == one


def _flag(given: Any) -> bool:
    if not isinstance(given, bool | None):
        raise Misfit("", given, "true or false")
    return bool(given)


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise Misfit("", given, "text")
    return given


BLOCKS = 64  # levels of resolution: a picture of one pixel has fewer doublings than that
FLAG = Kind("true or false", _flag)
TEXT = Kind("text", _text)
SIZE = whole(1)  # channels, words, positions
DEPTH = whole(1, 1000)  # layers on top of each other
SIDE = whole(1, 1 << 16)
SIDES = nullable(either(SIDE, listed(SIDE, 2, 2), words=f"{SIDE.words}, or a list of two"))
Flag = Annotated[bool, FLAG]
Size = Annotated[int, SIZE]
