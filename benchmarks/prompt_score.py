"""How often pictures of the shipped checkpoint show what their prompts say, read from their pixels.

python benchmarks/prompt_score.py                 500 prompts, by kind
python benchmarks/prompt_score.py --quality       guidance, precision, a negative prompt
python benchmarks/prompt_score.py --heat-map      samplers by steps -> prompt_scores.png
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import mdx
from mdx import schedulers, shapes

STEPS = (4, 6, 8, 10, 15, 20, 50)
KINDS = {
    "one object, seen": (1, False),
    "two objects, seen": (2, False),
    "one object, unseen": (1, True),
    "two objects, unseen": (2, True),
}
BATCH = 25  # pictures made together; it changes none of them
FIGURE = Path(__file__).with_name("prompt_scores.png")


def scenes(count: int, things: int, unseen: bool, seed: int) -> list[shapes.Scene]:
    """Scenes at random, of combinations that training has seen, or has not."""
    generator = np.random.default_rng([seed, things, unseen])
    found: list[shapes.Scene] = []
    while len(found) < count:
        scene = shapes.random_scene(generator, things)
        if shapes.unseen(scene) == unseen:
            found.append(scene)
    return found


def captions(chosen: list[shapes.Scene]) -> list[str]:
    """Their words; the wordings take turns."""
    return [
        shapes.caption(scene, i % len(shapes.wordings(scene))) for i, scene in enumerate(chosen)
    ]


def drawn(model: mdx.Model, prompts: list[str], **options) -> list:
    """Pictures of the prompts, with seeds 0, 1, 2, ..."""
    found = []
    for first in range(0, len(prompts), BATCH):
        some = prompts[first : first + BATCH]
        found += list(mdx.generate(model, some, seed=first, progress=False, **options))
    return found


def by_kind(model: mdx.Model, count: int, options: dict) -> None:
    """Print the share of right attributes for each of KINDS, and of the halves."""
    scores: dict[str, dict[str, float]] = {}
    chosen: dict[str, list] = {}
    pictures: dict[str, list] = {}
    for name, (things, unseen) in KINDS.items():
        chosen[name] = scenes(count // len(KINDS), things, unseen, 0)
        pictures[name] = drawn(model, captions(chosen[name]), **options)
        scores[name] = shapes.score(pictures[name], chosen[name])
    for half in ("seen", "unseen"):
        names = [name for name in KINDS if name.endswith(" " + half)]
        scores[f"all {half}"] = shapes.score(
            [one for name in names for one in pictures[name]],
            [one for name in names for one in chosen[name]],
        )
    report(f"{count} prompts, {options}", scores)


def report(title: str, scores: dict[str, dict[str, float]]) -> None:
    """Print scores, a line a kind of prompt."""
    columns = list(dict.fromkeys(name for row in scores.values() for name in row))
    print(title)
    print(f"{'':20}" + "".join(f"{name:>11}" for name in columns))
    for name, row in scores.items():
        shown = (f"{row[c]:.1%}" if c in row else "" for c in columns)
        print(f"{name:20}" + "".join(f"{text:>11}" for text in shown))


def quality(model: mdx.Model, count: int, options: dict) -> None:
    """Print what guidance, half precision and a negative prompt do."""
    chosen = [one for things in (1, 2) for one in scenes(count // 2, things, False, 1)]
    words = captions(chosen)
    for scale in (1.0, 2.0, 4.0, 7.5, 12.0):
        found = shapes.score(drawn(model, words, **{**options, "guidance": scale}), chosen)
        print(f"guidance {scale:4}: " + ", ".join(f"{k} {v:.1%}" for k, v in found.items()))
    some = words[:BATCH]
    full = np.float64(drawn(model, some, **options, output="np"))
    half = np.float64(drawn(mdx.load(dtype="float16"), some, **options, output="np"))
    decibels = -10 * np.log10(np.mean((full - half) ** 2, (1, 2, 3)) + 1e-12)
    print(
        f"float16 against float32: {np.median(decibels):.1f} dB, {decibels.min():.1f} at the least"
    )
    plain = ["a large circle on a white background", "a small star on a yellow background"]
    prompts = [plain[i % 2] for i in range(count // 2)]
    for negative in (None, "red", "blue"):
        seen = [shapes.read(np.asarray(one)).things
                for one in drawn(model, prompts, **options, negative_prompt=negative)]  # fmt: skip
        shares = {
            colour: np.mean([any(thing.colour == colour for thing in one) for one in seen])
            for colour in ("red", "blue")
        }
        shown = ", ".join(f"{colour} in {share:.0%}" for colour, share in shares.items())
        print(f"colour left open, negative prompt {negative!r}: {shown}")


def heat_map(model: mdx.Model, count: int, options: dict, path: Path) -> None:
    """Draw the share of pictures with everything right, a row a sampler, a column a step count."""
    chosen = [one for things in (1, 2) for one in scenes(count // 2, things, False, 2)]
    words = captions(chosen)
    # EDM's sampler reads any config, but is for networks that take their input scaled otherwise.
    names = [n for n in schedulers.compatibles(model.scheduler) if n != "EDMEulerScheduler"]
    shares = np.zeros((len(names), len(STEPS)))
    calls = np.zeros(shares.shape, int)
    began = time.time()
    for i, name in enumerate(names):
        for j, steps in enumerate(STEPS):
            scheduler = schedulers.from_config(model.scheduler, name)
            calls[i, j] = schedulers.table(scheduler, steps).rows
            some = drawn(model, words, **{**options, "scheduler": scheduler, "steps": steps})
            shares[i, j] = shapes.score(some, chosen)["all"]
        print(f"{name:32}" + "".join(f"{share:7.0%}" for share in shares[i]), flush=True)
    minutes = (time.time() - began) / 60
    plot(names, shares, calls, f"{count} prompts each, {minutes:.0f} minutes in all", path)


def plot(names: list[str], shares: np.ndarray, calls: np.ndarray, note: str, path: Path) -> None:
    """The figure: shares (S, N) in colour and in numbers, the best sampler on top."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    order = np.argsort(-shares.mean(1))
    figure, axes = plt.subplots(figsize=(8.5, 6), dpi=110, layout="constrained")
    axes.imshow(shares[order], cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(order):
        for j, share in enumerate(shares[row]):
            extra = "" if calls[row, j] == STEPS[j] else f" ({calls[row, j]})"
            colour = "black" if share > 0.55 else "white"
            axes.text(j, i, f"{share:.0%}{extra}", ha="center", va="center", color=colour, size=9)
    axes.set_xticks(range(len(STEPS)), [str(steps) for steps in STEPS])
    axes.set_yticks(range(len(names)), [names[i].removesuffix("Scheduler") for i in order])
    axes.set_xlabel("steps (model calls in brackets where they are another number)")
    axes.set_title(f"Pictures with everything right: {note}", loc="left", size=11)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    figure.savefig(path)
    plt.close(figure)
    print(path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--quality", action="store_true")
    way.add_argument("--heat-map", action="store_true")
    parser.add_argument("--prompts", type=int, help="[500; 100; 24]")
    parser.add_argument("--model", help="another checkpoint of shapes")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=7.5)
    given = parser.parse_args()
    model = mdx.load(given.model)
    options = {"scheduler": "dpmpp_2m", "steps": given.steps, "guidance": given.guidance}
    if given.heat_map:
        heat_map(model, given.prompts or 24, options, FIGURE)
        return
    show: Callable = quality if given.quality else by_kind
    count = 100 if given.quality else 500
    show(model, given.prompts or count, options)


if __name__ == "__main__":
    main()
