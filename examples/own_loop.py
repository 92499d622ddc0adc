"""The loop of generate(), written out: what to copy when you want another one.

python examples/own_loop.py "a red circle on a blue background" own.png
"""

import sys

import mindspore
import numpy as np
from mdx.guidance import classifier_free
from mindspore import Tensor

import mdx
from mdx import schedulers, tokenizer
from mdx.images import to_pil
from mdx.nets import clip, unet, vae


def main(prompt: str, output: str) -> None:
    """Draw `prompt` with 20 steps of DPM-Solver++ 2M and guidance 7.5, from seed 0."""
    model = mdx.load()

    # Three functions of parameters and arrays; a config is a constant of its graph.
    @mindspore.jit
    def encode(params, ids):
        return clip.apply(model.text_encoder.config, params, ids)[0]

    @mindspore.jit
    def predict(params, x, t, context, scale):
        def denoiser(x, t, context):
            return unet.apply(model.unet.config, params, x, t, {"context": context})

        return classifier_free(denoiser, scale)(x, t, context)

    @mindspore.jit
    def decode(params, latents):
        return vae.decode(model.vae.config, params, latents)

    ids = tokenizer.encode(model.tokenizer, ["", prompt])  # the negative text comes first
    context = encode(model.text_encoder.params, Tensor(ids))
    size, channels = model.unet.config.sample_size, model.unet.config.in_channels
    noise = np.random.Generator(np.random.PCG64(0)).standard_normal((1, channels, size, size))

    table = schedulers.table(schedulers.from_config(model.scheduler, "dpmpp_2m"), 20)
    state = schedulers.init(table, noise)
    guidance = Tensor(np.float32([7.5]))
    for i in range(table.rows):
        # Samplers of models with an input scale of their own have it in table.scale; here it is 1.
        t = Tensor(np.float32([table.t[i]]))
        out = predict(model.unet.params, state.slots[0], t, context, guidance)
        state, _info = schedulers.step(table, state, out)  # _info.x0: the picture it has in mind
    pixels = decode(model.vae.params, state.slots[0]).asnumpy()
    to_pil(pixels)[0].save(output)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
