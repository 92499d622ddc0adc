"""Two models in one run: one begins a picture, and the other one finishes it.

python examples/hand_over.py "a large red circle on a blue background" out.png \
    [--share 0.8] [--model BASE --refiner REFINER]

That is how SDXL's refiner is used: it takes the last fifth of the rows, and the state is handed
over as it is, no noise added. Written twice: as two runs one after the other, between which the
first model could leave memory, and as one run of denoisers that take turns. Both give the same
bits. The packaged checkpoint plays both parts here unless two are named.
"""

import argparse

import numpy as np

import mdx
from mdx import schedulers


def guided(model, prompt, scale):
    """The denoiser of a model for a prompt, moved away from what is not asked for."""
    positive = mdx.encode_prompt(model, prompt)
    negative = mdx.encode_prompt(model, None, negative=True)
    return mdx.guidance.classifier_free(
        mdx.denoiser(model, positive), mdx.denoiser(model, negative), scale
    )


def one_after_the_other(base, refiner, table, noise, first):
    """The latents (1, C, h, w) of two runs: the base has the first rows, the refiner the rest."""
    state = mdx.sample(base, schedulers.take(table, slice(0, first)), noise=noise)
    state = mdx.sample(refiner, table, start=state)  # it goes on from the row where it stands
    return state.slots.asnumpy()[0]


def in_turns(base, refiner, table, noise, first):
    """The latents (1, C, h, w) of one run of both."""
    both = mdx.guidance.turns(base, refiner, ends=[first])
    return mdx.sample(both, table, noise=noise).slots.asnumpy()[0]


def main() -> None:
    """Draw a picture by two models."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("prompt")
    parser.add_argument("output")
    parser.add_argument("--share", type=float, default=0.8, help="of the rows, for the base")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model")
    parser.add_argument("--refiner")
    given = parser.parse_args()
    base = mdx.load(given.model)
    refiner = mdx.load(given.refiner) if given.refiner else base
    table = schedulers.table(schedulers.from_config(base.scheduler, "dpmpp_2m"), given.steps)
    first = round(given.share * table.rows)
    config = base.unet.config
    shape = (1, config.in_channels, config.sample_size, config.sample_size)
    noise = np.random.default_rng(given.seed).standard_normal(shape)
    denoisers = [guided(model, given.prompt, given.guidance) for model in (base, refiner)]
    latents = in_turns(*denoisers, table, noise, first)
    apart = one_after_the_other(*denoisers, table, noise, first)
    print(f"{first} rows by the base, {table.rows - first} by the refiner")
    print(f"one run of both and two runs: {np.abs(latents - apart).max():.1g} apart")
    mdx.decode(refiner, latents)[0].save(given.output)


if __name__ == "__main__":
    main()
