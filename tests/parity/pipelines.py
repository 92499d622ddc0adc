"""Diffusers' pipelines with the noise of mdx's seeds, and how far pictures are apart."""

import sys

import numpy as np
import pytest

import mdx
from tests.generating import apart

CLOSE = 1e-4  # of the largest latent
LEAST = 50  # dB


def run(pipeline, prompts, seeds, shape, clean=None, **asked):
    """Latents (B, C, h, w) and pixels (B, H, W, 3) of a pipeline; all noise is the seeds'.

    It begins with noise of a shape (C, h, w), or with the latents `clean` of pictures.
    """
    import torch

    generators = [np.random.default_rng(seed) for seed in seeds]
    seen = []

    def draw(*_, **__):
        noise = np.stack([one.standard_normal(shape) for one in generators])
        return torch.tensor(noise, dtype=torch.float32)

    def watch(pipeline, step, time, given):
        seen.append(given["latents"].numpy().copy())
        return given

    begin = {"latents": draw()} if clean is None else {"image": torch.tensor(clean)}
    asked = {"output_type": "np", **begin, **asked}
    with pytest.MonkeyPatch.context() as patch:
        for one in (pipeline, pipeline.scheduler):
            patch.setattr(sys.modules[type(one).__module__], "randn_tensor", draw, raising=False)
        pixels = pipeline(prompts, callback_on_step_end=watch, **asked).images
    return seen[-1], pixels


def agree(model, got, expected):
    """Latents, and the pictures that mdx makes of them, are those of `run`."""
    latents, pixels = expected
    assert pixels.std() > 0.05, "the pictures are flat: they would agree whatever mdx did"
    square = np.mean((np.float64(mdx.decode(model, got, output="np")) - pixels) ** 2)
    print(f"latents {apart(got, latents):.1e} apart, pictures {-10 * np.log10(square):.1f} dB")
    assert apart(got, latents) < CLOSE
    assert -10 * np.log10(square) > LEAST
