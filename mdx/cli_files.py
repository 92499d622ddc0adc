"""Files that options name: what settings keep of them, and whether they are a picture's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mdx.checks import shown
from mdx.options import FIELDS, Settings, flag
from mdx.settings_files import File, Given, again_of

__all__ = ["Places", "folder_of", "keep", "keep_again", "model_named"]

SHOWN = 10  # files that an error names

Places = Mapping[str, tuple[str, ...]]  # field to where its files lie, in the order of the field


def keep(given: Mapping[str, Any]) -> tuple[dict[str, Any], Places]:
    """What settings keep of the files that were given, and where those lie.

    ValueError or OSError by the option's name for what is no file that can be read.
    """
    kept: dict[str, Any] = {}
    places: dict[str, tuple[str, ...]] = {}
    for name, value in given.items():
        keeping = FIELDS[name].kind.kept
        if keeping is None:
            continue
        words = value if isinstance(value, list) else [value]
        try:
            found = tuple(keeping(word) for word in words)
        except (ValueError, OSError) as error:
            raise type(error)(f"{flag(name)}: {error}") from None
        kept[name] = found if isinstance(value, list) else found[0]
        places[name] = tuple(word.path for word in words)
    return kept, places


def keep_again(
    settings: Settings, given: Mapping[str, Any], picture: str
) -> tuple[Settings, Places]:
    """The settings of a picture, with the files that were given in the place of its own.

    A picture does not say where its files lie: they are looked for beside it, and taken from there
    if they are the same, byte for byte. ValueError for one that is neither there nor given, and for
    a given one that is another.
    """
    given = {**_beside(settings, given, picture), **given}
    kept, places = keep(given)
    for name, field in FIELDS.items():
        value = getattr(settings, name)
        if field.kind.kept is None or (value in (None, ()) and name not in kept):
            continue
        several = field.length is not None  # a File alone is a tuple, too
        known: tuple[File, ...] = () if value is None else value if several else (value,)
        if name not in kept:
            names = ", ".join(shown(one.name) for one in known)
            raise ValueError(
                f"{picture} was made with {names}, and does not say where that is: give it with "
                f"{flag(name)}"
            )
        words: list[Given] = given[name] if several else [given[name]]
        found: tuple[File, ...] = kept[name] if several else (kept[name],)
        order = _order(known, found)
        if order is None:
            right = "give that" if known else "leave it out"
            raise ValueError(
                f"{flag(name)} names {_named(found)}, but {picture} was made with "
                f"{_named(known)}: {right}; or, for another picture, leave out --from and give as "
                f"options what `mdx info {picture}` lists"
            )
        again = tuple(
            again_of(words[i], found[i], own) for i, own in zip(order, known, strict=True)
        )
        settings = settings._replace(**{name: again if several else again[0]})
        places = {**places, name: tuple(words[i].path for i in order)}
    return settings, places


def _order(known: Sequence[File], found: Sequence[File]) -> list[int] | None:
    """Where each known file is among those found; None unless both are the same files."""
    left, order = list(range(len(found))), []
    for one in known:
        place = next((i for i in left if found[i].sha256 == one.sha256), None)
        if place is None:
            return None
        left.remove(place)
        order.append(place)
    return None if left else order


def _named(files: Sequence[File]) -> str:
    """Files in words: the first names, each with as much of its digest as tells bytes apart."""
    some = [f"{shown(one.name)} (SHA-256 {one.sha256[:12]})" for one in files[:SHOWN]]
    return ", ".join(some + ["..."] * (len(files) > SHOWN)) or "none"


def _beside(settings: Settings, given: Mapping[str, Any], picture: str) -> dict[str, Any]:
    """The files of a picture that lie beside it, of the fields that were not given.

    ValueError for a file of one's name that is another.
    """
    found: dict[str, Any] = {}
    for name, field in FIELDS.items():
        value = getattr(settings, name)
        if field.kind.kept is None or value in (None, ()) or name in given:
            continue
        several = field.length is not None  # a File alone is a tuple, too
        known: tuple[File, ...] = value if several else (value,)
        words = [Given(str(Path(picture).parent / one.name), one.scale) for one in known]
        if not all(Path(word.path).is_file() for word in words):
            continue
        for word, one in zip(words, known, strict=True):
            if field.kind.kept(word).sha256 != one.sha256:
                raise ValueError(
                    f"{picture} was made with {shown(one.name)}, and the file of that name beside "
                    f"it is another: give the right one with {flag(name)}"
                )
        found[name] = words if several else words[0]
    return found


def folder_of(model: str | None) -> Path | None:
    """The absolute folder that a model's name means; None for a Hub id, or what is nothing."""
    if model is None:
        return None
    try:
        path = Path(model).expanduser()
        return path.resolve() if path.exists() else None
    except (OSError, RuntimeError):  # too long a name, or a home of nobody; loading it says so
        return None


def model_named(model: str | None, keep_path: bool) -> str | None:
    """What a picture says of its model: where a folder lies is the user's own business."""
    folder = folder_of(model)
    if folder is None:
        return model
    return str(folder) if keep_path else folder.name or "model"
