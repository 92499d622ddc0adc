"""What weights of words, and prompts that change, do to pictures of the shipped checkpoint.

python benchmarks/prompt_syntax.py            the share of right colours by the weight of their word
python benchmarks/prompt_syntax.py --edits    whose parts are seen -> prompt_edits.png
"""

import argparse
from pathlib import Path

import numpy as np
from prompt_score import BATCH, captions, drawn, scenes

import mdx
from mdx import shapes
from mdx.shapes import Scene

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
# How each syntax writes a word with a weight.
WRITTEN = {"a1111": "({}:{})", "comfyui": "({}:{})", "compel": "({}){}"}
WHENS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
FIGURE = Path(__file__).with_name("prompt_edits.png")
SHOWN = 4  # rows of the figure


def weighed(scene: Scene, words: str, weight: float, syntax: str) -> str:
    """A caption in which the word for the thing's colour has a weight."""
    thing = scene.things[0]
    said = WRITTEN[syntax].format(thing.colour, weight)
    return words.replace(f"{thing.colour} {thing.shape}", f"{said} {thing.shape}", 1)


def by_weight(model: mdx.Model, count: int, options: dict) -> None:
    """Print the share of right colours of the thing for each weight, and its standard error."""
    chosen = scenes(count, 1, False, 3)
    words = captions(chosen)
    print(f"{count} prompts, {options}\nshare of right colours by the weight of their word")
    print(f"{'':10}" + "".join(f"{weight:>14}" for weight in WEIGHTS))
    for syntax in WRITTEN:
        shares, errors = [], []
        print(f"{syntax:10}", end="", flush=True)
        for weight in WEIGHTS:
            both = zip(chosen, words, strict=True)
            prompts = [weighed(*pair, weight, syntax) for pair in both]
            pictures = drawn(model, prompts, prompt_syntax=syntax, **options)
            share = shapes.score(pictures, chosen)["colour"]
            shares.append(share)
            errors.append(np.sqrt(share * (1 - share) / count))
            print(f"{share:>8.1%} ±{errors[-1]:4.1%}", end="", flush=True)
        least = min(
            (shares[i + 1] - shares[i]) / max(np.hypot(errors[i], errors[i + 1]), 1 / count)
            for i in range(WEIGHTS.index(1.0))
        )
        print(f"   least rise up to 1: {least:.1f} standard errors", flush=True)


def pairs(count: int) -> tuple[list[Scene], list[Scene]]:
    """Scenes of one thing, and others that differ in shape, colour and background."""
    some, others = scenes(count, 1, False, 4), scenes(8 * count, 1, False, 5)
    found = []
    for scene in some:
        thing = scene.things[0]
        for i, other in enumerate(others):
            one = other.things[0]
            colours = {thing.colour, one.colour, scene.background, other.background}
            if one.shape != thing.shape and len(colours) == 4:
                found.append(others.pop(i))
                break
    return some, found


def edited(first: str, then: str, when: float) -> str:
    """A prompt that is one text, and then another."""
    return f"[{first}:{then}:{when}]"


def by_time(model: mdx.Model, count: int, options: dict, path: Path) -> None:
    """Print whose shape, colour and background pictures show, by the time of an edit."""
    some, others = pairs(count)
    first, then = captions(some), captions(others)
    print(f"{count} prompts [from:to:when], {options}\nshare that shows the part of from, of to")
    print(f"{'when':8}" + "".join(f"{n:>18}" for n in ("shape", "colour", "background", "both")))
    columns = []
    for when in WHENS:
        prompts = [edited(*each, when) for each in zip(first, then, strict=True)]
        pictures = drawn(model, prompts, prompt_syntax="a1111", **options)
        columns.append(pictures[:SHOWN])
        rows = [parts(*one) for one in zip(pictures, some, others, strict=True)]
        shares = np.mean(rows, 0)  # (3, 2)
        both = np.mean([np.any(row, 0).all() for row in rows])
        cells = "".join(f"{a:>10.0%}{b:>8.0%}" for a, b in shares)
        print(f"{when:<8}{cells}{both:>18.0%}", flush=True)
    grid = [columns[j][i] for i in range(SHOWN) for j in range(len(WHENS))]
    mdx.grid(grid, SHOWN, len(WHENS)).save(path)
    for each in zip(first[:SHOWN], then[:SHOWN], strict=True):
        print(edited(*each, "when"))
    print(path)


def parts(picture: object, scene: Scene, other: Scene) -> list[list[bool]]:
    """For shape, colour and background, whether the picture has that of either scene (3, 2)."""
    found = shapes.read(np.asarray(picture))
    things = [(one.shape, one.colour) for one in found.things] or [(None, None)]
    seen = (*things[0], found.background)
    sides = [(one.things[0].shape, one.things[0].colour, one.background) for one in (scene, other)]
    return [[seen[k] == side[k] for side in sides] for k in range(3)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--edits", action="store_true")
    parser.add_argument("--prompts", type=int, help="[500; 100]")
    parser.add_argument("--model", help="another checkpoint of shapes")
    parser.add_argument("--steps", type=int, help="[10; 20]")
    parser.add_argument("--guidance", type=float, default=7.5)
    given = parser.parse_args()
    model = mdx.load(given.model)
    steps = given.steps or (20 if given.edits else 10)
    options = {"scheduler": "dpmpp_2m", "steps": steps, "guidance": given.guidance}
    if given.edits:
        count = given.prompts or 100
        by_time(model, count - count % min(BATCH, count), options, FIGURE)
        return
    by_weight(model, given.prompts or 500, options)


if __name__ == "__main__":
    main()
