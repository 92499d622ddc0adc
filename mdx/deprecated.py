"""Public names as they were: each works for one release more, and says what it is called now."""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["callable_union", "renamed", "warn"]

F = TypeVar("F", bound=Callable[..., Any])


def warn(old: str, new: str) -> None:
    """Warn the caller of the function that calls this."""
    warnings.warn(f"{old} is deprecated: use {new}", DeprecationWarning, stacklevel=3)


def renamed(old: str, new: str, function: F) -> F:
    """The function under its old name, which warns where it is called."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        warn(old, new)
        return function(*arguments, **named)

    call.__name__ = call.__qualname__ = old.rpartition(".")[2]
    return call  # pyright: ignore[reportReturnType] - functools.wraps keeps the signature


def callable_union(old: str, new: str, records: tuple[type, ...]) -> type:
    """A type whose instances are those of some records, and whose call makes the first of them.

    That is what the union of families' records was when there was one family: a record. A union
    alone cannot be called.
    """

    class Union(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, records)

        def __call__(cls, *parts: Any, **named: Any) -> Any:
            warn(old, new)
            return records[0](*parts, **named)

    module, _, name = old.rpartition(".")
    return Union(name, (), {"__module__": module, "__doc__": "The record of any family."})
