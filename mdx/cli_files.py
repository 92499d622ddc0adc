"""Files that options name: what settings keep of them, and whether they are a picture's own."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mdx.checks import shown
from mdx.options import FIELDS, Settings, flag
from mdx.settings_files import File, Given, same

__all__ = ["Places", "folder_of", "keep", "keep_again", "model_named"]

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
    if they are the same, byte for byte. ValueError for one that is neither there nor given. It is
    warned of a given one that is another.
    """
    given = {**_beside(settings, given, picture), **given}
    kept, places = keep(given)
    for name, field in FIELDS.items():
        value = getattr(settings, name)
        several = field.length is not None  # a File alone is a tuple, too
        known: tuple[File, ...] = value if several else (value,)
        if field.kind.kept is None or (value in (None, ()) and name not in kept):
            continue
        if name not in kept:
            names = ", ".join(shown(one.name) for one in known)
            raise ValueError(
                f"{picture} was made with {names}, and does not say where that is: give it with "
                f"{flag(name)}"
            )
        words: list[Given] = given[name] if several else [given[name]]
        found: tuple[File, ...] = kept[name] if several else (kept[name],)
        paired = [
            next((one for own in known if own and (one := same(word, file, own))), None)
            for word, file in zip(words, found, strict=True)
        ]
        if None in paired or len(paired) != len(known):
            warnings.warn(
                f"what {flag(name)} names is not what {picture} was made with, so the picture may "
                "differ",
                stacklevel=3,
            )
        found = tuple(one or file for one, file in zip(paired, found, strict=True))
        settings = settings._replace(**{name: found if several else found[0]})
    return settings, places


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
