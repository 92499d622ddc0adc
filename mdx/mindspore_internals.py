"""MindSpore's private names that mdx uses, all of them, and what happens where one is missing.

They are those of the versions that pyproject.toml allows. A version that lacks one costs speed or
memory and never a run: without `READS_GRAPHS` no graph is kept in a file, without `RELEASES` what
was traced is not given back, and the log says so once; without `memory` weights of bfloat16 are
copied where they are looked at.
"""

import ctypes
import functools
import importlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any

import mindspore
from mindspore import Tensor

from mdx import traced_integers

__all__ = [
    "READS_GRAPHS",
    "RELEASES",
    "derivatives_wanted",
    "is_input",
    "memory",
    "quickly_traced",
    "ready_outside_graphs",
    "release",
    "report_missing",
    "traced",
]

log = logging.getLogger("mdx")


def _found(module: str, *names: str) -> Any:
    """A module's attribute, or None where there is none in this version."""
    try:
        value = importlib.import_module(module)
        for name in names:
            value = getattr(value, name)
    except (ImportError, AttributeError):
        return None
    return value


# Whether derivatives are being taken: a graph from a file would give zeros.
_wants_gradient = _found("mindspore.graph.api", "_pynative_executor", "requires_grad")
# The names of the functions that are traced and in memory, and what frees them.
_phases = _found("mindspore.graph.api", "ms_compile_cache")
_executor = _found("mindspore._c_expression", "JitExecutor_", "get_instance")
# What is traced for each shape, slice and order of axes that a graph names.
_handlers = _found("mindspore.ops._utils.arg_handler")
_HANDLER = "_normalize_int_sequence"

READS_GRAPHS = _wants_gradient is not None and hasattr(Tensor, "const_arg")
RELEASES = isinstance(_phases, set) and hasattr(_executor and _executor(), "del_net_res")


@functools.cache
def report_missing() -> None:
    """Say once, in the log, what this version of MindSpore does not have."""
    if not READS_GRAPHS:
        log.warning("this MindSpore is another than mdx knows: graphs are not kept in files")
    if not RELEASES:
        log.warning("this MindSpore is another than mdx knows: traced graphs stay in memory")


def derivatives_wanted() -> bool:
    """Whether MindSpore is taking derivatives of what is called now; True where nobody knows."""
    return _wants_gradient is None or bool(_wants_gradient())


def is_input(value: Any) -> bool:
    """Whether a graph would take the value as an input: a tensor that is no constant."""
    return type(value) is Tensor and not getattr(value, "const_arg", False)


def memory(tensor: Tensor) -> Any:
    """The bytes of a tensor where they lie, which stay for as long as the result is there.

    None on a device with memory of its own, and where nobody knows.
    """
    pointer = getattr(tensor, "_data_ptr", None)
    if pointer is None or mindspore.get_context("device_target") != "CPU":
        return None
    found: Any = (ctypes.c_char * tensor.nbytes).from_address(pointer())
    found.tensor = tensor  # what looks into the memory keeps this, and so the tensor
    return found


def traced() -> frozenset[str]:
    """The names of the functions that were traced and are in memory, as MindSpore calls them."""
    return frozenset(_phases) if RELEASES else frozenset()


def release(names: frozenset[str]) -> None:
    """Free what was traced under such names."""
    if RELEASES and names:
        _executor().del_net_res(None, set(names))
        _phases.difference_update(names)


@contextmanager
def quickly_traced() -> Iterator[None]:
    """Within this a graph does not look at the whole numbers in its shapes and slices.

    MindSpore traces a loop over each of them, to find the tensors in it, of which mdx's have none.
    That loop takes a quarter of the time, and a third of what a trace leaves behind for good.
    """
    usual = getattr(_handlers, _HANDLER, None)
    if usual is None:
        yield
        return
    setattr(_handlers, _HANDLER, traced_integers.as_they_are)
    try:
        yield
    finally:
        setattr(_handlers, _HANDLER, usual)


@functools.cache
def ready_outside_graphs() -> None:
    """Make a process ready for operators that a program calls outside graphs.

    The first of them fails beside numpy 2: MindSpore 2.10 was built for numpy 1, and asks its core
    for something once, and no more.
    """
    with redirect_stderr(io.StringIO()), suppress(Exception):
        _ = Tensor(1.0, mindspore.float32) * 0.5
