"""Pieces of a prompt as rows of ids: chunks that a text encoder reads one by one.

A chunk has as many tokens as the tokenizer's row beside its start and its end, 75 of CLIP's 77.
"""

import re
import warnings
from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mdx import tokenizer
from mdx.text.pieces import Parts, Piece
from mdx.tokenizer import Tokenizer

__all__ = ["Chunk", "Splitter", "at_commas", "by_words", "cut_off", "filled"]

BACK = 20  # tokens within which a comma is looked for where a chunk is full: the webui's setting
LARGE = 8  # tokens from which ComfyUI parts a word

WORD = re.compile(r"\S+")

OUTSIDE = -1  # the piece of a token that no piece of the text has


class Token(NamedTuple):
    """One token of a prompt."""

    id: int
    weight: float
    piece: int  # number of its piece in the text


class Chunk(NamedTuple):
    """A row of ids, with start, end and padding, T in all."""

    ids: NDArray[np.int32]  # (T,)
    weights: NDArray[np.float64]  # (T,) 1 for those that no piece has
    pieces: NDArray[np.int64]  # (T,) number of the piece of each, OUTSIDE for none


Splitter: TypeAlias = Callable[[Tokenizer, Parts], list[Chunk]]


def at_commas(words: Tokenizer, parts: Parts) -> list[Chunk]:
    """As the webui has it: a chunk that is full ends behind a comma of its last 20 tokens, if any.

    A part begins a chunk of its own. An added token of several vectors is not parted.
    """
    room, comma = words.length - 2, words.bpe.token_to_id(",</w>")
    found: list[list[Token]] = []
    first = 0
    for part in parts:
        found.append([])
        behind = 0  # a comma: where the chunk may end, 0 for nowhere
        for group in _groups(words, part, first):
            chunk, before = found[-1], len(found)
            if group[0].id == comma:
                behind = len(chunk) + 1
            elif behind and len(chunk) == room and room - behind < BACK:
                found[-1:] = [chunk[:behind], chunk[behind:]]
            _put(found, group, room)
            behind = behind if len(found) == before else 0
        first += len(part)
    if len(found) > 1 and not found[-1]:
        found.pop()  # a BREAK at the end begins nothing
    return [filled(words, chunk) for chunk in found]


def by_words(words: Tokenizer, parts: Parts) -> list[Chunk]:
    """As ComfyUI has it: a word of less than eight tokens is not parted."""
    room = words.length - 2
    found: list[list[Token]] = [[]]
    for number, piece in enumerate(_pieces(parts)):
        ids, begins = tokenizer.ids_of(words, piece.text)
        starts = [word.start() for word in WORD.finditer(piece.text)]
        places = [bisect(starts, begin) for begin in begins]  # the word of each token
        for _, word in groupby(zip(places, ids, strict=True), itemgetter(0)):
            group = [Token(i, piece.weight, number) for _, i in word]
            if len(group) >= LARGE:
                left = room - len(found[-1])
                found[-1] += group[:left]
                group = group[left:]
            _put(found, group, room)
    return [filled(words, chunk) for chunk in found]


def cut_off(words: Tokenizer, parts: Parts) -> list[Chunk]:
    """One chunk; what does not fit is dropped, with a warning that quotes it."""
    room, tokens, dropped = words.length - 2, [], []
    for number, piece in enumerate(_pieces(parts)):
        ids, begins = tokenizer.ids_of(words, piece.text)
        left = room - len(tokens)
        if len(ids) > left >= 0:
            dropped.append(piece.text[begins[left] :])
        elif left < 0:
            dropped.append(piece.text)
        tokens += [Token(i, piece.weight, number) for i in ids]
    if len(tokens) > room:
        warnings.warn(
            f"the prompt has {len(tokens)} tokens and {room} fit; dropped: {' '.join(dropped)!r}",
            stacklevel=2,
        )
    return [filled(words, tokens[:room])]


def _pieces(parts: Parts) -> list[Piece]:
    """Those of all parts, for syntaxes that know of one."""
    return [piece for part in parts for piece in part]


def filled(words: Tokenizer, tokens: list[Token]) -> Chunk:
    """Tokens with start, end and padding; of none the empty text."""
    ids = np.full(words.length, words.pad, np.int32)
    ids[: len(tokens) + 2] = [words.start, *(token.id for token in tokens), words.end]
    weights, pieces = np.ones(words.length), np.full(words.length, OUTSIDE)
    own = slice(1, len(tokens) + 1)
    weights[own] = [token.weight for token in tokens]
    pieces[own] = [token.piece for token in tokens]
    return Chunk(ids, weights, pieces)


def _put(found: list[list[Token]], group: list[Token], room: int) -> None:
    """Put tokens behind the last chunk's, or into another one: together, where one takes them."""
    while len(found[-1]) + len(group) > room:
        if not found[-1]:
            found[-1], group = group[:room], group[room:]
        found.append([])
    found[-1] += group


def _groups(words: Tokenizer, part: list[Piece], first: int) -> Iterator[list[Token]]:
    """The tokens of a part, those together that an added token of several vectors stands for."""
    several = {ids[0]: ids for ids in words.vectors}
    for number, piece in enumerate(part, first):
        ids, _ = tokenizer.ids_of(words, piece.text)
        at = 0
        while at < len(ids):
            group = several.get(ids[at], ())
            count = len(group) if group and tuple(ids[at : at + len(group)]) == group else 1
            yield [Token(i, piece.weight, number) for i in ids[at : at + count]]
            at += count
