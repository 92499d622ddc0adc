"""The bar that a run draws: seconds a step are those of steps, not of compiling."""

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from mdx.compile_cache import reported

__all__ = ["without_compiling"]


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

    with reported(report):
        yield
