"""The bar that a run draws: seconds a step are those of steps, not of compiling."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tqdm import tqdm

__all__ = ["compiling", "without_compiling"]

# What is told of a graph that is made, in this thread: None before, and the seconds after it.
Reporter = Callable[[float | None], None]
REPORTER: ContextVar[Reporter | None] = ContextVar("reporter", default=None)


@contextmanager
def compiling() -> Iterator[None]:
    """Where a graph is made and first run."""
    reporter = REPORTER.get()
    if reporter is None:
        yield
        return
    reporter(None)
    began = time.perf_counter()
    try:
        yield
    finally:
        reporter(time.perf_counter() - began)


@contextmanager
def without_compiling(bar: tqdm) -> Iterator[None]:
    """Within this the bar says when a graph is being compiled, and its clock stands still then."""

    def report(seconds: float | None) -> None:
        if bar.disable:
            return
        if seconds is None:
            bar.set_postfix_str("compiling")
            return
        bar.start_t += seconds
        bar.last_print_t += seconds
        bar.set_postfix_str("")

    token = REPORTER.set(report)
    try:
        yield
    finally:
        REPORTER.reset(token)
