"""Work in a process of its own, whose memory is that work's alone."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


def fresh(function: Callable[..., Result], *arguments: object) -> Result:
    """What a function returns when it is called in a fresh interpreter.

    A forked one would begin with this one's memory.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


def peak_memory() -> int:
    """The most bytes of memory that this process held: Linux alone says.

    Not getrusage's ru_maxrss, which keeps what the parent held when it started this process.
    """
    for entry in Path("/proc/self/status").read_text().splitlines():
        if entry.startswith("VmHWM:"):
            return int(entry.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM: this needs Linux")
