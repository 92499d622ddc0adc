"""What training says of a picture, all or a part; and what a caption tells.

Everything is numpy and pure.
"""

import re

import numpy as np

from mdx.shapes import COLOURS, PATTERNS, RELATIONS, SHAPES, SIZES, Scene, caption, wordings

__all__ = ["GROUND", "PLACES", "SLOT", "loose", "said", "short", "told", "vocabulary"]

# Where an object may be: beside, above or below the other, in it or around it. One that is alone
# counts as being around.
PLACES = ("left", "right", "top", "bottom", "inside", "around")
FIRST = dict(zip(RELATIONS, PLACES, strict=False))
SECOND = dict(zip(RELATIONS, ("right", "left", "bottom", "top", "around"), strict=True))

# What a caption can say of a place, and of the background: the lengths of `told`'s parts. Each
# begins with "nothing is said"; a place's next is "nothing is there".
SLOT = (2 + len(SHAPES), 2 + len(COLOURS), 2 + len(SIZES))
GROUND = (1 + len(COLOURS), 1 + len(PATTERNS))


def said(scene: Scene, generator: np.random.Generator) -> str:
    """The scene in one of its wordings."""
    return caption(scene, int(generator.integers(len(wordings(scene)))))


def loose(scene: Scene, generator: np.random.Generator, share: float) -> Scene:
    """The scene with each object's size and colour left open, the given share of times each."""
    things = []
    for thing in scene.things:
        size, colour = generator.random(2) < share
        things.append(
            thing._replace(
                size=None if size else thing.size, colour=None if colour else thing.colour
            )
        )
    return scene._replace(things=tuple(things))


def short(scene: Scene, generator: np.random.Generator) -> str:
    """One word or two of the scene's caption: what people put into a negative prompt."""
    thing = scene.things[int(generator.integers(len(scene.things)))]
    ground = {"gradient": f"{scene.background} gradient", "striped": f"striped {scene.background}"}
    ways = (
        thing.colour,
        thing.shape,
        f"{thing.colour} {thing.shape}",
        f"{thing.size} {thing.shape}",
        f"{thing.size} {thing.colour} {thing.shape}",
        f"{ground.get(scene.pattern, scene.background)} background",
    )
    return ways[int(generator.integers(len(ways)))]


def told(scene: Scene | None) -> tuple[np.ndarray, np.ndarray]:
    """What a caption says of each of PLACES, (6, 3) choices of SLOT, and of the ground, (2,).

    None is a caption that says nothing.
    """
    if scene is None:
        return np.zeros((len(PLACES), 3), np.int64), np.zeros(2, np.int64)
    places = np.ones((len(PLACES), 3), np.int64)
    where = ("around",)
    if scene.relation is not None:
        where = FIRST[scene.relation], SECOND[scene.relation]
    for name, thing in zip(where, scene.things, strict=True):
        places[PLACES.index(name)] = (
            2 + SHAPES.index(thing.shape),
            0 if thing.colour is None else 2 + list(COLOURS).index(thing.colour),
            0 if thing.size is None else 2 + list(SIZES).index(thing.size),
        )
    ground = 1 + list(COLOURS).index(scene.background), 1 + PATTERNS.index(scene.pattern)
    return places, np.array(ground)


def vocabulary(scenes: list[Scene]) -> list[str]:
    """Every wording of the scenes, for a tokenizer to be made of; words of all kinds thrice."""
    texts = [caption(scene, way) for scene in scenes for way in range(len(wordings(scene)))]
    words = sorted({word for text in texts for word in re.findall(r"\w+", text)})
    return [*texts, *words * 3]
