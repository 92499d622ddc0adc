"""A picture back to the noise it comes from, and from there to another picture.

python examples/invert.py picture.png "a red circle on a blue background" \
    "a green circle on a blue background" out.png [--steps 50]

The first prompt says what picture.png shows, the second what it should show. DDIM run backwards
(arXiv 2010.02502, section 5.4) finds the noise. Forwards, it gives the picture back with the first
prompt, and with the second another one that begins with the same noise. Writes the three pictures
side by side, and prints how well the first came back.
"""

import argparse

import numpy as np
from PIL import Image

import mdx


def invert(model, latents, prompt, steps):
    """The noise (B, C, h, w) that the sampler would make these latents of."""
    return mdx.generate(
        model, prompt, scheduler="ddim_inverse", steps=steps, guidance=1, start=latents,
        output="latent", progress=False,
    )  # fmt: skip


def draw(model, noise, prompt, steps, guidance=1.0):
    """The latents that DDIM makes of noise."""
    return mdx.generate(
        model, prompt, scheduler="ddim", steps=steps, guidance=guidance, start=noise,
        output="latent", progress=False,
    )  # fmt: skip


def psnr(got, expected):
    """Decibels for pixels in [0, 1]."""
    return float(-10 * np.log10(np.mean((np.float64(got) - expected) ** 2)))


def main() -> None:
    """Invert, give back, edit; print and save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("picture")
    parser.add_argument("shown")
    parser.add_argument("wanted")
    parser.add_argument("output")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--model")
    given = parser.parse_args()
    model = mdx.load(given.model)
    latents = mdx.encode(model, Image.open(given.picture))
    noise = invert(model, latents, given.shown, given.steps)
    back = draw(model, noise, given.shown, given.steps)
    edited = draw(model, noise, given.wanted, given.steps, given.guidance)
    three = np.concatenate([latents, back, edited])
    as_encoded, as_back, _ = mdx.decode(model, three, output="np")
    print(f"given back at {psnr(as_back, as_encoded):.1f} dB")
    mdx.grid(mdx.decode(model, three), 1, 3).save(given.output)


if __name__ == "__main__":
    main()
