"""Old public names: they do what the new ones do, and say so."""

import inspect
import warnings

import numpy as np
import pytest

import mdx
from mdx import inpainting, schedulers
from mdx.families import StableDiffusion, StableDiffusionXL
from mdx.schedulers import testbed

RENAMED = {
    "mdx.inpainting.keep_known": (inpainting.known, inpainting.keep_known),
    "mdx.inpainting.downsample_mask": (inpainting.shrunk, inpainting.downsample_mask),
    "testbed.to_prediction": (testbed.told, testbed.to_prediction),
    "testbed.model_output": (testbed.spoken, testbed.model_output),
    "testbed.required_output": (testbed.answer, testbed.required_output),
    "testbed.exact_model": (testbed.perfect, testbed.exact_model),
}


@pytest.mark.parametrize("name", RENAMED)
def test_a_renamed_function_says_its_new_name(name):
    old, new = RENAMED[name]
    assert inspect.signature(old) == inspect.signature(new)
    said = f"is deprecated: use {name}"
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


def test_the_width_of_a_table_is_its_batch_size():
    table = schedulers.table(schedulers.from_config({}, "ddim"), 2)
    stacked = schedulers.stack([table] * 3)
    with pytest.warns(DeprecationWarning, match="use Table.batch_size"):
        assert stacked.width == stacked.batch_size == 3


@pytest.mark.parametrize(("old", "new"), mdx.step_noise.OLD.items())
def test_noise_between_steps_answers_to_its_old_names(old, new):
    table = schedulers.table(schedulers.from_config({}, "ddpm"), 3)

    def drawn(kind):
        generators = [np.random.default_rng(0)]
        return list(mdx.step_noise.rows(table, generators, (2,), [kind]))

    said = f'use step_noise="{new}"'
    with pytest.warns(DeprecationWarning, match=said):
        assert mdx.step_noise.asked(table, old, 2) == [new] * 2
    with pytest.warns(DeprecationWarning, match=said):
        got = drawn(old)
    for a, b in zip(got, drawn(new), strict=True):
        assert (a is None and b is None) or np.array_equal(a, b)
