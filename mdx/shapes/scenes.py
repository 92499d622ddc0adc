"""What a picture shows, as a value, and scenes at random."""

from typing import NamedTuple

import numpy as np

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (45, 75, 220),
    "yellow": (245, 215, 45),
    "white": (245, 245, 245),
    "black": (20, 20, 20),
    "purple": (150, 50, 180),
    "orange": (245, 135, 25),
}
SIZES = {"small": 6.5, "medium": 10.0, "large": 15.0}  # radius in pixels
RELATIONS = ("left of", "right of", "above", "below", "inside")
PATTERNS = ("plain", "gradient", "striped")

HOLLOW = ("circle", "square", "triangle", "star")  # a small thing fits inside a large one


class Thing(NamedTuple):
    """One object."""

    shape: str  # one of SHAPES
    colour: str  # one of COLOURS
    size: str | None  # one of SIZES; None where the words leave it open


class Scene(NamedTuple):
    """One object, or two of which the first is in a relation to the second."""

    things: tuple[Thing, ...]  # one or two
    relation: str | None  # one of RELATIONS, of the first to the second; None for one object
    background: str  # one of COLOURS, no object's
    pattern: str  # one of PATTERNS, the background's


def unseen(scene: Scene) -> bool:
    """Whether training never shows this: a shape's one forbidden colour, or a forbidden trio.

    The trio is first shape, relation, second shape; one in seven is forbidden.

    Args:
        scene: one object, or two and their relation.

    Returns:
        True where it is never shown.
    """
    colours = list(COLOURS)
    for thing in scene.things:
        if (3 * SHAPES.index(thing.shape) + colours.index(thing.colour)) % len(colours) == 5:
            return True
    if scene.relation is None:
        return False
    first, second = (SHAPES.index(thing.shape) for thing in scene.things)
    return (first + 2 * RELATIONS.index(scene.relation) + 3 * second) % 7 == 0


def random_scene(generator: np.random.Generator, things: int | None = None) -> Scene:
    """A scene of one or two objects, each name as likely as any other that fits.

    Two objects are never both large, and inside a large one is a small one: so they fit.

    Args:
        generator: of the random numbers.
        things: 1 or 2 objects; None for either.

    Returns:
        The Scene.
    """
    if things is None:
        things = int(generator.integers(1, 3))
    background, *colours = map(str, generator.choice(list(COLOURS), things + 1, replace=False))
    pattern = str(generator.choice(PATTERNS))
    relation = str(generator.choice(RELATIONS)) if things == 2 else None
    shapes = [str(one) for one in generator.choice(SHAPES, things)]
    sizes = [str(one) for one in generator.choice(list(SIZES), things)]
    if relation == "inside":
        shapes[1], sizes = str(generator.choice(HOLLOW)), ["small", "large"]
    while sizes == ["large", "large"]:
        sizes = [str(one) for one in generator.choice(list(SIZES), things)]
    made = tuple(map(Thing, shapes, colours, sizes))
    return Scene(made, relation, background, pattern)
