"""Rules by which weights change what a text encoder made of a chunk, in float64.

A rule is a function (encode, chunk, empty) -> rows (T, D). `encode` gives the rows of a chunk's
ids, and with places that no token may read (T,) those that come without them.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mdx.text.chunks import Chunk

__all__ = ["Encode", "Rule", "faded", "from_empty", "restored"]

Rows: TypeAlias = NDArray[np.float64]
Encode: TypeAlias = Callable[[NDArray[np.int32], "NDArray[np.bool_] | None"], Any]
Rule: TypeAlias = Callable[[Encode, Chunk, Chunk], Rows]

LEAST = 1e-5  # compel's weight of what is to be gone: at 0 the others would count for nothing


def restored(encode: Encode, chunk: Chunk, empty: Chunk) -> Rows:
    """Each row times its weight, and all by one factor, so that their mean is what it was.

    As AUTOMATIC1111's webui has it; its mean is of all texts that it encodes together, and this one
    of a text alone. ValueError where no factor does it.
    """
    rows = _rows(encode(chunk.ids, None))
    if (chunk.weights == 1).all():
        return rows
    weighted = rows * chunk.weights[:, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weighted = weighted * (rows.mean() / weighted.mean())
    if not np.isfinite(weighted).all():
        raise ValueError(
            "prompt: with these weights the mean of the text's vectors is 0, and what it was "
            "cannot be restored: choose other weights"
        )
    return weighted


def from_empty(encode: Encode, chunk: Chunk, empty: Chunk) -> Rows:
    """Each row as far from that of the empty text as its weight says, as ComfyUI has it."""
    rows = _rows(encode(chunk.ids, None))
    return rows if (chunk.weights == 1).all() else _away(rows, encode, chunk, empty)


def faded(encode: Encode, chunk: Chunk, empty: Chunk) -> Rows:
    """As `from_empty`, and towards the text without the pieces that weigh less than 1: compel's.

    Of each such piece, with weight w, there are rows made while no token reads it; they count for
    tan((1 - w) pi / 2) beside 1 for all.
    """
    rows = from_empty(encode, chunk, empty)
    total, sum_of_shares = rows, 1.0
    for piece in np.unique(chunk.pieces[chunk.weights < 1]):
        hidden = chunk.pieces == piece
        weight = max(LEAST, float(chunk.weights[hidden][0]))
        share = math.tan((1 - weight) * math.pi / 2)
        without = _away(_rows(encode(chunk.ids, hidden)), encode, chunk, empty)
        total, sum_of_shares = total + share * without, sum_of_shares + share
    return total / sum_of_shares


def _away(rows: Rows, encode: Encode, chunk: Chunk, empty: Chunk) -> Rows:
    origin = _rows(encode(empty.ids, None))
    # A row of weight 1 keeps its bits.
    weights = chunk.weights[:, None]
    return np.where(weights == 1, rows, origin + weights * (rows - origin))


def _rows(found: Any) -> Rows:
    return np.asarray(found, np.float64)
