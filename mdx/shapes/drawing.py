"""Scenes as pixels."""

from typing import NamedTuple

import numpy as np

from .scenes import COLOURS, SIZES, Scene

SIZE = 64  # pixels along a side
SAMPLES = 4  # along a side of a pixel, averaged, so that edges are smooth
STRIPE = 8  # pixels, a stripe's height
GREY, TONE = 128.0, 0.45  # a background's second tone lies this far on the way to grey


class Place(NamedTuple):
    """Where an object is."""

    x: float  # its centre, in pixels from the left
    y: float  # and from the top
    radius: float  # in pixels; see SIZES


def place(scene: Scene, generator: np.random.Generator) -> tuple[Place, ...]:
    """Places that fit the scene's sizes and relation, at random within a few pixels.

    Words do not say more about a place than the relation does, so the rest of it varies little.

    Args:
        scene: one object, or two and their relation.
        generator: of the random numbers.

    Returns:
        A Place for each object, in pixels.
    """
    radii = [SIZES[thing.size or "medium"] * generator.uniform(0.95, 1.05)
             for thing in scene.things]  # fmt: skip
    x, y = SIZE / 2.0 + generator.uniform(-3.0, 3.0, 2)
    if scene.relation is None:
        return (Place(x, y, radii[0]),)
    if scene.relation == "inside":
        return Place(x, y, radii[0]), Place(x, y, radii[1])
    # Along the axis of the relation the two share the picture as their radii do; across it they
    # need not agree.
    gap = (SIZE - 2.3 * sum(radii)) / 3.0
    low, high = gap + 1.15 * radii[0], SIZE - gap - 1.15 * radii[1]
    if scene.relation in ("right of", "below"):
        low, high = SIZE - low, SIZE - high
    across = SIZE / 2.0 + generator.uniform(-3.0, 3.0, 2)
    along = np.array([low, high]) + generator.uniform(-1.5, 1.5, 2)
    if scene.relation in ("left of", "right of"):
        return tuple(map(Place, along, across, radii))
    return tuple(map(Place, across, along, radii))


def draw(scene: Scene, places: tuple[Place, ...]) -> np.ndarray:
    """The picture of a scene.

    Args:
        scene: one object, or two and their relation.
        places: of each object, as `place` makes them.

    Returns:
        uint8 (SIZE, SIZE, 3).
    """
    picture = background(scene.background, scene.pattern)
    for thing, where in reversed(list(zip(scene.things, places, strict=True))):
        share = cover(thing.shape, where)[..., None]
        picture = share * np.array(COLOURS[thing.colour], np.float64) + (1.0 - share) * picture
    return np.round(picture).astype(np.uint8)


def background(colour: str, pattern: str) -> np.ndarray:
    """A background, float64 (SIZE, SIZE, 3): the colour, and its second tone where it has one."""
    first = np.array(COLOURS[colour], np.float64)
    second = first + TONE * (GREY - first)
    rows = np.arange(SIZE)
    share = {
        "plain": np.zeros(SIZE),
        "gradient": rows / (SIZE - 1.0),
        "striped": (rows // STRIPE % 2).astype(np.float64),
    }[pattern][:, None, None]
    return np.broadcast_to((1.0 - share) * first + share * second, (SIZE, SIZE, 3)).copy()


def cover(shape: str, where: Place, samples: int = SAMPLES) -> np.ndarray:
    """The share of each pixel that an object covers: (SIZE, SIZE) in [0, 1]."""
    ticks = (np.arange(SIZE * samples) + 0.5) / samples
    u, v = (ticks[None] - where.x) / where.radius, (ticks[:, None] - where.y) / where.radius
    fine = INSIDE[shape](u, v).astype(np.float64)
    return fine.reshape(SIZE, samples, SIZE, samples).mean((1, 3))


# Whether the points (u, v), v downwards, lie in a shape around the origin.


def _circle(u, v):
    return u * u + v * v < 0.92**2


def _ring(u, v):
    square = u * u + v * v
    return (square < 1.0) & (square > 0.45**2)


def _square(u, v):
    return (np.abs(u) < 0.8) & (np.abs(v) < 0.8)


def _cross(u, v):
    u, v = np.abs(u), np.abs(v)
    return (np.maximum(u, v) < 1.0) & (np.minimum(u, v) < 0.36)


def _polygon(corners):
    """The test for a star-shaped polygon with corners (N, 2) around the origin."""
    edges = list(zip(corners, np.roll(corners, -1, 0), strict=True))

    def inside(u, v):
        found = False
        for (x0, y0), (x1, y1) in edges:
            # A ray to the right crosses this edge: an odd number of crossings means inside.
            between = (v < y0) != (v < y1)
            slope = (x1 - x0) / (y1 - y0) if y1 != y0 else 0.0
            found = found ^ (between & (u < x0 + (v - y0) * slope))
        return found

    return inside


def _star_corners(points, outer, inner):
    angles = np.arange(2 * points) * np.pi / points
    lengths = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return np.stack([np.sin(angles), -np.cos(angles)], 1) * lengths[:, None]


INSIDE = {
    "circle": _circle,
    "square": _square,
    "triangle": _polygon(_star_corners(3, 1.2, 0.6)),
    "star": _polygon(_star_corners(5, 1.2, 0.54)),
    "cross": _cross,
    "ring": _ring,
}
