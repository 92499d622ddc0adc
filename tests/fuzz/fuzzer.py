"""What a class of inputs is, and what is to be said of each input."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple


class Input(NamedTuple):
    """One input, ready to be tried."""

    words: str  # what it is, for a reader
    names: tuple[str, ...]  # files and arguments: an error must say one of them
    run: Callable[[], Any]  # tries it


# Makes an input of its own Random, which chooses what is spoilt, and of one Random for each turn of
# spoiling it: without some of the turns it is a smaller input of the same beginning.
Make = Callable[[Random, list[Random]], Input]


class Fuzzer(NamedTuple):
    """One class of inputs."""

    name: str
    share: int  # of all inputs, in percent
    prepare: Callable[[Path], Make]  # in an empty folder of its own; once a process


class Refused(Exception):
    """The command ended with this one line of error."""


class Broken(Exception):
    """The command broke a rule that is not about its line of error."""


class Reached(BaseException):
    """A run came to its first graph: all that is read and checked beforehand passed."""


def turns(random: Random) -> list[Random]:
    """Randoms for the turns of one input: one as a rule, seldom more than three."""
    count = random.choice((1, 1, 1, 1, 2, 2, 3, 5))
    return [Random(random.getrandbits(64)) for _ in range(count)]
