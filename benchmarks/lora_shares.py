"""What the LoRAs in the package do to pictures, counted by what `shapes.read` sees in their pixels.

    python benchmarks/lora_shares.py

Of prompts of one thing on a plain ground or a gradient that is not black: the share of pictures
with a striped ground, and with a black one, whatever the prompt says, and of those in which the
thing has the shape and the colour, and the ground the colour, that are asked for.
"""

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import mdx
from mdx import shapes
from mdx.shapes import Scene

OPTIONS: dict[str, Any] = {"scheduler": "dpmpp_2m", "steps": 12, "guidance": 3, "progress": False}
BATCH = 24  # pictures made together


class Shares(NamedTuple):
    """Of some pictures, the share in which something is seen."""

    striped: float  # a striped ground
    black: float  # a black ground
    thing: float  # the shape that is asked for; or its colour, where that share is smaller
    ground: float  # the colour of ground that is asked for


def scenes(count: int) -> list[Scene]:
    """Scenes of what training showed, in which both LoRAs' changes can be seen."""
    random, found = np.random.default_rng(7), []
    while len(found) < count:
        scene = shapes.random_scene(random, 1)
        black = "black" in (scene.background, scene.things[0].colour)
        if scene.pattern != "striped" and not black and not shapes.unseen(scene):
            found.append(scene)
    return found


def drawn(model: mdx.Model, chosen: Sequence[Scene], worn: Sequence[Any] | None = None) -> list:
    """A picture of each scene, with what each wears."""
    words, pictures = [shapes.caption(scene) for scene in chosen], []
    for first in range(0, len(words), BATCH):
        some = words[first : first + BATCH]
        asked = {} if worn is None else {"lora": worn[first : first + BATCH]}
        seeds = list(range(first, first + len(some)))
        pictures += mdx.generate(model, some, seed=seeds, **OPTIONS, **asked)
    return [np.asarray(picture) for picture in pictures]


def counted(pictures: Sequence[np.ndarray], chosen: Sequence[Scene]) -> Shares:
    """The shares of some pictures, and of the scenes that they were asked to show."""
    found = [shapes.read(picture) for picture in pictures]
    score = shapes.score(pictures, chosen)
    return Shares(
        float(np.mean([one.pattern == "striped" for one in found])),
        float(np.mean([one.background == "black" for one in found])),
        min(score["shape"], score["colour"]),
        score["background"],
    )


def main() -> None:
    """Print the shares, as a table of Markdown."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--pictures", type=int, default=96, help="of each row, or of two")
    given = parser.parse_args()
    model, chosen = mdx.load(), scenes(given.pictures)
    striped, black = mdx.lora.load(), mdx.lora.load(file="black.safetensors")
    print(f"{len(chosen)} prompts, {OPTIONS}\n")
    print("| LoRA | striped ground | black ground | thing as asked | ground's colour as asked |")
    print("|---|---|---|---|---|")

    def row(words: str, pictures: Sequence[np.ndarray], asked: Sequence[Scene]) -> None:
        cells = " | ".join(f"{share:.0%}" for share in counted(pictures, asked))
        print(f"| {words} | {cells} |", flush=True)

    row("none", drawn(model, chosen), chosen)
    for one in (striped, black):
        for scale in (0.5, 1.0):
            merged = mdx.lora.merge(model, one, scale)
            row(f"{one.name}, {scale:g}", drawn(merged, chosen), chosen)
    row("both merged", drawn(mdx.lora.merge(model, [striped, black]), chosen), chosen)
    turns = [(striped, black)[i % 2] for i in range(len(chosen))]
    pictures = drawn(model, chosen, turns)
    for i, one in enumerate((striped, black)):
        row(f"one each, those of {one.name}", pictures[i::2], chosen[i::2])
    row("both worn by each", drawn(model, chosen, [[striped, black]] * len(chosen)), chosen)


if __name__ == "__main__":
    main()
