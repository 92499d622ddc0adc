"""What weights of words, and prompts that change, do to pictures of the shipped checkpoint.

python benchmarks/prompt_syntax.py            both of these
python benchmarks/prompt_syntax.py --edits    whose parts are seen, by the time of an edit; some of
                                              the pictures are prompt_edits.png
python benchmarks/prompt_syntax.py --weights  the share of right colours by the weight of their word
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from prompt_score import BATCH, captions, drawn, scenes

import mdx
from mdx import shapes, tokenizer
from mdx.shapes import Scene

WEIGHTS = (0.0, 0.5, 1.0, 1.5)
# How each syntax writes a word with a weight.
WRITTEN = {"a1111": "({}:{})", "comfyui": "({}:{})", "compel": "({}){}"}
WHENS = (0.1, 0.2, 0.3, 0.5, 0.7)
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
    usual = share_of(model, words, chosen, "plain", options)
    for syntax in WRITTEN:
        shares, errors = [], []
        print(f"{syntax:10}", end="", flush=True)
        for weight in WEIGHTS:
            both = zip(chosen, words, strict=True)
            prompts = [weighed(*pair, weight, syntax) for pair in both]
            # At 1 the conditioning is that of the text, bit for bit.
            share = usual if weight == 1 else share_of(model, prompts, chosen, syntax, options)
            shares.append(share)
            errors.append(np.sqrt(share * (1 - share) / count))
            print(f"{share:>8.1%} ±{errors[-1]:4.1%}", end="", flush=True)
        least = min(
            (shares[i + 1] - shares[i]) / max(np.hypot(errors[i], errors[i + 1]), 1 / count)
            for i in range(WEIGHTS.index(1.0))
        )
        print(f"   least rise up to 1: {least:.1f} standard errors", flush=True)
    own = [own_share(model, one, other) for one, other in combinations(shapes.COLOURS, 2)]
    shares = f"{min(own):.1%} to {max(own):.1%}"
    print(f"a colour's own tokens have {shares} of what tells it from another")


def own_share(model: mdx.Model, colour: str, other: str) -> float:
    """Of the squared distance of two texts, the share of the tokens in which they differ."""
    texts = [f"a large {one} circle on a white background" for one in (colour, other)]
    first, second = tokenizer.encode(model.tokenizer, texts)
    context = np.float64(mdx.encode_prompt(model, texts).arrays["context"])
    apart = np.square(context[0] - context[1]).sum(-1)
    return apart[first != second].sum() / apart.sum()


def share_of(
    model: mdx.Model, prompts: list[str], chosen: list[Scene], syntax: str, options: dict
) -> float:
    """How many pictures of the prompts have the colour that is meant."""
    pictures = drawn(model, prompts, prompt_syntax=syntax, **options)
    return shapes.score(pictures, chosen)["colour"]


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
    parser.add_argument("--weights", action="store_true")
    parser.add_argument("--prompts", type=int, default=500, help="of weights; a fifth for edits")
    parser.add_argument("--model", help="another checkpoint of shapes")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--guidance", type=float, default=7.5)
    given = parser.parse_args()
    model = mdx.load(given.model)
    options = {"scheduler": "dpmpp_2m", "steps": given.steps, "guidance": given.guidance}
    if given.edits or not given.weights:
        # As many as batches hold, and rows enough for edits to lie between.
        count = max(given.prompts // 5 // BATCH, 1) * BATCH
        by_time(model, count, options | {"steps": 2 * given.steps - 2}, FIGURE)
    if given.weights or not given.edits:
        by_weight(model, given.prompts, options)


if __name__ == "__main__":
    main()
