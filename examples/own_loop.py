"""The loop of generate(), written out: what to copy when you want another one.

python examples/own_loop.py "a red circle on a blue background" own.png
"""

import sys

import numpy as np
from mindspore import Tensor

import mdx
from mdx import schedulers
from mdx.sampling.denoiser import lift, rows


def main(prompt: str, output: str) -> None:
    """Draw `prompt` with 20 steps of DPM-Solver++ 2M and guidance 7.5, from seed 0."""
    model = mdx.load()
    positive = mdx.denoiser(model, mdx.encode_prompt(model, prompt))
    negative = mdx.denoiser(model, mdx.encode_prompt(model, None, negative=True))
    # Made ready for a run: compiled, with what does not change from row to row in its place.
    denoiser = lift(mdx.guidance.classifier_free(positive, negative, 7.5))

    size, channels = model.unet.config.sample_size, model.unet.config.in_channels
    noise = np.random.Generator(np.random.PCG64(0)).standard_normal((1, channels, size, size))
    table = schedulers.table(schedulers.from_config(model.scheduler, "dpmpp_2m"), 20)
    state, carry = schedulers.init(table, noise), denoiser.init(noise.shape)
    for row in rows(table):
        # Samplers of models with an input scale of their own have it in the row; here it is 1.
        x = Tensor(np.float32(row.scale) * state.slots.asnumpy()[0])
        out, carry = denoiser.apply(carry, x, row)
        state, _info = schedulers.step(table, state, out)  # _info.x0: the picture it has in mind
    mdx.decode(model, state.slots.asnumpy()[0])[0].save(output)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
