"""Short runs of generate() on the tiny checkpoint, and how far apart their ends are."""

import mindspore
import numpy as np
from mindspore import Tensor

import mdx
from mdx import bfloat16, schedulers

# Of the largest value: another batch size makes GEMM sum float32 in another order.
TOLERANCE = 1e-4


def latents(model, prompt="a red circle", **options):
    options = {"steps": 3, "seed": 0, "output": "latent", "progress": False, **options}
    return mdx.generate(model, prompt, **options)


def samplers(model):
    """The names of all samplers for what the model returns: EDM's are for other networks."""
    own, names = schedulers.prediction(model.scheduler), schedulers.compatibles(model.scheduler)
    built = {name: schedulers.from_config(model.scheduler, name) for name in names}
    return [name for name in names if schedulers.prediction(built[name]) == own]


def noise(seed, shape=(1, 4, 8, 8)):
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)


def apart(got, expected):
    """The largest difference, relative to the largest value."""
    return np.abs(got - expected).max() / np.abs(expected).max()


def rounded(model):
    """The model with weights of float32 that are what bfloat16 rounds them to."""

    def changed(net):
        numbers = {
            name: bfloat16.widened(bfloat16.rounded(param.asnumpy()))
            for name, param in net.params.items()
        }
        params = {name: Tensor(array) for name, array in numbers.items()}
        return net._replace(params=mindspore.mutable(params), places={})

    nets = ("text_encoder", "unet", "vae")
    return model._replace(**{part: changed(getattr(model, part)) for part in nets})
