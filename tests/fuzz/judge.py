"""The rule: an input is accepted, or refused by one line that says where and what."""

import re
import time
import traceback
import unicodedata
import warnings
from typing import NamedTuple

from tests.fuzz.fuzzer import Broken, Input, Reached, Refused

# A class's column in the table, in this order.
KINDS = ("accepted", "refused", "crashes", "hangs", "tracebacks", "unnamed")
FAILURES = KINDS[2:]

REFUSALS = (ValueError, TypeError, OSError, MemoryError, FloatingPointError, Refused)
LONGEST = 1000  # characters of an error
# Seconds of a processor: of one input's own, whatever else the machine does.
SLOWEST = 5.0


class Verdict(NamedTuple):
    """What came of one input."""

    kind: str  # one of KINDS
    error: str  # the exception's type and text, "" where it was accepted
    where: str  # the last lines of mdx's code that it passed, for a failure


def judge(given: Input) -> Verdict:
    """Try an input in this process; nothing that it raises gets out."""
    begun = time.process_time()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        verdict = _tried(given)
    # What is warned of goes to a terminal, too; but it may be as long as what it quotes.
    for warning in told:
        fault = ill_written(str(warning.message), ())
        if verdict.kind in KINDS[:2] and fault and warning.category is UserWarning:
            verdict = Verdict("unnamed", f"warning {fault}: {warning.message}", "")
    if verdict.kind not in FAILURES and time.process_time() - begun > SLOWEST:
        return Verdict("hangs", verdict.error, "")
    return verdict


def _tried(given: Input) -> Verdict:
    try:
        given.run()
    except Reached:
        return Verdict("accepted", "", "")
    except Broken as error:
        return Verdict("tracebacks", str(error), place(error))
    except REFUSALS as error:
        words = f"{type(error).__name__}: {error}"
        # The plan that a budget is refused with is a table.
        plan = isinstance(error, MemoryError) and "budget" in str(error)
        fault = None if plan else ill_written(str(error), given.names, length=LONGEST)
        if fault is None:
            return Verdict("refused", words, "")
        return Verdict("unnamed", f"{fault}: {words}", place(error))
    except BaseException as error:  # whatever it is: that is what is looked for
        return Verdict("tracebacks", f"{type(error).__name__}: {error}", place(error))
    return Verdict("accepted", "", "")


def ill_written(text: str, names: tuple[str, ...], length: int | None = None) -> str | None:
    """What is wrong with a line of error; None if nothing is."""
    if length is not None and len(text) >= length:
        return f"{len(text)} characters"
    if text.splitlines() not in ([], [text]):
        return "several lines"
    if strange := {c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")}:
        return f"control characters {sorted(map(ascii, strange))}"
    if names and not any(name in text for name in names):
        return "names none of " + ", ".join(names)
    return None


def place(error: BaseException) -> str:
    """The last two lines of mdx's code on the way to an error, and the last one of others'."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/mdx/" in f.filename.replace("\\", "/")]
    last = [f for f in frames[-1:] if f not in own]
    return " > ".join(
        f"{re.sub('.*/(?=[^/]*/[^/]*$)', '', f.filename)}:{f.name}: {f.line}"
        for f in [*own[-2:], *last]
    )


def signature(name: str, verdict: Verdict) -> str:
    """Equal for failures that are one fault: numbers, quotations and names of files left out."""
    words = re.sub(r"'[^']*'|\"[^\"]*\"|/\S+|-?\d+(\.\d+)?(e[+-]?\d+)?|0x\w+", "_", verdict.error)
    places = re.sub(r":\d+", "", verdict.where)
    return f"{name} | {verdict.kind} | {words[:90]} | {places}"
