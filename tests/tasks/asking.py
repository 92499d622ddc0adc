"""Pictures, a mask, and what a call of generate would be, without running it."""

import inspect

import numpy as np
from PIL import Image

import mdx
from mdx import request

# What a call of generate comes to where nobody says.
DEFAULTS = {
    name: one.default
    for name, one in inspect.signature(mdx.generate).parameters.items()
    if one.default is not one.empty
} | {"prompt": "a", "steps": 2, "seed": 0}


def picture(height=16, width=16, seed=0):
    numbers = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(numbers)


def hole(height=16, width=16):
    """White in a rectangle whose edges lie within latents."""
    mask = np.zeros((height, width), np.float32)
    mask[5:11, 6:15] = 1
    return mask


def asked(model, **arguments):
    return request.checked(request.Arguments(model, **DEFAULTS | arguments))


def wider(model, more, **changes):
    """The model with a UNet that reads so many channels more; its weights need not fit."""
    config = model.unet.config._replace(in_channels=4 + more, **changes)
    return model._replace(unet=model.unet._replace(config=config))
