"""All that the command prints goes through here.

Settings, configs, warnings and errors quote files that others wrote: what a terminal would obey or
hide in them is written out. A stream that is closed, or knows few letters, stops nothing.
"""

import logging
import os
import sys
import traceback
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TextIO

__all__ = [
    "ReaderGone",
    "fail",
    "interactive",
    "messages",
    "occupy",
    "plain",
    "report",
    "say",
    "stopped",
    "tell",
]

LONGEST = 900  # characters of an error or warning; one that quotes a file could fill the screen

# Controls, marks of direction and other unseen characters, halves of characters, and ends of lines.
SPECIAL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = "\u200c\u200d"  # unseen, too, but part of how Persian, Hindi and emoji are written


class ReaderGone(Exception):
    """Who read the standard output has closed it, as `head` does."""


def plain(text: str) -> str:
    r"""The text with each character that a terminal might obey or hide written out, as \x1b."""
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in SPECIAL and c not in JOINERS
        else c
        for c in text
    )


def say(line: str) -> None:
    """Print a line to the standard output.

    ReaderGone if its reader has closed it; OSError if it cannot be written, as on a full disk.
    """
    try:
        _write(sys.stdout, plain(line))
    except BrokenPipeError:
        _silence(sys.stdout)
        raise ReaderGone from None
    except OSError as error:
        _silence(sys.stdout)
        raise OSError(f"cannot write to the standard output: {error.strerror or error}") from None


def report(line: str) -> None:
    """Print a line about work that is done: nothing is lost with it if nobody can read it."""
    try:
        say(line)
    except ReaderGone:
        pass
    except OSError as error:
        tell("warning", error)


def tell(kind: str, message: object) -> None:
    """Print an error or a warning to stderr in one line; nothing happens where that is closed."""
    text = " ".join(str(message).split())
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    _try(f"mdx: {kind}: {plain(text)}")


def fail(message: object, status: int = 2) -> NoReturn:
    """Leave with an error: one line, and where it arose if MDX_DEBUG is set. Raises SystemExit."""
    if os.environ.get("MDX_DEBUG", "0") not in ("", "0") and sys.exc_info()[0] is not None:
        for line in traceback.format_exc().splitlines():
            _try(plain(line))
    tell("error", message)
    raise SystemExit(status)


def stopped() -> None:
    """Print that the user has stopped the command, below the bar or the ^C that is there."""
    _try("\nmdx: stopped")


def interactive() -> bool:
    """Whether stderr is a terminal, where a bar may move."""
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


def occupy() -> None:
    """Open the null device in place of standard streams that are closed.

    The next file to be opened would take the number of such a stream, and what MindSpore prints
    there would be written into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the least number that is free


@contextmanager
def messages() -> Iterator[None]:
    """Print warnings, and what mdx logs as one, in a line each, without their place in the code."""

    def show(message: Any, *_: Any, **__: Any) -> None:
        tell("warning", message)

    log, handler = logging.getLogger("mdx"), _Handler(logging.WARNING)
    log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            yield
    finally:
        log.removeHandler(handler)


class _Handler(logging.Handler):
    """Prints records as warnings."""

    def emit(self, record: logging.LogRecord) -> None:
        tell("warning", record.getMessage())


def _try(line: str) -> None:
    """Write a line to stderr if that can be done."""
    try:
        _write(sys.stderr, line)
    except OSError:
        _silence(sys.stderr)


def _write(stream: TextIO | None, line: str) -> None:
    """Write a line now, so that what cannot be written is found here and not at the end."""
    if stream is None or stream.closed:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def _silence(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere: Python would fail to write it when it ends."""
    with suppress(OSError):  # a stream that is no file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
