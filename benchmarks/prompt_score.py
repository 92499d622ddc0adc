"""How often pictures of the shipped checkpoint show what their prompts say, read from pixels.

python benchmarks/prompt_score.py [--pictures 64] [--steps 20] [--guidance 7.5]
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import mdx
from mdx import shapes

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from shapes import prompts


def main() -> None:
    """Print the share of right shapes, colours and backgrounds, and of pictures that show no more.

    Seeds are 0, 1, 2, ...
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=7.5)
    given = parser.parse_args()
    every = prompts()
    order = np.random.default_rng(0).permutation(len(every))[: given.pictures]
    chosen = [every[i] for i in order]
    pictures = mdx.generate(
        mdx.load(),
        chosen,
        scheduler="dpmpp_2m",
        steps=given.steps,
        guidance=given.guidance,
        seed=0,
    )
    for name, share in shapes.score(pictures, chosen).items():
        print(f"{name:10} {share:.0%} right")


if __name__ == "__main__":
    main()
