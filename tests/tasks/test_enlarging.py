"""Outpainting, hires and upscaling, and plans that count the VAE's encoder."""

import numpy as np
import pytest

import mdx
from mdx import enlarging
from mdx.enlarging import between
from mdx.tasks import pictures
from tests.generating import latents
from tests.tasks.asking import asked, picture


def test_margins():
    image, mask = mdx.outpaint(picture(6, 10), (1, 2, 3, 4))
    assert image.size == mask.size == (14, 12)
    np.testing.assert_array_equal(np.asarray(image)[2:8, 1:11], np.asarray(picture(6, 10)))
    white = np.full((12, 14), 255)
    white[2:8, 1:11] = 0
    np.testing.assert_array_equal(np.asarray(mask), white)
    assert mdx.outpaint(picture(6, 10), 2)[0].size == (14, 10)
    for margins, words in [((1, 2, 3), "left, top, right and bottom"), (0, "0 on all sides"),
                           ((0, -1, 0, 0), "must be 0 or more")]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            mdx.outpaint(picture(), margins)


def test_latents_in_between():
    """As a linear interpolation between pixels' centres: that of torch, align_corners False."""
    ramp = np.arange(4, dtype=np.float32).reshape(1, 1, 4, 1) * np.ones((1, 2, 1, 3), np.float32)
    np.testing.assert_allclose(
        between(ramp, 8, 3)[0, 1, :, 2], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], atol=1e-6
    )
    np.testing.assert_array_equal(between(ramp, 4, 3), ramp)


def test_large_pictures_are_two_runs(model):
    """The second begins with what the first drew, larger."""
    first = latents(model, steps=2)
    second = latents(model, image=between(first, 8, 12), strength=0.5, steps=2)
    run = {"strength": 0.5, "steps": 2, "seed": 0, "output": "latent", "progress": False}
    got = mdx.hires(model, "a red circle", size=(16, 24), **run)
    np.testing.assert_array_equal(got, second)
    assert enlarging._size(1.5, (4, 8, 10), 2) == (24, 30)
    pixels = mdx.decode(model, first, output="np")[0]
    large = [pictures.resized(pixels, 16, 24)]
    again = latents(model, image=large, strength=0.5, steps=2)
    by_pixels = mdx.hires(model, "a red circle", size=(16, 24), upscale="pixels", **run)
    np.testing.assert_array_equal(by_pixels, again)
    for wrong, words in [({"size": 1}, "size must be a factor above 1"),
                         ({"size": (9, 24)}, "height must be a multiple of 2"),
                         ({"size": 2, "upscale": "no"}, "upscale must be one of latent, pixels"),
                         ({"size": 2, "image": picture()}, "image is not for hires")]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            mdx.hires(model, "a", **run | wrong)


def test_the_upscaler_is_a_checkpoint_of_its_own(model):
    with pytest.raises(ValueError, match="model is no upscaler"):
        mdx.upscale(model, "a", picture())


def test_plans_count_the_encoder(model):
    plain, encoding = mdx.plan(model, 16, 16, 1), mdx.plan(model, 16, 16, 1, image=True)
    assert [step.name for step in encoding.steps][1] == "VAE's encoder"
    assert encoding.peak > plain.peak
    assert asked(model, image=picture(), memory="2GB").memory == encoding.memory
