"""The references on torch, with random weights: what tests compare mdx with."""

import mindspore
import numpy as np
from mindspore import Tensor


def randomize(module, seed=0):
    """Fill every parameter with seeded noise, norms and biases too, so that none hides a mistake.

    Weights are scaled by their fan-in, so that signals keep their size through deep nets.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(noise / np.sqrt(np.prod(parameter.shape[1:])))
            else:
                parameter.copy_(parameter + 0.1 * noise)
    return module.eval()


def params_of(module, shapes):
    """The module's weights as mdx params; fails where names or shapes differ from `shapes`."""
    state = {name: value.numpy() for name, value in module.state_dict().items()}
    # transformers 5 names CLIPTextModel's weights without the prefix that checkpoints have.
    if "embeddings.token_embedding.weight" in state:
        state = {"text_model." + name: value for name, value in state.items()}
    assert {name: value.shape for name, value in state.items()} == shapes
    return mindspore.mutable({name: Tensor(value) for name, value in state.items()})
