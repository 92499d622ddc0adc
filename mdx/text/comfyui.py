r"""The syntax of ComfyUI: (more), ((more)), (as much:1.3), and \( \) for the brackets themselves.

A number is the weight, whatever brackets are around it; a bracket without one multiplies the weight
around it. A bracket that has no other half is a letter.
"""

import re

from mdx.text.pieces import MORE, Parts, in_order, number, refuse_networks

__all__ = ["parse"]

SIGNS = re.compile(r"\\([()])|[()]|\\|[^\\()]+")

OPEN, CLOSE = range(2)

# A text, or one of the signs above with the weight that a closing bracket says, None for no number.
Event = str | tuple[int, float | None]


def parse(text: str) -> Parts:
    """The one part of a text, and the weights of its pieces."""
    refuse_networks(text)
    found: list[tuple[str, float]] = []
    weights = [1.0]
    # From the end, where what a bracket says stands before what it says it of.
    for event in reversed(_events(text)):
        if isinstance(event, str):
            found.append((event, weights[-1]))
        elif event[0] == OPEN:
            weights.pop()
        else:
            weights.append(weights[-1] * MORE if event[1] is None else event[1])
    return [in_order(reversed(found))]


def _events(text: str) -> list[Event]:
    """The text's events in order."""
    events: list[Event] = []
    opened: list[int] = []  # where in events
    for sign in SIGNS.finditer(text):
        if sign[1] is not None:
            events.append(sign[1])
        elif sign[0] == "(":
            opened.append(len(events))
            events.append((OPEN, None))
        elif sign[0] == ")" and opened:
            events.append((CLOSE, _said(events, opened.pop())))
        else:
            events.append(sign[0])
    for i in opened:
        events[i] = "("
    return events


def _said(events: list[Event], opened: int) -> float | None:
    """The weight at the end of what a bracket holds, which is taken off it; None where none is."""
    last = events[-1]
    if not isinstance(last, str):
        return None
    words, colon, said = last.rpartition(":")
    weight = number(said.strip())
    # Nothing at all has no weight: the colon is then a letter.
    if not colon or weight is None or (not words and len(events) - 1 == opened + 1):
        return None
    events[-1] = words
    return weight
