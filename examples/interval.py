"""Guidance in a part of the run only: what it costs, and how right the pictures get.

python examples/interval.py [--prompts 24] [--guidance 7.5]

Guidance doubles the work of a step. Rows outside of the interval (arXiv 2404.07724) are computed
without their negative half, so that guidance in half of the rows is a quarter of the work less.
Prints for each interval the share of pictures of the packaged checkpoint that show all that their
prompts say, and how many times the network was computed for a picture.
"""

import argparse

import numpy as np

import mdx
from mdx import shapes

INTERVALS = [(0, 1), (0, 0.5), (0.25, 0.75), (0.5, 1), (0, 0)]


def prompts(count, seed=0):
    """Captions of scenes at random."""
    generator = np.random.default_rng(seed)
    return [shapes.caption(shapes.random_scene(generator)) for _ in range(count)]


def right(model, texts, guidance, steps=20):
    """The share of pictures that show all that their prompts say."""
    images = mdx.generate(
        model, texts, scheduler="dpmpp_2m", steps=steps, guidance=guidance, seed=0, progress=False
    )
    return shapes.score(images, texts)["all"]


def computed(begin, end, steps):
    """How many times the network is computed for a picture: twice in a row that is guided."""
    return steps + sum(begin <= row / steps < end for row in range(steps))


def main() -> None:
    """Compare intervals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--guidance", type=float, default=7.5)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    model, texts = mdx.load(), prompts(given.prompts)
    for begin, end in INTERVALS:
        guidance = mdx.guidance.interval(given.guidance, begin, end)
        share, calls = right(model, texts, guidance, given.steps), computed(begin, end, given.steps)
        print(f"guided from {begin:.0%} to {end:.0%}: {share:.0%} right, computed {calls} times")


if __name__ == "__main__":
    main()
