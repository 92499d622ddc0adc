"""Compile and run a checkpoint's graphs on the CPU as Ascend would get them; see test_ascend.py.

Flash attention alone has no CPU kernel: its place is taken by the lowering on rows, which Ascend
uses too where the dtype or the head size does not fit. Of bfloat16 a CPU has hardly any kernels:
those graphs are traced and not run, and the output is the files of them.

    python -m tests.ascend_graphs CHECKPOINT DTYPE OUTPUT.npz
"""

import sys
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor

import mdx
from mdx import bfloat16, kernels, latents, schedulers
from mdx.kernels import device
from mdx.nets import clip, layers, resnet, unet, vae
from mdx.nets.resnet import Resnet
from mdx.sampling import network, staged
from tests import tiny


def inputs():
    """Latents, noise, a picture and tokens, always the same."""
    random = np.random.default_rng(0)
    x = random.standard_normal((1, 4, 9, 6)).astype(np.float32)
    noise = Tensor(random.standard_normal((1, 4, 9, 6)).astype(np.float32))
    images = Tensor(np.tanh(random.standard_normal((1, 3, 18, 12))).astype(np.float32))
    return x, noise, images, Tensor(random.integers(0, 500, (2, 16)).astype(np.int32))


def functions(model):
    """What the model's graphs are made of."""

    def encode_text(params, ids):
        return clip.apply(model.text_encoder.config, params, ids)

    def predict(params, x, t, context, scale):
        x, t = staged.doubled(x, t)
        both = unet.apply(model.unet.config, params, x, t, {"context": context})
        return staged.combined(both, scale)

    def encode(params, images, noise):
        mean, log_variance = vae.encode(model.vae.config, params, images)
        return vae.sample(model.vae.config, mean, log_variance, noise)

    def decode(params, latents):
        return vae.decode(model.vae.config, params, latents)

    return encode_text, predict, encode, decode


def trace(model, folder):
    """Write each of the model's graphs into a folder, of bfloat16 say."""
    encode_text, predict, encode, decode = functions(model)
    x, noise, images, ids = inputs()
    context = Tensor(np.zeros((2, 16, model.text_encoder.config.hidden_size), np.float32))
    unet, t, scale = model.unet.params, Tensor(np.float32([500])), Tensor(np.float32([7.5]))
    block = Resnet("mish", 4, 1e-5, scale_shift=True)
    numbers = tiny.random_params(resnet.shapes("block", block, 8, 8, 16)).items()
    params = {name: bfloat16.tensor(bfloat16.rounded(value)) for name, value in numbers}

    def other_kinds(params, x, embedding):
        weight = params["block.conv1.weight"]
        x, embedding = kernels.as_input(x, weight), kernels.as_input(embedding, weight)
        found = (resnet.apply(block, params, "block", x, embedding, 2.0),)
        for kind in layers.ACTIVATIONS:
            found = (*found, layers.activation(kind, x))
        return found

    maps, embedding = np.zeros((1, 8, 4, 4), np.float32), np.zeros((1, 16), np.float32)
    for function, arguments in (
        (other_kinds, (mindspore.mutable(params), Tensor(maps), Tensor(embedding))),
        (encode_text, (model.text_encoder.params, ids)),
        (predict, (unet, Tensor(x), t, context, scale)),
        (encode, (model.vae.params, images, noise)),
        (decode, (model.vae.params, noise)),
    ):
        file = str(folder / function.__name__)
        mindspore.export(function, *arguments, file_name=file, file_format="MINDIR")


def outputs(model):
    """What every graph of the model returns for fixed inputs, by name.

    Those of the UNet, the decoder and the loop are generate's own, at sizes of other tests: on the
    CPU path they are there already.
    """
    plain_text, _, plain_encode, _ = functions(model)
    encode_text, encode = mindspore.jit(plain_text), mindspore.jit(plain_encode)
    length = mdx.Memory().part_bytes
    predict = network._in_one_call(model.unet.config, True, length)
    decode = latents._decoder(model.vae.config, length)
    x, noise, images, ids = inputs()
    hidden, pooled = encode_text(model.text_encoder.params, ids)
    t, scale = Tensor(np.float32([500])), Tensor(np.float32([7.5]))
    conditioning = mindspore.mutable({"context": hidden})
    out = predict(model.unet.params, Tensor(x), t, conditioning, scale)
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
    loop = mdx.generate(model, "a", one_graph=True, steps=2, seed=0, output="latent")
    return {"loop": loop, **{name: value.asnumpy() for name, value in found.items()}}


if __name__ == "__main__":
    checkpoint, dtype, output = sys.argv[1:]
    device.lowering = lambda: device.ASCEND._replace(attention=(device.Attention("rows"),))
    if dtype == "bfloat16":
        trace(mdx.load(checkpoint, dtype=dtype), Path(output).parent)
    else:
        np.savez(output, **outputs(mdx.load(checkpoint, dtype=dtype)))
