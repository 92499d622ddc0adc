"""Compiled functions, one graph at a time: kept in memory up to a bound, and in files beyond it.

To run a function, MindSpore traces it into a graph, simplifies that, and prepares its kernels. The
first two take nearly all of the time, and end in a graph that can be written as a MindIR file. Here
such a file is named by a hash of all that it depends on, so that a change of any of it is another
file: see graph_key.py, graph_files.py. MindSpore has a cache of its own
(MS_COMPILER_CACHE_ENABLE), but that numbers its graphs in the order in which they are compiled, and
takes the first one for the first.
"""

import functools
import gc
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any

import mindspore
from mindspore import nn

from mdx import graph_files, heap, interrupts, mindspore_internals
from mdx.graph_files import folder
from mdx.graph_key import key
from mdx.graphs import Graph, Graphs, HeldGraphs
from mdx.kernels.device import PLAIN, lowered, lowering
from mdx.out_of_memory import explained
from mdx.progress import compiling

__all__ = [
    "HELD", "begin", "clear_graphs", "compiled", "folder", "graphs", "key", "left_beside", "run",
]  # fmt: skip

HELD = 2**29  # bytes of graphs that a process keeps in memory, beside those of the runs at work
TIMES_FILE = 100  # a graph in memory against its file, where the system does not say

log = logging.getLogger("mdx")

# MindSpore runs one compiled graph at a time, and a second thread that enters one fails.
ONE_AT_A_TIME = threading.RLock()
GRAPHS = HeldGraphs()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a graph for each shape that it is called with, made once for all processes.

    And for each lowering, of those that are for a CPU: see kernels/device.py.

    function is one of mdx's own, of tensors and flat dicts of tensors; called within another graph
    it is to be the plain function. Environment variable MDX_COMPILE_CACHE is 0 for no files, or the
    folder to keep them in; ValueError where it is neither. Devices other than the CPU, and whatever
    goes wrong with the files, make it mindspore.jit(function). Derivatives are of plain operators.

    A call waits for other threads' calls. SIGINT is answered when it returns: see interrupts.py. It
    raises RuntimeError in a process that was forked from one that had called such a function, and
    MemoryError where MindSpore finds no memory.
    """
    owner = object()  # of the function's graphs

    @functools.cache
    def traced(products):
        """MindSpore's own, which keeps graphs for shapes, and knows nothing of lowerings.

        products: of native operators; None for plain ones.
        """
        return mindspore.jit(_renamed(function, products) if products else function)

    def call(*arguments):
        _refuse_forked()
        shapes = tuple(map(_shape, arguments))
        with ONE_AT_A_TIME, run(), interrupts.answered_after():
            GRAPHS.process = os.getpid()
            if mindspore_internals.derivatives_wanted():
                # A graph from a file would give derivatives of zero.
                with lowered(PLAIN):
                    return traced(None)(*arguments)
            how = lowering()
            plain = traced(how.products if how.fused else None)
            if None in shapes:
                return plain(*arguments)
            graph = GRAPHS.found((owner, how, shapes))
            if graph is not None:
                return graph.call(*arguments)
            with compiling():
                return _first(function, plain, arguments, (owner, how, shapes))

    return explained(call, function.__name__)


@contextmanager
def run() -> Iterator[None]:
    """Graphs that are used within this stay in memory until it ends; those of one run go together.

    Runs may be within one another, where the outermost counts.
    """
    own = False
    try:
        with GRAPHS.at_work() as own:
            yield
    finally:
        if own:
            with ONE_AT_A_TIME:
                _keep_within(HELD)


def left_beside(kind: Hashable) -> int:
    """Bytes of runs of other kinds that MindSpore did not give back: see `Graphs`."""
    return GRAPHS.left_beside(kind)


def begin(kind: Hashable, room: int | None = None) -> None:
    """Say what kind of run this is: those whose kinds are equal need the same graphs.

    With room, so many bytes, graphs of other kinds are freed until the rest take no more, and what
    larger runs had of feature maps goes back to the system.
    """
    GRAPHS.of_kind(kind)
    if room is not None:
        with ONE_AT_A_TIME:
            _keep_within(room, kind)
        heap.give_back()


def clear_graphs() -> None:
    """Free the compiled graphs that this process holds, but for those of runs at work.

    What is called again is read from its file, or compiled anew.
    """
    with ONE_AT_A_TIME:
        _keep_within(0)


def graphs() -> Graphs:
    """The compiled graphs that this process holds, and what they take."""
    with ONE_AT_A_TIME:
        return GRAPHS.summary()


def _refuse_forked():
    """RuntimeError where MindSpore's threads are those of a process that this one was forked from.

    It would wait for them for ever, and for the lock if the other process held it.
    """
    if GRAPHS.process not in (None, os.getpid()):
        raise RuntimeError(
            "this process was forked from one in which mdx had compiled: MindSpore does not run in "
            'it; start processes by multiprocessing.get_context("spawn"), or fork before the first '
            "call"
        )


def _shape(argument):
    """What a graph is made for of an argument; None for one that might be part of the graph."""
    if isinstance(argument, dict):
        shapes = tuple((name, _shape(value)) for name, value in argument.items())
        return None if any(shape is None for _, shape in shapes) else shapes
    if mindspore_internals.is_input(argument):
        return argument.shape, argument.dtype
    return None


def _first(function, plain, arguments, name):
    """The result of the first call for some shapes; what runs it from now on is among the held."""
    mindspore_internals.report_missing()
    # MindSpore's export leaves this changed where it is stopped.
    syntax = mindspore.get_context("jit_syntax_level")
    place = folder()
    kept = mindspore.get_context("device_target") == "CPU" and mindspore_internals.READS_GRAPHS
    # A cache must not break what works without it, and MindSpore raises what it likes.
    if place is not None and kept:
        try:
            with _quick_collections():
                return _from_file(place, function, arguments, name)
        except graph_files.Unsafe as error:
            _warn(f"no compiled graphs are kept in files: {error}")
        except Exception as error:
            log.info("%s: compiled without the cache: %s", function.__qualname__, error)
        finally:
            mindspore.set_context(jit_syntax_level=syntax)
    before, known = heap.live(), mindspore_internals.traced()
    with mindspore_internals.quickly_traced():
        result = plain(*arguments)
    phases = mindspore_internals.traced() - known

    def free():
        mindspore_internals.release(phases)

    GRAPHS.add(name, Graph(function.__qualname__, plain, free, heap.growth(before, 0)))
    return result


@functools.cache
def _warn(text):
    """Once for each text."""
    log.warning(text)


def _from_file(place, function, arguments, name):
    """The result of a graph that is read from its file; where there is none, it is made."""
    with graph_files.opened(place) as descriptor:
        named = key(function, name[-1])
        content = graph_files.read(descriptor, named)
        if content is None:
            content = _made(function, arguments, named)
            try:
                graph_files.write(descriptor, named, content)
                graph_files.trim(descriptor)
            except OSError as error:
                log.info("%s: the graph is not kept: %s", function.__qualname__, error)
    before = heap.live()
    graph = nn.GraphCell(_loaded(content))

    def call(*arguments):
        return graph(*map(_flat, arguments))

    result = call(*arguments)
    size = heap.growth(before, TIMES_FILE * len(content))
    GRAPHS.add(name, Graph(function.__qualname__, call, None, size))
    return result


@contextmanager
def _quick_collections() -> Iterator[None]:
    """MindSpore collects garbage for each graph, a tenth of a second where there are many objects.

    Within this, the ones that are there already are left out.
    """
    if gc.get_freeze_count():  # the program has its own use for it
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()  # what this graph left, before it is among what was there for the next one
        gc.unfreeze()


def _flat(argument):
    """An argument as a MindIR graph takes it: a dict is the tuple of its values."""
    return mindspore.mutable(tuple(argument.values())) if isinstance(argument, dict) else argument


def _made(function, arguments, name) -> bytes:
    """The graph of a function, traced, as it is kept in a file."""
    before, known = heap.live(), mindspore_internals.traced()
    try:
        with mindspore_internals.quickly_traced(), tempfile.TemporaryDirectory() as own:
            file = Path(own) / "graph.mindir"
            # A dict that is not mutable would be part of the graph, weights and all.
            inputs = [mindspore.mutable(a) if isinstance(a, dict) else a for a in arguments]
            mindspore.export(
                _renamed(function, name), *inputs, file_name=str(file), file_format="MINDIR"
            )
            return file.read_bytes()
    finally:
        mindspore_internals.release(mindspore_internals.traced() - known)
        GRAPHS.leave(heap.growth(before, 0))
        heap.give_back()


def _loaded(content: bytes) -> Any:
    """MindSpore's graph of a file's content: read once and hashed, and nobody else's to change."""
    with tempfile.TemporaryDirectory() as own:
        file = Path(own) / "graph.mindir"
        file.write_bytes(content)
        return mindspore.load(str(file))


def _renamed(function, name):
    """Of two exports under one name and line MindSpore warns as of one made in vain."""
    code, name = function.__code__, f"{function.__name__}_{name}"
    return FunctionType(
        code, function.__globals__, name, function.__defaults__, function.__closure__
    )


def _keep_within(limit, kind=None):
    """Free graphs that were not used for longest until the rest, but for a kind's, take no more."""
    gone = GRAPHS.freed(limit, kind)
    if gone:
        with interrupts.answered_after():
            while gone:
                graph = gone.pop()
                if graph.free is not None:
                    graph.free()
                del graph
            gc.collect()
        heap.give_back()
