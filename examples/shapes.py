"""Pictures of one coloured shape on a coloured background and their captions, to train on.

Everything is numpy and pure: a scene says what is in a picture, `draw` turns it into pixels,
`caption` into words. mdx.shapes reads such pictures, and draws richer ones.
"""

from typing import NamedTuple

import numpy as np

from mdx.shapes import COLOURS

__all__ = [
    "COLOURS",
    "SHAPES",
    "SIZE",
    "WORDINGS",
    "Scene",
    "caption",
    "draw",
    "prompts",
    "scene",
]

SIZE = 64  # pixels along a side
SAMPLES = 4  # along a side of a pixel, averaged, so that edges are smooth

SHAPES = ("circle", "square", "triangle", "star", "cross")

WORDINGS = (
    "{a} {colour} {shape} on {b} {background} background",
    "{colour} {shape}, {background} background",
    "{b} {background} background with {a} {colour} {shape}",
    "{a} {colour} {shape} on {background}",
)


class Scene(NamedTuple):
    """What one picture shows."""

    shape: str  # one of SHAPES
    colour: str  # one of COLOURS, the shape's
    background: str  # another of COLOURS
    x: float  # the shape's centre, in pixels from the left
    y: float  # and from the top
    radius: float  # of the circle that has the shape's area, in pixels


def scene(generator: np.random.Generator, away: float = 5.0) -> Scene:
    """Draw a scene at random: names, place and size are uniform and independent.

    The centre is at most `away` pixels from the picture's, along each axis.
    """
    colour, background = generator.choice(list(COLOURS), 2, replace=False)
    radius = generator.uniform(12.0, 18.0)
    # A triangle or star reaches 1.7 radii from its centre: the picture holds nearly all of it.
    x, y = generator.uniform(SIZE / 2 - away, SIZE / 2 + away, 2)
    return Scene(str(generator.choice(SHAPES)), str(colour), str(background), x, y, radius)


def caption(scene: Scene, wording: int = 0) -> str:
    """The scene in words, in one of WORDINGS."""
    return WORDINGS[wording].format(
        a=_article(scene.colour),
        b=_article(scene.background),
        shape=scene.shape,
        colour=scene.colour,
        background=scene.background,
    )


def prompts(wording: int = 0) -> tuple[str, ...]:
    """The captions of every combination of names, in one of WORDINGS."""
    middle = SIZE / 2
    return tuple(
        caption(Scene(shape, colour, background, middle, middle, 15.0), wording)
        for shape in SHAPES
        for colour in COLOURS
        for background in COLOURS
        if background != colour
    )


def draw(scene: Scene) -> np.ndarray:
    """The picture of a scene: uint8 (SIZE, SIZE, 3)."""
    cover = _cover(scene.shape, scene.x, scene.y, scene.radius)[..., None]
    colour = np.array(COLOURS[scene.colour], np.float64)
    background = np.array(COLOURS[scene.background], np.float64)
    return np.round(cover * colour + (1.0 - cover) * background).astype(np.uint8)


def _article(word):
    return "an" if word[0] in "aeiou" else "a"


def _cover(shape, x, y, radius, samples=SAMPLES):
    """The share of each pixel that the shape covers: (SIZE, SIZE) in [0, 1]."""
    ticks = (np.arange(SIZE * samples) + 0.5) / samples
    u, v = (ticks[None] - x) / radius, (ticks[:, None] - y) / radius
    fine = INSIDE[shape](u, v).astype(np.float64)
    return fine.reshape(SIZE, samples, SIZE, samples).mean((1, 3))


# Whether the points (u, v), v downwards, lie in a shape with the area pi and its centre of mass
# at the origin.


def _circle(u, v):
    return u * u + v * v < 1.0


def _square(u, v):
    half = np.sqrt(np.pi) / 2.0
    return (np.abs(u) < half) & (np.abs(v) < half)


def _polygon(corners):
    """The test for a star-shaped polygon, corners (N, 2) around the origin, scaled to area pi."""
    following = np.roll(corners, -1, 0)
    cross = corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]
    corners = corners * np.sqrt(np.pi / (np.abs(cross.sum()) / 2.0))

    def inside(u, v):
        found = False
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
            # A ray to the right crosses this edge: an odd number of crossings means inside.
            between = (v < y0) != (v < y1)
            slope = (x1 - x0) / (y1 - y0) if y1 != y0 else 0.0
            found = found ^ (between & (u < x0 + (v - y0) * slope))
        return found

    return inside


def _star_corners(points, inner):
    angles = np.arange(2 * points) * np.pi / points
    lengths = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    return np.stack([np.sin(angles), -np.cos(angles)], 1) * lengths[:, None]


ARM, WIDTH = 1.0, 0.36  # half the length and half the width of a cross's bars
CROSS = np.array([
    (WIDTH, -ARM), (WIDTH, -WIDTH), (ARM, -WIDTH), (ARM, WIDTH), (WIDTH, WIDTH), (WIDTH, ARM),
    (-WIDTH, ARM), (-WIDTH, WIDTH), (-ARM, WIDTH), (-ARM, -WIDTH), (-WIDTH, -WIDTH), (-WIDTH, -ARM),
])  # fmt: skip
INSIDE = {
    "circle": _circle,
    "square": _square,
    "triangle": _polygon(_star_corners(3, 0.5)),
    "star": _polygon(_star_corners(5, 0.45)),
    "cross": _polygon(CROSS),
}
