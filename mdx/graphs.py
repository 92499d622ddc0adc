"""The compiled graphs that a process holds: what they take, and which are to go."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

__all__ = ["Graph", "Graphs", "HeldGraphs"]


class Graph(NamedTuple):
    """One compiled graph."""

    name: str  # of the function
    call: Callable[..., Any]  # runs it
    free: Callable[[], None] | None  # frees it; None: it is freed when nothing refers to it
    size: int  # bytes


class Graphs(NamedTuple):
    """What a process holds of compiled graphs."""

    held: tuple[tuple[str, int], ...]  # name and bytes of each, those used least lately first
    left: int  # bytes that MindSpore did not give back of what it traced, all in all

    @property
    def size(self) -> int:
        """Bytes of those that are held."""
        return sum(size for _, size in self.held)


class HeldGraphs:
    """The graphs of this process by function and shapes, and the runs that use them.

    A run has a number, counted from 1 in the order in which they begin. A graph is as old as the
    latest run that used it; what is freed is all that is of one age, the oldest first. A run may
    say its kind: those of one kind need the same graphs.
    """

    def __init__(self) -> None:
        self.process: int | None = None  # whose threads MindSpore's are, once there is a graph
        self._lock = threading.Lock()
        self._left: dict[Hashable, int] = {}  # see Graphs; by the kind of the run that traced
        self._graphs: dict[Any, tuple[int, Graph]] = {}  # each with the run that used it last
        self._begun = 0  # runs
        self._at_work: set[int] = set()  # runs that have not ended
        self._kinds: dict[int, Hashable] = {}  # of runs at work or with graphs, where they said it
        self._own: ContextVar[int | None] = ContextVar("run", default=None)  # this thread's

    @contextmanager
    def at_work(self) -> Iterator[bool]:
        """A run, unless it is within one; whether it is one."""
        if self._own.get() is not None:
            yield False
            return
        with self._lock:
            self._begun += 1
            number = self._begun
            self._at_work.add(number)
        token = self._own.set(number)
        try:
            yield True
        finally:
            self._own.reset(token)
            with self._lock:
                self._at_work.discard(number)

    def of_kind(self, kind: Hashable) -> None:
        """Say the kind of this thread's run; nothing where it has none."""
        with self._lock:
            number = self._own.get()
            if number is not None:
                self._kinds[number] = kind

    def leave(self, size: int) -> None:
        """So many bytes of what this thread's run traced are lost."""
        with self._lock:
            kind = self._kinds.get(self._own.get() or 0)
            self._left[kind] = self._left.get(kind, 0) + size

    def left_beside(self, kind: Hashable) -> int:
        """Bytes that runs of other kinds have left."""
        with self._lock:
            return sum(size for other, size in self._left.items() if other != kind)

    def found(self, key: Any) -> Graph | None:
        """The graph of that function and shapes, which is in use from now on."""
        with self._lock:
            if key not in self._graphs:
                return None
            _, graph = self._graphs[key]
            self._graphs[key] = (self._own.get() or self._begun, graph)
            return graph

    def add(self, key: Any, graph: Graph) -> None:
        """Hold a graph."""
        with self._lock:
            self._graphs[key] = (self._own.get() or self._begun, graph)

    def freed(self, limit: int, kind: Hashable = None) -> list[Graph]:
        """The oldest graphs, no longer held, so that others take no more than `limit` bytes.

        A graph that was used since the oldest of the runs at work began is none of them. With a
        kind, graphs that a run of that kind used last neither go nor count.
        """
        with self._lock:
            before = min(self._at_work, default=self._begun + 1)
            spared = [] if kind is None else [n for n, its in self._kinds.items() if its == kind]
            size = sum(graph.size for age, graph in self._graphs.values() if age not in spared)
            ages = {age for age, _ in self._graphs.values() if age < before and age not in spared}
            gone: list[Graph] = []
            for age in sorted(ages):
                if size <= limit:
                    break
                for key in [key for key, (used, _) in self._graphs.items() if used == age]:
                    gone.append(self._graphs.pop(key)[1])
                    size -= gone[-1].size
            living = self._at_work | {age for age, _ in self._graphs.values()}
            self._kinds = {n: its for n, its in self._kinds.items() if n in living}
            return gone

    def summary(self) -> Graphs:
        """What is held."""
        with self._lock:
            held = sorted(self._graphs.values(), key=lambda entry: entry[0])
            left = sum(self._left.values())
            return Graphs(tuple((graph.name, graph.size) for _, graph in held), left)
