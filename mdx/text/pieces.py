"""What the grammars make of a text: pieces of it, each with its weight."""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import numpy as np

from mdx.checks import shown

__all__ = ["Parts", "Piece", "in_order", "number", "power", "refuse_networks"]

MORE = 1.1  # what a bracket without a number, or one "+", multiplies a weight by
LARGEST = float(np.finfo(np.float32).max)
NETWORK = re.compile(r"<(\w+):[^<>]*>")


class Piece(NamedTuple):
    """A stretch of a text that has one weight."""

    text: str  # as the tokenizer is to read it, without signs of the syntax
    weight: float  # 1 leaves it as it is


# What must begin a row of ids of its own (at BREAK, where a syntax has it) is another part.
Parts: TypeAlias = list[list[Piece]]


def in_order(found: Iterable[tuple[str, float]], between: str = "") -> list[Piece]:
    """Texts and weights in their order as pieces: neighbours of one weight are one piece.

    ValueError for a weight that float32 does not hold.
    """
    runs: list[tuple[list[str], float]] = []
    for text, weight in found:
        if not text:
            continue
        if not math.isfinite(weight) or abs(weight) > LARGEST:
            raise ValueError(
                f"prompt: {shown(text)} is given a weight beyond what numbers of 32 bits hold: "
                "give it a smaller number, or fewer brackets"
            )
        if runs and runs[-1][1] == weight:
            runs[-1][0].append(text)
        else:
            runs.append(([text], weight))
    return [Piece(between.join(texts), weight) for texts, weight in runs]


def number(text: str) -> float | None:
    """A number as prompts have it (1, 1.3, .5, -2); None for anything else."""
    # At most so many signs: what is longer is no weight, and takes long to read.
    if len(text) > 40 or not re.fullmatch(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)", text):
        return None
    return float(text)


def power(base: float, count: int) -> float:
    """base ** count, infinite where that is beyond float64."""
    return math.inf if base > 1 and count > 7000 else base**count


def refuse_networks(text: str) -> None:
    """ValueError for <lora:name:weight> and the like, which are no words."""
    found = NETWORK.search(text)
    if found is None:
        return
    if found[1].lower() in ("lora", "lyco"):
        raise ValueError(
            f"prompt: {shown(found[0])} is no part of the text: give generate the model that "
            "mdx.lora.merge makes, and leave it out of the prompt"
        )
    raise ValueError(f"prompt: {shown(found[0])} names a network that mdx has not: leave it out")
