"""Prompts that change over a run: conditionings, and which of them each row has."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from mdx.checks import shown, whole
from mdx.conditioning import Conditioning
from mdx.conditioning import checked as checked_conditioning

__all__ = ["Changing", "Schedule", "at", "checked", "each", "every", "which"]


class Schedule(NamedTuple):
    """What a model is given at each row of a run, of B images: `encode_prompt(rows=...)` makes it.

    All conditionings have arrays of the same names and shapes, so that a run compiles nothing anew.
    """

    conditionings: tuple[Conditioning, ...]
    rows: tuple[int, ...]  # of each row of the run, the number of its conditioning

    @property
    def family(self) -> str:
        """Of the models that it is for."""
        return self.conditionings[0].family

    @property
    def batch(self) -> int:
        """B, how many images it is for."""
        return self.conditionings[0].batch


Changing: TypeAlias = Conditioning | Schedule


def checked(one: Any) -> Changing:
    """The value, if it is a Conditioning or a Schedule; TypeError or ValueError otherwise."""
    if not isinstance(one, Schedule):
        return checked_conditioning(one)
    if not isinstance(one.conditionings, tuple) or not one.conditionings:
        raise TypeError("conditionings of a Schedule are a tuple of at least one mdx.Conditioning")
    kinds = set()
    for other in one.conditionings:
        arrays = checked_conditioning(other).arrays
        kinds.add((other.family, *sorted((n, a.dtype, a.shape) for n, a in arrays.items())))
    if len(kinds) > 1:
        raise ValueError(
            "conditionings of a Schedule have arrays of the same names and shapes, and these "
            f"differ: {', '.join(map(repr, one.conditionings))}"
        )
    if not isinstance(one.rows, tuple) or not one.rows:
        raise TypeError(f"rows of a Schedule are a tuple of whole numbers, not {shown(one.rows)}")
    for number in one.rows:
        whole("rows of a Schedule", number, 0, len(one.conditionings) - 1)
    return one


def each(one: Changing, function: Callable[[Conditioning], Conditioning]) -> Changing:
    """What a function makes of a conditioning, or of each one of a schedule."""
    if isinstance(one, Schedule):
        return one._replace(conditionings=tuple(map(function, one.conditionings)))
    return function(one)


def at(one: Changing, number: int) -> Conditioning:
    """The conditioning of a number that `which` gave."""
    return one.conditionings[number] if isinstance(one, Schedule) else one


def which(one: Changing, index: int, count: int) -> int:
    """The number of the conditioning of a row of `count`; ValueError for another run's schedule."""
    if not isinstance(one, Schedule):
        return 0
    if len(one.rows) != count:
        raise ValueError(
            f"the prompts' schedule is of {len(one.rows)} rows, and the run has {count}: give "
            "encode_prompt the table of the run as rows"
        )
    return one.rows[index]


def every(one: Changing) -> tuple[Conditioning, ...]:
    """All that it is in some row."""
    return one.conditionings if isinstance(one, Schedule) else (one,)
