"""The text that A1111 writes into a picture under the keyword "parameters", written and read.

The prompt, over several lines; a line that begins with "Negative prompt:", over several, too, where
there is one; and a last line of "Key: value" pairs with commas between, in which a value that has a
comma, a colon or a line's end of its own stands as JSON in quotes. It holds one picture.
"""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["Text", "read", "write"]

NEGATIVE = "Negative prompt:"
FEWEST = 3  # pairs of the last line; what has fewer is a line of the prompt
LONGEST = 100  # characters of a key


class Text(NamedTuple):
    """What such a text says."""

    prompt: str
    negative: str
    pairs: Mapping[str, str]  # by A1111's keys, such as "CFG scale"


def write(text: Text) -> str | None:
    """A text in A1111's form; None for a prompt that it cannot hold, or too few pairs.

    Space at the ends of lines is lost.
    """
    lines = [text.prompt, *([f"{NEGATIVE} {text.negative}"] if text.negative else [])]
    pairs = ", ".join(f"{key}: {quoted(value)}" for key, value in text.pairs.items())
    written = "\n".join([*lines, pairs]).strip()
    whole = Text(_stripped(text.prompt), _stripped(text.negative), dict(text.pairs))
    return written if read(written) == whole else None


def read(written: str) -> Text:
    """What a text says, whoever wrote it: any text is a prompt, if nothing else."""
    *lines, last = written.strip().split("\n")
    pairs = list(_pairs(last))
    if len(pairs) < FEWEST:
        lines, pairs = [*lines, last], []
    prompt: list[str] = []
    negative: list[str] = []
    found = prompt
    for line in map(str.strip, lines):
        words = line
        if line.startswith(NEGATIVE):
            found, words = negative, line.removeprefix(NEGATIVE).strip()
        found.append(words)
    return Text(_stripped("\n".join(prompt)), _stripped("\n".join(negative)), dict(pairs))


def quoted(value: str) -> str:
    """A value as the last line has it."""
    plain = value == value.strip() and not value.startswith('"') and not set(value) & set(",:\n\r")
    return value if plain else json.dumps(value, ensure_ascii=False)


def _stripped(text: str) -> str:
    """A text without the space at its ends and at those of its lines."""
    return "\n".join(line.strip() for line in text.strip().split("\n"))


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """Keys and values of a line, in one pass."""
    at = 0
    while (colon := line.find(":", at)) >= 0:
        key = _key(line, at, colon)
        if key is None:
            at = colon + 1
            continue
        value, end = _value(line, _after_space(line, colon + 1))
        yield key, value
        at = end + 1


def _key(line: str, least: int, colon: int) -> str | None:
    """The key that ends at a colon; None if there is none."""
    begin = colon
    while begin > least and (line[begin - 1].isalnum() or line[begin - 1] in "_ /-"):
        begin -= 1
    key = line[begin:colon].lstrip(" /-").rstrip()
    return key if 1 < len(key) <= LONGEST else None


def _after_space(line: str, at: int) -> int:
    while at < len(line) and line[at].isspace():
        at += 1
    return at


def _value(line: str, begin: int) -> tuple[str, int]:
    """The value that begins at a place, and where its comma stands or the line ends."""
    if line.startswith('"', begin):
        try:
            value, end = DECODER.raw_decode(line, begin)
        except ValueError:  # a value that begins with a quote, and is no JSON
            value, end = None, begin
        end = _after_space(line, end)
        if isinstance(value, str) and line[end : end + 1] in ("", ","):
            return value, end
    comma = line.find(",", begin)
    comma = len(line) if comma < 0 else comma
    return line[begin:comma].strip(), comma


DECODER = json.JSONDecoder(strict=False)
