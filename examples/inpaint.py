"""RePaint: part of a picture is kept, the rest is drawn anew to fit it.

python examples/inpaint.py picture.png mask.png "a red circle on a blue background" out.png \
    [--steps 20] [--seed 0]

The mask is white where the picture stays. The run goes up to more noise again from time to time
(arXiv 2201.09865), so that what is drawn comes to fit what is kept; every row of its table is one
model call. The kept part's latents come out bit for bit, its pixels as the autoencoder has them.
"""

import argparse

import numpy as np
from PIL import Image

import mdx
from mdx import inpainting, schedulers
from mdx.nets import vae


def inpaint(model, picture, keep, prompt, *, steps=20, seed=0, guidance=3.0, **jumps):
    """Latents (1, C, h, w) of the picture with what `keep` (H, W) is 0 for drawn anew.

    jumps are RePaint's options jump_length and jump_n_sample.
    """
    jumps = {"jump_length": 4, "jump_n_sample": 3, **jumps}
    known = mdx.encode(model, picture)
    mask = inpainting.downsample_mask(keep, vae.factor(model.vae.config))
    return mdx.generate(
        model,
        prompt,
        scheduler=schedulers.from_config(model.scheduler, "repaint", **jumps),
        steps=steps,
        guidance=guidance,
        seed=seed,
        height=picture.height,
        width=picture.width,
        after=inpainting.keep_known(known, mask, seed=seed),
        output="latent",
        progress=False,
    )


def main() -> None:
    """Inpaint one picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("picture")
    parser.add_argument("mask")
    parser.add_argument("prompt")
    parser.add_argument("output")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model")
    given = parser.parse_args()
    model = mdx.load(given.model)
    picture = Image.open(given.picture)
    keep = np.asarray(Image.open(given.mask).convert("L"), np.float32) / 255
    latents = inpaint(model, picture, keep, given.prompt, steps=given.steps, seed=given.seed)
    mdx.decode(model, latents)[0].save(given.output)


if __name__ == "__main__":
    main()
