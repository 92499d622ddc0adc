"""Compiled functions whose graphs are kept in files: another process need not make them again.

To run a function, MindSpore traces it into a graph, simplifies that, and prepares its kernels. The
first two take nearly all of the time, and end in a graph that can be written as a MindIR file. Here
such a file is named by a hash of all that it depends on, so that a change of any of it is another
file: see `key`. MindSpore has a cache of its own (MS_COMPILER_CACHE_ENABLE), but that numbers its
graphs in the order in which they are compiled, and takes the first one for the first.
"""

import ctypes
import gc
import hashlib
import logging
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FunctionType
from typing import Any

import mindspore
from mindspore import Tensor, nn
from mindspore._c_expression import JitExecutor_
from mindspore.graph.api import _pynative_executor, ms_compile_cache

from mdx.kernels.device import lowering

__all__ = ["LIMIT", "compiled", "folder", "key"]

LIMIT = 2**29  # bytes of files; those unused for longest go first

# What a graph is traced with, beside its function and arguments.
SETTINGS = (
    "device_target", "deterministic", "enable_compile_cache", "jit_config", "jit_syntax_level",
)  # fmt: skip
ENVIRONMENT = ("MS_", "ONEDNN_")  # beginnings of the names of variables

log = logging.getLogger("mdx")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a graph for each shape that it is called with, made once for all processes.

    function is one of mdx's own, of tensors and flat dicts of tensors; called within another graph
    it is to be the plain function. Environment variable MDX_COMPILE_CACHE is 0 for no files, or the
    folder to keep them in; ValueError where it is neither. Devices other than the CPU, and whatever
    goes wrong with the files, make it mindspore.jit(function).
    """
    plain = mindspore.jit(function)
    known: dict[Any, Callable[..., Any]] = {}

    def call(*arguments):
        shapes = tuple(map(_shape, arguments))
        # A graph from a file would give derivatives of zero.
        if None in shapes or _pynative_executor.requires_grad():
            return plain(*arguments)
        if shapes in known:
            return known[shapes](*arguments)
        known[shapes], result = _first(function, plain, arguments, shapes)
        return result

    return call


def folder() -> Path | None:
    """Where graphs are kept: $MDX_COMPILE_CACHE, else mdx in the user's cache; None: nowhere."""
    chosen = os.environ.get("MDX_COMPILE_CACHE", "")
    if chosen == "0":
        return None
    if chosen not in ("", "1"):
        path = Path(chosen).expanduser()
        if not path.is_absolute():
            raise ValueError(
                f"MDX_COMPILE_CACHE must be 0, 1 or the absolute path of a folder, not {chosen!r}"
            )
        return path
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (cache if cache.is_absolute() else Path.home() / ".cache") / "mdx" / "graphs"
    except RuntimeError:  # no home
        return None


def key(function: Callable[..., Any], shapes: tuple[Any, ...]) -> str:
    """A hash of all that the graph of a function depends on, for arguments of such shapes.

    That is every source file of mdx; the function, and what it closes over: configs and memory
    settings; the shapes, dtypes and parameters' names; the lowering, which is that of the device
    and the processor; the versions of MindSpore and Python; MindSpore's settings and environment.
    What a program puts in the place of mdx's own functions is not seen: it needs the cache off.
    ValueError for a function that closes over anything but numbers, words, records and functions.
    """
    environment = sorted(item for item in os.environ.items() if item[0].startswith(ENVIRONMENT))
    settings = [mindspore.get_context(name) for name in SETTINGS]
    versions = mindspore.__version__, platform.python_version()
    told = [_sources(), versions, settings, environment, lowering(), _told(function), shapes]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _told(value):
    """A value that a graph is made for, as text that differs where the value does."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, tuple):
        return type(value).__qualname__, *map(_told, value)
    if isinstance(value, FunctionType) and value.__module__.startswith("mdx."):
        inside = [cell.cell_contents for cell in value.__closure__ or ()]
        inside += [value.__defaults__, value.__kwdefaults__]
        return value.__module__, value.__qualname__, *map(_told, inside)
    raise ValueError(f"a graph that depends on {value!r} has no key")


def _sources():
    """A hash of mdx's source files as they are now."""
    root = Path(__file__).parent
    files = sorted(root.rglob("*.py"))
    texts = [(str(file.relative_to(root)), file.read_bytes()) for file in files]
    return hashlib.sha256(repr(texts).encode()).hexdigest()


# What is imported is what the files are now. A graph that is traced later, when they are not the
# same any more, is of neither.
SOURCES = _sources()


def _shape(argument):
    """What a graph is made for of an argument; None for one that might be part of the graph."""
    if isinstance(argument, dict):
        shapes = tuple((name, _shape(value)) for name, value in argument.items())
        return None if any(shape is None for _, shape in shapes) else shapes
    if type(argument) is Tensor and not argument.const_arg:
        return argument.shape, argument.dtype
    return None


def _first(function, plain, arguments, shapes):
    """What runs the function from now on, and its first result."""
    place = folder()
    if place is None or mindspore.get_context("device_target") != "CPU":
        return plain, plain(*arguments)
    # A cache must not break what works without it, and MindSpore raises what it likes.
    try:
        with _quick_collections():
            graph = _graph(place, function, arguments, key(function, shapes))

            def run(*arguments):
                return graph(*map(_flat, arguments))

            return run, run(*arguments)
    except Exception as error:
        log.info("%s: compiled without the cache: %s", function.__qualname__, error)
        return plain, plain(*arguments)


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


def _graph(place, function, arguments, name):
    """The graph of that name, from its file; where there is none, it is made."""
    for file in place.glob(f"{name}.*.mindir"):
        if file.name == f"{name}.{_digest(file)}.mindir":
            with suppress(OSError):
                os.utime(file)
            return nn.GraphCell(mindspore.load(str(file)))
        with suppress(OSError):
            file.unlink()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place / f".{name}.{os.getpid()}-{threading.get_ident()}.mindir"
    try:
        part.touch()  # a folder that cannot be written to is found out before the work
        # A dict that is not mutable would be part of the graph, weights and all.
        inputs = [mindspore.mutable(a) if isinstance(a, dict) else a for a in arguments]
        mindspore.export(
            _renamed(function, name), *inputs, file_name=str(part), file_format="MINDIR"
        )
        _release(name)
        graph = nn.GraphCell(mindspore.load(str(part)))
        if _sources() == SOURCES:
            os.replace(part, place / f"{name}.{_digest(part)}.mindir")
            _trim(place)
        return graph
    finally:
        part.unlink(missing_ok=True)


def _release(name):
    """Free the graph of that name that was traced for export: the same one comes from a file."""
    phases = {phase for phase in ms_compile_cache if name in phase}
    JitExecutor_.get_instance().del_net_res(None, phases)
    ms_compile_cache.difference_update(phases)
    if sys.platform == "linux":
        # What is freed stays with the process else, some hundred megabytes of small pieces.
        with suppress(AttributeError):  # a C library other than glibc
            ctypes.CDLL(None).malloc_trim(0)


def _renamed(function, name):
    """Of two exports under one name and line MindSpore warns as of one made in vain."""
    code, name = function.__code__, f"{function.__name__}_{name}"
    return FunctionType(
        code, function.__globals__, name, function.__defaults__, function.__closure__
    )


def _digest(file):
    """The hash of a file, which its name ends in: half a file is never taken for a whole one."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _trim(place):
    """Keep the files below LIMIT: remove those that were not used for longest."""
    used = []
    for file in place.glob("*.mindir"):
        with suppress(OSError):  # another process may have been here
            stat = file.stat()
            used.append((stat.st_mtime, stat.st_size, file))
    total = sum(size for _, size, _ in used)
    for _, size, file in sorted(used):
        if total <= LIMIT:
            return
        total -= size
        with suppress(OSError):
            file.unlink()
