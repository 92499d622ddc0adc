"""What a picture shows, read from its pixels alone: no network, no learning.

The background is the drawn one that fits best. Objects are regions of one colour that are more than
an edge. How much of a pixel an object covers follows from where the pixel lies between its colour
and what is beneath; each is the shape whose drawing, of the same area and centre, has that cover.
"""

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np

from .drawing import INSIDE, SIZE, Place, background, cover
from .scenes import COLOURS, PATTERNS, SHAPES, SIZES, Scene, Thing
from .words import parse

LEAST = 8  # pixels with neighbours of their own colour; edges between two colours have few
FAR = 60.0  # a pixel further from its background than this is as good as any other that is

NEIGHBOURS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))


class Found(NamedTuple):
    """What was read of a picture."""

    things: tuple[Thing, ...]  # none, one or two, each with its size
    places: tuple[Place, ...]  # where they are
    background: str  # one of COLOURS
    pattern: str  # one of PATTERNS


def read(picture: np.ndarray) -> Found:
    """The objects and the background of a picture.

    Args:
        picture: uint8 (SIZE, SIZE, 3).

    Returns:
        What was found, in the words of scenes.

    Raises:
        ValueError: for another shape.
    """
    pixels = np.asarray(picture, np.float64)
    if pixels.shape != (SIZE, SIZE, 3):
        raise ValueError(f"a picture must be ({SIZE}, {SIZE}, 3), not {pixels.shape}")
    ground, pattern, drawn = _ground(pixels)
    names = [name for name in COLOURS if name != ground]
    palette = [np.broadcast_to(np.array(COLOURS[name], np.float64), pixels.shape) for name in names]
    labels = _nearest(pixels, [drawn, *palette])
    sure = [_core(labels == i + 1) for i in range(len(names))]
    most = np.argsort([-core.sum() for core in sure])[:2]
    chosen = [i for i in most if sure[i].sum() >= LEAST]
    # An edge between two colours may look like a third: only what hangs on a core counts.
    masks = [_spread(sure[i], labels == i + 1) for i in chosen]
    things, places = [], []
    for i, mask in zip(chosen, masks, strict=True):
        beneath, over = drawn, np.zeros_like(mask)
        for j, other in zip(chosen, masks, strict=True):
            if _around(mask, other):
                over |= _grown(other)
            elif _around(other, mask):
                beneath = palette[j]
        share = _share(pixels, palette[i], beneath)
        shape, where = _fit(share, _grown(_grown(mask)), over)
        size = min(SIZES, key=lambda name: abs(np.log(SIZES[name] / where.radius)))
        things.append(Thing(shape, names[i], size))
        places.append(where)
    return Found(tuple(things), tuple(places), ground, pattern)


def relation(a: Place, b: Place) -> str:
    """Of an object at a to one at b: one of RELATIONS, or "around", the inverse of "inside"."""
    x, y = a.x - b.x, a.y - b.y
    if np.hypot(x, y) < 0.6 * max(a.radius, b.radius):
        return "inside" if a.radius < b.radius else "around"
    if abs(x) > abs(y):
        return "left of" if x < 0 else "right of"
    return "above" if y < 0 else "below"


def score(pictures: Sequence, prompts: Sequence[str | Scene]) -> dict[str, float]:
    """How much of what prompts say is right in their pictures.

    An object that is missing has nothing right, an object too many makes "all" wrong.

    Args:
        pictures: uint8 (SIZE, SIZE, 3) each, or PIL.
        prompts: one a picture, in words or as a Scene.

    Returns:
        The share of right shapes, colours, sizes, relations, backgrounds and patterns, and of
        pictures with everything right ("all"), by name. Attributes that no prompt names are left
        out.

    Raises:
        ValueError: for lists of unequal length, and for prompts `parse` refuses.
    """
    rows = []
    for picture, prompt in zip(pictures, prompts, strict=True):
        scene = parse(prompt) if isinstance(prompt, str) else prompt
        rows.append(_compared(read(np.asarray(picture)), scene))
    names = ("shape", "colour", "size", "relation", "background", "pattern", "all")
    every = {name: [hit for row in rows for hit in row.get(name, ())] for name in names}
    return {name: float(np.mean(hits)) for name, hits in every.items() if hits}


def _compared(found: Found, scene: Scene) -> dict[str, list[bool]]:
    """Hits by attribute, the objects paired so that most are right."""
    count = len(scene.things)
    indices = [*range(len(found.things)), *[None] * max(0, count - len(found.things))]
    best: dict[str, list[bool]] = {}
    for order in permutations(indices, count):
        got = [None if i is None else found.things[i] for i in order]
        row = {
            "shape": [g is not None and g.shape == w.shape
                      for g, w in zip(got, scene.things, strict=True)],
            "colour": [g is not None and g.colour == w.colour
                       for g, w in zip(got, scene.things, strict=True)],
            "size": [g is not None and g.size == w.size
                     for g, w in zip(got, scene.things, strict=True) if w.size is not None],
        }  # fmt: skip
        if scene.relation is not None:
            where = [found.places[i] for i in order if i is not None]
            row["relation"] = [len(where) == 2 and relation(*where) == scene.relation]
        if sum(map(sum, row.values())) > sum(map(sum, best.values())) or not best:
            best = row
    best["background"] = [found.background == scene.background]
    best["pattern"] = [found.pattern == scene.pattern]
    right = all(map(all, best.values())) and len(found.things) == count
    return {**best, "all": [right]}


def _ground(pixels):
    """The name, pattern and pixels of the background that is nearest to most of the picture."""
    tried = [(name, pattern) for name in COLOURS for pattern in PATTERNS]
    drawn = [background(*one) for one in tried]
    far = [np.minimum(np.abs(pixels - one).mean(-1), FAR).mean() for one in drawn]
    best = int(np.argmin(far))
    return *tried[best], drawn[best]


def _nearest(pixels, images):
    return np.argmin([np.square(pixels - one).sum(-1) for one in images], 0)


def _shifted(mask, down, right):
    """The mask moved by a pixel; beyond the edges it goes on as at the edges."""
    padded = np.pad(mask, 1, mode="edge")
    return padded[1 - down : 1 - down + SIZE, 1 - right : 1 - right + SIZE]


def _core(mask):
    return np.logical_and.reduce([_shifted(mask, *by) for by in NEIGHBOURS])


def _grown(mask):
    return np.logical_or.reduce([_shifted(mask, *by) for by in NEIGHBOURS])


def _spread(core, within):
    """The part of `within` that hangs on the core by no more than three pixels."""
    for _ in range(3):
        core = _grown(core) & within
    return core


def _around(other, mask):
    """Whether a region is larger than another and lies on all sides of its middle."""
    y, x = (int(np.mean(places)) for places in np.nonzero(mask))
    sides = other[:y, x], other[y:, x], other[y, :x], other[y, x:]
    return other.sum() > mask.sum() and all(side.any() for side in sides)


def _share(pixels, colour, beneath):
    """How far each pixel is on the way from what lies beneath to the colour, in [0, 1]."""
    way = colour - beneath
    return np.clip(((pixels - beneath) * way).sum(-1) / np.square(way).sum(-1), 0.0, 1.0)


def _fit(share, near, over):
    """The shape and place whose cover is most like the share (SIZE, SIZE) in the pixels near it.

    What lies over it hides it: there it is taken to go on.
    """
    share = np.where(over, 1.0, np.where(near, share, 0.0))
    area, ticks = share.sum(), np.arange(SIZE) + 0.5
    x, y = (share.sum(0) * ticks).sum() / area, (share.sum(1) * ticks).sum() / area
    seen, smooth = near & ~over, _smooth(share)
    least, found = np.inf, (SHAPES[0], Place(x, y, 1.0))
    for shape in SHAPES:
        own_area, middle = MOMENTS[shape]
        # A blur keeps area and centre; what is hidden, or a stray pixel, may change them a little.
        for factor in (0.93, 1.0, 1.07):
            radius = np.sqrt(area / own_area) * factor
            where = Place(x - middle[0] * radius, y - middle[1] * radius, radius)
            miss = np.square(_smooth(cover(shape, where, 2)) - smooth)[seen].sum()
            if miss < least:
                least, found = miss, (shape, where)
    return found


def _smooth(image):
    """An image blurred by a pixel, as decoders do, so that only the form is compared."""
    for axis in (0, 1):
        image = (np.roll(image, 1, axis) + 2.0 * image + np.roll(image, -1, axis)) / 4.0
    return image


def _moments(shape):
    """A shape's area and its centre, both for a radius of 1."""
    ticks = np.linspace(-1.3, 1.3, 521)
    v, u = np.nonzero(INSIDE[shape](ticks[None], ticks[:, None]))
    return len(u) * (ticks[1] - ticks[0]) ** 2, (ticks[u].mean(), ticks[v].mean())


MOMENTS = {shape: _moments(shape) for shape in SHAPES}
