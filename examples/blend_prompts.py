"""Between two prompts: a row of pictures from one to the other, from the same noise.

python examples/blend_prompts.py "a large red circle on a blue background" \
    "a large yellow circle on a blue background" out.png [--pictures 7] [--straight]

What a prompt becomes is a value, and values blend: along an arc, which keeps the text encoder's
vectors as long as they were, or on a straight line.
"""

import argparse

import numpy as np

import mdx
from mdx import conditioning


def between(model, begin, end, count, *, spherical=True):
    """The conditioning of `count` pictures, from one prompt to another."""
    a, b = mdx.encode_prompt(model, begin), mdx.encode_prompt(model, end)
    weights = np.linspace(0, 1, count)
    return conditioning.concat(
        *(conditioning.blend(a, b, weight, spherical=spherical) for weight in weights)
    )


def main() -> None:
    """Draw the row."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("begin")
    parser.add_argument("end")
    parser.add_argument("output")
    parser.add_argument("--pictures", type=int, default=7)
    parser.add_argument("--straight", action="store_true", help="blend on a line, not on an arc")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model")
    given = parser.parse_args()
    model, count = mdx.load(given.model), given.pictures
    prompts = between(model, given.begin, given.end, count, spherical=not given.straight)
    # From here on the text encoders are not needed for them: encode_prompt has done their work.
    images = mdx.generate(
        model, prompts, scheduler="dpmpp_2m", steps=given.steps, seed=[given.seed] * count
    )
    mdx.grid(images, 1, count).save(given.output)


if __name__ == "__main__":
    main()
