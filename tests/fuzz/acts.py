"""Inputs that do what is looked for: the fuzzers' own tests try them, without mdx."""

import os
from functools import partial
from pathlib import Path
from typing import NoReturn

from tests.fuzz.fuzzer import Input, Make


def die() -> None:
    """As a library does that meets what it thought impossible."""
    os.abort()


def spin() -> NoReturn:
    """For ever."""
    while True:
        pass


def fail(error: BaseException) -> NoReturn:
    """Raise it."""
    raise error


# What an input does, and what is to be found.
ACTS = {
    "good": (list, "accepted"),
    "refused": (partial(fail, ValueError("a.json has no key b")), "refused"),
    "aborted": (die, "crashes"),
    "endless": (spin, "hangs"),
    "after it": (list, "accepted"),
    "key": (partial(fail, KeyError("a.json")), "tracebacks"),
    "ended": (partial(fail, SystemExit(1)), "tracebacks"),
    "nameless": (partial(fail, TypeError("an int is not iterable")), "unnamed"),
    "two lines": (partial(fail, ValueError("a.json:\nhas no key b")), "unnamed"),
    "escape": (partial(fail, ValueError("a.json has no key \x1b[1m")), "unnamed"),
    "long": (partial(fail, ValueError("a.json " + "b" * 1000)), "unnamed"),
    "half a pair": (partial(fail, ValueError("a.json has no key \ud800")), "unnamed"),
}


def prepare(name: str, _: Path) -> Make:
    """The input of that name, whatever the seed."""
    return lambda *_: Input(name, ("a.json",), ACTS[name][0])
