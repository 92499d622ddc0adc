"""The syntaxes by name: a grammar and the rule that belongs to it, never one without the other."""

from collections.abc import Callable
from typing import Any, NamedTuple

from mdx.checks import one_of
from mdx.text import a1111, comfyui, compel
from mdx.text.chunks import Chunk, Splitter, at_commas, by_words, cut_off
from mdx.text.pieces import Parts
from mdx.text.weighting import Rule, faded, from_empty, restored
from mdx.tokenizer import LONGEST, Tokenizer

__all__ = [
    "PLAIN",
    "SYNTAXES",
    "WEIGHED",
    "Syntax",
    "check_length",
    "checked",
    "chunks_of",
    "is_long",
    "may_change",
]

PLAIN = "plain"  # the text as it stands, which needs none of what is here


class Syntax(NamedTuple):
    """How a prompt is read, and what its weights do."""

    parse: Callable[[str], Parts]
    split: Splitter
    weigh: Rule
    edits: bool  # whether a prompt may change over a run
    long: bool  # whether a prompt may have several chunks


WEIGHED = {
    "a1111": Syntax(a1111.parse, at_commas, restored, edits=True, long=True),
    "comfyui": Syntax(comfyui.parse, by_words, from_empty, edits=False, long=True),
    "compel": Syntax(compel.parse, cut_off, faded, edits=False, long=False),
}
SYNTAXES = (PLAIN, *WEIGHED)


def checked(value: Any) -> str:
    """The name of a syntax; ValueError for anything else."""
    return one_of("prompt_syntax", value, SYNTAXES)


def is_long(syntax: str) -> bool:
    """Whether a prompt of a syntax may have several chunks."""
    return syntax != PLAIN and WEIGHED[syntax].long


def may_change(syntax: str) -> bool:
    """Whether a prompt of a syntax may change over a run."""
    return syntax != PLAIN and WEIGHED[syntax].edits


def check_length(text: str) -> None:
    """ValueError for a text that takes too long to read."""
    if len(text) > LONGEST:
        raise ValueError(f"prompt: a text has {len(text)} characters: at most {LONGEST} are read")


def chunks_of(syntax: str, words: Tokenizer, text: str) -> list[Chunk]:
    """The chunks of a text, one or more."""
    how = WEIGHED[syntax]
    return how.split(words, how.parse(text))
