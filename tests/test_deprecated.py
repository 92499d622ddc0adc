"""Old public names: they do what the new ones do, and say so."""

import inspect
import warnings

import numpy as np
import pytest

import mdx
from mdx import inpainting
from mdx.families import StableDiffusion, StableDiffusionXL

RENAMED = {
    "keep_known": (inpainting.known, inpainting.keep_known),
    "downsample_mask": (inpainting.shrunk, inpainting.downsample_mask),
}


@pytest.mark.parametrize("name", RENAMED)
def test_a_renamed_function_says_its_new_name(name):
    old, new = RENAMED[name]
    assert inspect.signature(old) == inspect.signature(new)
    said = f"is deprecated: use mdx.inpainting.{name}"
    with pytest.warns(DeprecationWarning, match=said) as seen, pytest.raises(TypeError):
        old()
    assert seen[0].filename == __file__


def test_a_renamed_function_gives_the_same():
    mask = np.arange(16.0).reshape(4, 4) / 15
    with pytest.warns(DeprecationWarning, match="downsample_mask"):
        got = inpainting.shrunk(mask, factor=2)
    assert (got == inpainting.downsample_mask(mask, 2)).all()


def test_the_model_of_one_family_can_still_be_made():
    parts = [object() for _ in range(5)]
    with pytest.warns(DeprecationWarning, match="use mdx.families.StableDiffusion") as seen:
        made = mdx.Model(*parts)
    assert seen[0].filename == __file__
    assert type(made) is StableDiffusion
    assert made[:5] == tuple(parts)
    with pytest.warns(DeprecationWarning, match="StableDiffusion"):
        assert mdx.Model(*parts[:4], scheduler=parts[4]) == made


def test_the_record_of_any_family_is_a_model():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(StableDiffusion(*[None] * 5), mdx.Model)
        assert isinstance(StableDiffusionXL(*[None] * 7), mdx.Model)
        assert not isinstance((None,) * 5, mdx.Model)
        assert isinstance(None, mdx.Model | None)
