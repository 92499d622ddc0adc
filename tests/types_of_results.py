"""What a type checker knows of results: pyright reads this file, and nothing runs it."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

import mdx

if TYPE_CHECKING:
    from typing_extensions import assert_type


def pictures_by_output(model: mdx.Model, latents: NDArray[np.float32], output: str) -> None:
    assert_type(mdx.generate(model, "a circle"), list[Image])
    assert_type(mdx.generate(model, ["a", "b"], steps=2, output="pil"), list[Image])
    assert_type(mdx.generate(model, "a", seed=[1, 2], output="np"), NDArray[np.float32])
    assert_type(mdx.generate(model, "a", output="latent"), NDArray[np.float32])
    assert_type(mdx.generate(model, "a", output=output), list[Image] | NDArray[np.float32])
    mdx.generate(model, "a", step=2)  # pyright: ignore[reportCallIssue]
    assert_type(mdx.decode(model, latents), list[Image])
    assert_type(mdx.decode(model, latents, output="np"), NDArray[np.float32])
    assert_type(mdx.decode(model, latents, output=output), list[Image] | NDArray[np.float32])
    mdx.decode(model, latents, output=3)  # pyright: ignore[reportCallIssue, reportArgumentType]


def values(model: mdx.Model, conditioning: mdx.Conditioning, latents: NDArray[np.float32]) -> None:
    assert_type(mdx.load(), mdx.Model)
    assert_type(mdx.encode_prompt(model, "a circle"), mdx.Conditioning)
    assert_type(mdx.encode_prompt(model, "a circle", rows=2), mdx.Schedule)
    assert_type(mdx.encode(model, latents), NDArray[np.float32])
    drawn = mdx.denoiser(model, conditioning)
    assert_type(drawn, mdx.sampling.Network)
    table = mdx.schedulers.table(model.scheduler, 2)
    assert_type(mdx.sample(drawn, table, noise=latents), mdx.schedulers.State)
