"""Files that options name: what settings keep of them, and whether they are a picture's own."""

import warnings
from collections.abc import Mapping
from typing import Any

from mdx.checks import shown
from mdx.options import FIELDS, Settings, flag
from mdx.settings_files import File, Given, same

__all__ = ["Places", "keep", "keep_again"]

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

    A picture does not say where its files lie: ValueError for one that was not given. It is warned
    of one that is another.
    """
    kept, places = keep(given)
    for name, field in FIELDS.items():
        value = getattr(settings, name)
        known: tuple[File, ...] = value if isinstance(value, tuple) else (value,)
        if field.kind.kept is None or (value in (None, ()) and name not in kept):
            continue
        if name not in kept:
            names = ", ".join(shown(one.name) for one in known)
            raise ValueError(
                f"{picture} was made with {names}, and does not say where that is: give it with "
                f"{flag(name)}"
            )
        several = isinstance(kept[name], tuple)
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
