"""What a child process is before it tries anything: no network, no graphs, bounded memory."""

import faulthandler
import os
import resource
import sys
from pathlib import Path
from typing import Any, NoReturn

from tests.fuzz.fuzzer import Reached

MEMORY = 2 * 2**30  # bytes of addresses, beyond what a process begins with

LAST_WORDS = "crash.txt"  # where the lines stand that a crash passed


def enter(folder: Path) -> None:
    """Make this process one that tries inputs: for good, before mdx is imported."""
    bare(folder)

    import mdx.compile_cache

    mdx.compile_cache.compiled = _compiled
    _bound()


def bare(folder: Path) -> None:
    """The part of it that is not about mdx."""
    os.chdir(folder)
    os.environ |= {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hub"),
        "HOME": str(folder),
        "MDX_COMPILE_CACHE": "0",
        "MPLBACKEND": "Agg",
    }
    # MindSpore and oneDNN write to the files, not to Python's streams.
    quiet = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(quiet, number)
    faulthandler.enable((folder / LAST_WORDS).open("w"), all_threads=False)
    sys.set_int_max_str_digits(4300)  # as it is by default, whatever the environment says


def _compiled(_: Any) -> Any:
    """In the place of mdx.compile_cache.compiled: a function whose call ends the input's run."""

    def reached(*_: Any) -> NoReturn:
        raise Reached

    return reached


def _bound() -> None:
    """So many bytes more than now: an allocation of all memory is a MemoryError, here as well."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
