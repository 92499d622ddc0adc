"""What scripts may ask for and this package does not map: by name, with mdx's own way."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias, TypeVar

from mdx.checks import shown

__all__ = ["Neutral", "Unmapped", "neutral", "unmapped", "way"]

C = TypeVar("C")

# The values of an argument that ask for nothing, and what to do in the place of others.
Neutral: TypeAlias = tuple[tuple[Any, ...], str]

PLAIN = (bool, int, float, dict, type(None))  # what compares to a yes or no


class Unmapped:
    """An attribute that says what to do in its place."""

    def __init__(self, name: str, instead: str) -> None:
        self.name, self.instead = name, instead

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise AttributeError(way(f"{owner.__name__}.{self.name}", self.instead))

    def __set__(self, instance: Any, value: Any) -> NoReturn:
        raise AttributeError(way(f"{type(instance).__name__}.{self.name}", self.instead))


def unmapped(names: Mapping[str, str]) -> Callable[[type[C]], type[C]]:
    """A class decorator: each of some names says what to do in its place."""

    def named(cls: type[C]) -> type[C]:
        for name, instead in names.items():
            setattr(cls, name, Unmapped(name, instead))
        return cls

    return named


def way(name: str, instead: str) -> str:
    """An error's words about a name that is not mapped."""
    return f"{name} is not mapped by mdx.compat: {instead}"


def neutral(where: str, value: Any, only: Neutral) -> None:
    """ValueError by name unless an argument's value asks for nothing."""
    values, instead = only
    if not isinstance(value, PLAIN) or value not in values:
        raise ValueError(way(f"{where}={shown(value)}", instead))
