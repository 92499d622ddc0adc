"""Pictures, masks and strengths that cannot be are refused by name."""

import re

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx.tasks import pictures
from tests.tasks.asking import asked, hole, picture, wider


def transparent():
    image = picture().convert("RGBA")
    image.putalpha(7)
    return image


ALONE, MASKED = {"image": picture()}, {"image": picture(), "mask": hole()}
REFUSED = {
    "a mask of another size": (MASKED | {"mask": hole(16, 18)}, "mask must have the size of image"),
    "strength above 1": (ALONE | {"strength": 1.01}, "strength must be from 0 to 1"),
    "strength below 0": (ALONE | {"strength": -0.1}, "strength must be from 0 to 1"),
    "no number": (ALONE | {"strength": np.nan}, "strength must be a finite number"),
    "none left": (
        ALONE | {"strength": 0.3, "steps": 3},
        "strength 0.3 of 3 steps is none of them: give 0.3334 or more",
    ),
    "other counts": (ALONE | {"strength": [0.5, 0.5]}, "2 entries of strength for 1 images"),
    "more pictures": ({"image": [picture()] * 2}, "2 entries of image for 1 images"),
    "floats of no meaning": ({"image": Image.new("F", (16, 16))}, "does not say which number is"),
    "pixels beyond 1": ({"image": np.full((16, 16, 3), 255.0)}, "image: pixels must be numbers"),
    "transparent": ({"image": transparent()}, "composite it on a background first"),
    "a transparent mask": (MASKED | {"mask": transparent()}, "mask: a picture is transparent"),
    "an empty mask": (MASKED | {"mask": hole() * 0}, "mask is black everywhere"),
    "a black mask once it is cut": (
        {"image": picture(16, 40), "mask": np.eye(16, 40, dtype=np.float32)[:, ::-1] * 0.0
         + (np.arange(40) > 37), "height": 16, "width": 16},
        "mask is black everywhere that is drawn",
    ),
    "a mask alone": ({"mask": hole()}, "mask is about a picture: give image"),
    "inpaint alone": (ALONE | {"inpaint": mdx.Inpaint()}, "give mask, too"),
    "strength alone": ({"strength": 0.5}, "strength is about a picture"),
    "start, too": (ALONE | {"start": np.zeros((1, 4, 8, 8))}, "image and start exclude each other"),
    "smaller than a latent": (
        {"image": picture(1, 16)}, "image: a height of 1 pixels is less than one latent, 2",
    ),
    "no file": ({"image": "nowhere.png"}, "image: there is no file 'nowhere.png'"),
    "larger than memory": (
        {"image": Image.new("1", (9000, 9000))}, "image ask for 972000000 bytes",
    ),
    "an unknown fill": (MASKED | {"inpaint": mdx.Inpaint(fill="grey")}, "inpaint.fill must be one"),
    "an unknown method": (MASKED | {"inpaint": mdx.Inpaint(method="x1")}, "inpaint.method must be"),
    "a feather of nothing": (MASKED | {"inpaint": mdx.Inpaint(-1)}, "inpaint.feather must be 0"),
    "latents and a mask": (
        MASKED | {"image": np.zeros((1, 4, 8, 8))}, "must be a picture, and not its latents",
    ),
    "latents of another size": (
        {"image": np.zeros((1, 4, 8, 8)), "height": 8}, "are not those of height and width",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input(model, monkeypatch, arguments, words):
    small = {"SC_PHYS_PAGES": 2**14, "SC_PAGE_SIZE": 2**12}
    monkeypatch.setattr("mdx.checks.os.sysconf", small.__getitem__)
    with pytest.raises((ValueError, TypeError, OSError, MemoryError), match=re.escape(words)):
        asked(model, **arguments)


OF_LAYOUTS = {
    "inpainting wants a mask": (5, ALONE, "mask is None, and the checkpoint inpaints"),
    "inpainting wants a picture": (5, {}, "give image and mask"),
    "instructions have no strength": (4, ALONE | {"strength": 0.5}, "strength is not for this"),
    "instructions have no mask": (4, MASKED, "mask is not for this checkpoint"),
    "instructions want a picture": (4, {}, "image is None, and the checkpoint's network reads one"),
    "latents are no picture to read": (
        4, {"image": np.zeros((1, 4, 8, 8))}, "must be a picture, and not its latents",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("more", "arguments", "words"), OF_LAYOUTS.values(), ids=OF_LAYOUTS)
def test_what_does_not_go_with_a_network(model, more, arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        asked(wider(model, more), **arguments)


def test_sixteen_bits_have_a_rule():
    grey = Image.fromarray(np.full((16, 16), 65535, np.uint16))
    [unit] = pictures.pictures("image", grey)
    assert unit.shape == (16, 16, 3)
    assert np.all(unit == 1)
    [mask] = pictures.masks("mask", grey)
    assert mask.shape == (16, 16)
    assert np.all(mask == 1)
