"""The bar that shows how far a run has come; its seconds a step are without compiling."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tqdm.auto import tqdm

__all__ = ["bar", "compiling", "without_compiling"]

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


def bar(total: int, begun: int, progress: bool | None) -> tqdm:
    """A bar on stderr over `total` steps, of which `begun` are done: to be entered and updated.

    progress is True for one wherever stderr leads, False for none, None for one on a terminal.
    Where there is no stderr, or it is closed, there is none.
    """
    stream = sys.stderr
    if stream is None or stream.closed:
        shown = False
    else:
        shown = stream.isatty() if progress is None else progress
    return tqdm(total=total, initial=begun, disable=not shown, unit="step")


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
