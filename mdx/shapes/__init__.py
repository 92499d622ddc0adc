"""Pictures of one or two coloured shapes, the words for them, and a reader that needs no network.

A `Scene` is what a prompt says. `draw` makes pixels of it, `caption` words, `parse` a scene of
words again; `read` says what is in a picture, and `score` how much of their prompts pictures show.
Everything is numpy and pure.
"""

from .drawing import SIZE, draw, place
from .reading import read, score
from .scenes import (
    COLOURS,
    PATTERNS,
    RELATIONS,
    SHAPES,
    SIZES,
    Scene,
    Thing,
    random_scene,
    unseen,
)
from .words import caption, parse, wordings

__all__ = [
    "COLOURS",
    "PATTERNS",
    "RELATIONS",
    "SHAPES",
    "SIZE",
    "SIZES",
    "Scene",
    "Thing",
    "caption",
    "draw",
    "parse",
    "place",
    "random_scene",
    "read",
    "score",
    "unseen",
    "wordings",
]
