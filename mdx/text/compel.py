r"""The syntax of compel: word+, word--, (a phrase)++, (a phrase)1.3, "a phrase"-, .attend(1.3).

A sign counts where it ends a word or stands at a closed bracket or quotation mark; a backslash
makes a letter of a sign. What has no other half is a letter. Blends and conjunctions of prompts are
functions of what prompts become: `mdx.conditioning.blend` and `mdx.conditioning.join`.
"""

import re
from collections.abc import Iterator

from mdx.checks import shown
from mdx.text.pieces import MORE, Parts, in_order, number, power, refuse_networks

__all__ = ["parse"]

LESS = 0.9  # what one "-" multiplies a weight by

WORD = re.compile(r'(?:\\[()",.+\-=]|[^\s()",.+\-=\\]|\\|[+-](?![\s()",.+\-=]|\Z))+')
ESCAPED = re.compile(r'\\([()",.+\-=])')
SIGNS = re.compile(r"\++|-+")
SAID = re.compile(r"\++|-+|[0-9]+\.?[0-9]*|\.[0-9]+")
ATTEND = re.compile(r"\.attend\(\s*(\++|-+|[0-9]+\.?[0-9]*|\.[0-9]+)\s*\)")
CALL = re.compile(r"\.(blend|and|add|swap)\(")
LORA = re.compile(r"\b(?:withLora|useLora)\(")
INSTEAD = {
    "blend": "encode each prompt, and give mdx.conditioning.blend what comes of them",
    "and": "encode each prompt, and give mdx.conditioning.join what comes of them",
    "add": "encode each prompt, and give mdx.conditioning.join what comes of them",
    "swap": "mdx does not exchange words within cross-attention",
}

OPEN, CLOSE = range(2)

# A text with a factor of its own, or one of the signs above with that of a closing bracket.
Event = tuple[str | int, float]


def parse(text: str) -> Parts:
    """The one part of a text, and the weights of its pieces; ValueError for what is no text."""
    refuse_networks(text)
    if LORA.search(text):
        raise ValueError(
            "prompt: withLora(...) is no part of the text: give generate the model that "
            "mdx.lora.merge makes, and leave it out of the prompt"
        )
    found: list[tuple[str, float]] = []
    weights = [1.0]
    # From the end, where what a bracket says stands before what it says it of.
    for what, factor in reversed(_events(text)):
        if isinstance(what, str):
            found.append((what, weights[-1] * factor))
        elif what == CLOSE:
            weights.append(weights[-1] * factor)
        else:
            weights.pop()
    return [in_order(_words(reversed(found)))]


def _words(found: Iterator[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """White space has the weight of what stands before it: it is no piece of its own."""
    before = 1.0
    for text, weight in found:
        before = before if text.isspace() else weight
        yield text, before


def _events(text: str) -> list[Event]:
    """The text's events in order."""
    events: list[Event] = []
    opened: list[tuple[str, int]] = []  # the sign, and where in events
    at = 0
    while at < len(text):
        sign = text[at]
        word = WORD.match(text, at)
        if word is not None:
            at, factor = _factor(text, word.end(), SIGNS)
            events.append((ESCAPED.sub(r"\1", word[0]), factor))
            continue
        at += 1
        other = {")": "(", '"': '"'}.get(sign)
        if other is not None and opened and opened[-1][0] == other:
            opened.pop()
            at, factor = _factor(text, at, SAID)
            # A bracket parts words: (sun)flower are two.
            events += [(CLOSE, factor), (" ", 1.0)]
        elif sign in '("':
            events.append((" ", 1.0))
            opened.append((sign, len(events)))
            events.append((OPEN, 1.0))
        else:
            events.append((sign, 1.0))
    for sign, i in opened:
        events[i] = (sign, 1.0)
    return events


def _factor(text: str, at: int, signs: re.Pattern[str]) -> tuple[int, float]:
    """What is said at a place of what ends there, and where that ends."""
    called = CALL.match(text, at)
    if called is not None:
        raise ValueError(f"prompt: {shown(called[0] + '...)')} is a function: {INSTEAD[called[1]]}")
    found = ATTEND.match(text, at)
    said = found[1] if found is not None else None
    if found is None:
        found = signs.match(text, at)
        if found is None:
            return at, 1.0
        said = found[0]
    assert said is not None
    if said[0] in "+-":
        return found.end(), power(MORE if said[0] == "+" else LESS, len(said))
    weight = number(said)
    return (at, 1.0) if weight is None else (found.end(), weight)
