"""The pictures that training shows: scenes at random but for those kept from it; simple ones."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from mdx import shapes

__all__ = ["drawn", "plain", "seen", "to_net"]


def seen(generator: np.random.Generator) -> shapes.Scene:
    """A scene at random that training may show."""
    while shapes.unseen(scene := shapes.random_scene(generator)):
        pass
    return scene


def plain(scene: shapes.Scene) -> shapes.Scene:
    """The scene in dark colours on plain white, or with a bright thing inside a dark one."""
    colours = [("black", "blue"), ("black", "blue")]
    if scene.relation == "inside":
        colours[0] = ("white", "yellow")
    things = []
    for thing, (first, second) in zip(scene.things, colours, strict=False):
        thing = thing._replace(colour=first)
        hidden = shapes.unseen(shapes.Scene((thing,), None, "white", "plain"))
        things.append(thing._replace(colour=second) if hidden else thing)
    return shapes.Scene(tuple(things), scene.relation, "white", "plain")


def drawn(count: int, simple: int, seed: list, folder: Path) -> tuple:
    """Pictures, uint8 (count + simple, S, S, 3), and their scenes; the simple ones come last.

    They are drawn once and kept in folder.
    """
    generator = np.random.default_rng(seed)
    scenes = [seen(generator) for _ in range(count)]
    scenes += [plain(seen(generator)) for _ in range(simple)]
    kept = folder / f"pictures-{'-'.join(map(str, seed))}-{count}-{simple}.npy"
    if not kept.is_file():
        pictures = np.stack([
            shapes.draw(one, shapes.place(one, generator))
            for one in tqdm(scenes, desc="draw", unit="picture")
        ])  # fmt: skip
        np.save(kept.with_name("part.npy"), pictures)
        kept.with_name("part.npy").rename(kept)
    return np.load(kept), scenes


def to_net(pictures: np.ndarray) -> np.ndarray:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W) in [-1, 1]."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32) / 127.5 - 1.0
