"""Counting what MindSpore compiles."""

from collections.abc import Iterator
from contextlib import contextmanager


class Compiles:
    """How many graphs were compiled since the block began."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    @property
    def count(self) -> int:
        """Graphs that can be run; to make a file of one (mdx.compile_cache) is not counted."""
        return len(self.phases) - self.files

    @property
    def files(self) -> int:
        """Graphs that were traced to be written to a file: none where the file was there."""
        return sum(phase.startswith("export") for phase in self.phases)


@contextmanager
def counted() -> Iterator[Compiles]:
    """Count graph compilations inside a with block, of jit functions and of cells alike.

    Both kinds end in the `compile` method of one of two executors that MindSpore implements in C++,
    and only when no compiled graph fits the arguments; a call that reuses a graph never reaches it.
    Not for two threads at once.
    """
    from mindspore import _c_expression

    seen = Compiles()
    executors = [_c_expression.GraphExecutor_, _c_expression.JitExecutor_]
    # An executor that only inherits the method would be counted twice if both were replaced.
    own = [(e, e.__dict__["compile"]) for e in executors if "compile" in e.__dict__]
    assert own, "MindSpore's executors have moved; this helper must follow them"

    def watch(original):
        def compile(self, obj, args, kwargs, phase, *rest):
            seen.phases.append(str(phase))
            return original(self, obj, args, kwargs, phase, *rest)

        return compile

    for executor, original in own:
        executor.compile = watch(original)
    try:
        yield seen
    finally:
        for executor, original in own:
            executor.compile = original
