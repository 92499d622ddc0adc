"""Ctrl-C while MindSpore works: answered when the compiled call in progress returns.

Each time that MindSpore runs a graph it puts a handler of its own in the place of the process's
handler of SIGINT, and that one sends the process SIGTERM, which ends it. Here the process keeps its
own: Python's, with which Ctrl-C is a KeyboardInterrupt; one that the program has set; or none, as
under nohup.

Nobody can tell MindSpore's SIGTERM from another. So while a graph runs SIGTERM is answered as
SIGINT is, unless the program has a handler of its own for it. Where SIGINT is ignored, MindSpore's
handler is there for a millisecond, each time that a graph runs.
"""

import ctypes
import functools
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["answered_after", "at_most_one", "python_waits"]

ACTION_BYTES = 512  # more than a struct sigaction has anywhere


@contextmanager
def answered_after() -> Iterator[None]:
    """Within this SIGINT is held back; at its end the process's own handler answers it.

    For compiled calls, by one thread at a time. In the main thread that handler runs, and may
    raise, when the block has ended; where another thread is in the block, the main thread answers
    at once, as Python does it.
    """
    if sys.platform == "win32":
        yield
        return
    with python_waits(), _actions_kept(), _still_ignored():
        yield


@contextmanager
def at_most_one() -> Iterator[None]:
    """For a command: one Ctrl-C is a KeyboardInterrupt, and what cleans up then sees no other.

    Only in the main thread, and only where Ctrl-C means what it means by default.
    """
    usual = signal.default_int_handler
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not usual:
        yield
        return

    def stop(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def python_waits() -> Iterator[None]:
    """In the main thread, what Python would do at SIGINT is done after the block.

    An exception out of nowhere would come to MindSpore's code, which runs Python to trace a graph,
    and is never whole again where its import is stopped.
    """
    own = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(own):
        yield  # another thread's; or none, the system's, or one that is not Python's
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, own)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _actions_kept() -> Iterator[None]:
    """SIGINT's action is after this what it was, and SIGTERM's, which is meanwhile SIGINT's."""
    stop, end = _action(signal.SIGINT), _action(signal.SIGTERM)
    answered = callable(signal.getsignal(signal.SIGINT)) and not _handler(end)
    if answered:
        # Python's own: it may run in a signal handler, and marks SIGINT as having come.
        mark = ctypes.cast(ctypes.pythonapi.PyErr_SetInterrupt, ctypes.c_void_p)
        _set_action(signal.SIGTERM, bytes(mark) + end[len(bytes(mark)) :])
    try:
        yield
    finally:
        _take_back(stop)  # first: from then on nothing sends SIGTERM in its place
        if answered:
            _set_action(signal.SIGTERM, end)


@contextmanager
def _still_ignored() -> Iterator[None]:
    """Where SIGINT is ignored, MindSpore's handler is taken back as soon as it is there.

    For then SIGTERM may not be ignored, and must end the process.
    """
    ignored = _action(signal.SIGINT)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.001):
            _take_back(ignored)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _take_back(action: bytes) -> None:
    """Give SIGINT this action again, if it has MindSpore's."""
    if _is_mindspore_s(_handler(_action(signal.SIGINT))):
        _set_action(signal.SIGINT, action)


def _action(number: int) -> bytes:
    """A signal's action: the C library's record, of which the first word is the handler or 0."""
    action = ctypes.create_string_buffer(ACTION_BYTES)
    _sigaction()(number, None, action)
    return action.raw


def _set_action(number: int, action: bytes) -> None:
    _sigaction()(number, action, None)


def _handler(action: bytes) -> int:
    return int.from_bytes(action[: ctypes.sizeof(ctypes.c_void_p)], sys.byteorder)


@functools.cache
def _sigaction() -> Any:
    return ctypes.CDLL(None).sigaction


class _Symbol(ctypes.Structure):
    """What dladdr finds of an address."""

    _fields_ = [
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    ]


@functools.cache
def _is_mindspore_s(handler: int) -> bool:
    """Whether a handler is a function of MindSpore's libraries."""
    found = _Symbol()
    known = ctypes.CDLL(None).dladdr(ctypes.c_void_p(handler), ctypes.byref(found))
    return bool(known) and b"mindspore" in (found.file or b"").rpartition(b"/")[2]
