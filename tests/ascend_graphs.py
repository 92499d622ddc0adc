"""Compile and run a checkpoint's graphs on the CPU as Ascend would get them; see test_ascend.py.

Flash attention alone has no CPU kernel: its place is taken by the lowering on rows, which Ascend
uses too where the dtype or the head size does not fit.

    python -m tests.ascend_graphs CHECKPOINT DTYPE OUTPUT.npz
"""

import sys

import mindspore
import numpy as np
from mindspore import Tensor

import mdx
from mdx import schedulers
from mdx.kernels import device
from mdx.nets import clip, unet, vae
from mdx.sampling import staged


def outputs(model):
    """What every graph of the model returns for fixed inputs, by name."""
    random = np.random.default_rng(0)
    x = random.standard_normal((1, 4, 9, 6)).astype(np.float32)
    noise = Tensor(random.standard_normal((1, 4, 9, 6)).astype(np.float32))
    images = Tensor(np.tanh(random.standard_normal((1, 3, 18, 12))).astype(np.float32))
    ids = Tensor(random.integers(0, 500, (2, 16)).astype(np.int32))

    @mindspore.jit
    def encode_text(params, ids):
        return clip.apply(model.text_encoder.config, params, ids)

    @mindspore.jit
    def predict(params, x, t, context, scale):
        x, t = staged.doubled(x, t)
        both = unet.apply(model.unet.config, params, x, t, {"context": context})
        return staged.combined(both, scale)

    @mindspore.jit
    def encode(params, images, noise):
        mean, log_variance = vae.encode(model.vae.config, params, images)
        return vae.sample(model.vae.config, mean, log_variance, noise)

    @mindspore.jit
    def decode(params, latents):
        return vae.decode(model.vae.config, params, latents)

    hidden, pooled = encode_text(model.text_encoder.params, ids)
    t, scale = Tensor(np.float32([500])), Tensor(np.float32([7.5]))
    out = predict(model.unet.params, Tensor(x), t, hidden, scale)
    table = schedulers.table(model.scheduler, 3)
    state, info = schedulers.step(table, schedulers.init(table, x), out)
    found = {
        "hidden": hidden,
        "pooled": pooled,
        "unet": out,
        "latents": encode(model.vae.params, images, noise),
        "picture": decode(model.vae.params, noise),
        "slots": state.slots,
        "x0": info.x0,
    }
    # The whole loop as one graph, and the text encoder at its batch of one.
    loop = mdx.generate(
        model, "a", one_graph=True, steps=2, seed=0, height=18, width=12, output="latent"
    )
    return {"loop": loop, **{name: value.asnumpy() for name, value in found.items()}}


if __name__ == "__main__":
    checkpoint, dtype, output = sys.argv[1:]
    device.lowering = lambda: device.ASCEND._replace(attention=(device.Attention("rows"),))
    np.savez(output, **outputs(mdx.load(checkpoint, dtype=dtype)))
