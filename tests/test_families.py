"""A family that is added as CONTRIBUTING.md says has all that the others have."""

import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import mdx
from mdx import conditioning, families, loading
from mdx.families import StableDiffusion
from tests import made_up, tiny
from tests.generating import latents


@pytest.fixture(autouse=True)
def _listed(monkeypatch):
    """The last step of the page."""
    monkeypatch.setattr(families, "FAMILIES", (*families.FAMILIES, made_up.FAMILY))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_up.write(tmp_path_factory.mktemp("made_up"))


@pytest.fixture
def model(folder):
    return mdx.load(folder)


def test_it_is_loaded_as_its_own(model, folder, tiny_checkpoint):
    assert isinstance(model, made_up.MadeUp)
    assert families.family_of(model) is made_up.FAMILY
    assert isinstance(mdx.load(tiny_checkpoint), StableDiffusion)
    assert repr(model).startswith("MadeUp(\n    words: ")
    assert "painter: " in repr(model)
    half = mdx.load(folder, dtype="float16").painter.params
    assert {str(param.dtype) for param in half.values()} == {"Float16"}
    again = pickle.loads(pickle.dumps(model.painter))
    assert again.config == model.painter.config


def test_what_the_hub_is_asked_for_follows_from_its_parts(folder):
    weights = "diffusion_pytorch_model"
    assert loading._wanted(folder) == {
        "words": None, "reader": "model", "painter": weights, "vae": weights, "scheduler": None,
    }  # fmt: skip


def test_it_draws(model, tmp_path):
    """Guided by its own rule, in latents of its own, and from a conditioning that was saved."""
    drawn = latents(model, ["a red circle", "a"], height=24, width=16)
    assert drawn.shape == (2, 8, 6, 4)
    assert np.isfinite(drawn).all()
    assert mdx.decode(model, drawn, output="np").shape == (2, 24, 16, 3)

    prompt = mdx.encode_prompt(model, ["a red circle", "a"])
    assert prompt.arrays["vector"].shape == (2, 16)
    conditioning.save(prompt, tmp_path / "prompt")
    stored, bare = conditioning.load(tmp_path / "prompt"), model._replace(words=None, reader=None)
    none = conditioning.make("made_up", {"vector": np.zeros((1, 16))})
    options = {"height": 24, "width": 16, "guidance": 3.0}
    again = latents(bare, stored, negative_prompt=none, **options)
    assert np.array_equal(again, drawn)
    assert not np.array_equal(latents(model, ["a red circle"] * 2, **options), drawn)


def test_it_is_planned(model):
    """Its nets are weighed, whatever their folders are called, and latents are a quarter."""
    small, large = mdx.plan(model, 24, 16, 2), mdx.plan(model, 240, 160, 2)
    held = sum(p.nbytes for net in (model.painter, model.vae) for p in net.params.values())
    assert max(step.weights for step in small.steps) > held / 2
    assert large.peak > small.peak
    assert len(small.steps) == 3
    with pytest.raises(ValueError, match="must be multiples of 4, not 18, 16"):
        mdx.plan(model, 18, 16, 2)
    assert "budget" in str(mdx.plan(model, 24, 16, 2, budget="8GB"))


@pytest.mark.parametrize("part", ["words", "reader", "painter", "vae"])
def test_a_part_that_is_missing_is_named(folder, tmp_path, part):
    spoilt = shutil.copytree(folder, tmp_path / "spoilt")
    tiny.change_json(spoilt / "model_index.json", **{part: ...})
    with pytest.raises(ValueError, match=f"has no {part}; mdx runs .*, .* and the made-up"):
        mdx.load(spoilt)


def test_parts_that_do_not_fit_are_named(model, folder, tmp_path):
    spoilt = shutil.copytree(folder, tmp_path / "spoilt")
    tiny.change_json(spoilt / "model_index.json", painter=["diffusers", "FluxTransformer2DModel"])
    with pytest.raises(ValueError, match="a painter of class 'FluxTransformer2DModel', where mdx"):
        mdx.load(spoilt)
    other = conditioning.make("made_up", {"vector": np.ones((1, 17))})
    with pytest.raises(ValueError, match=r"vector of the conditioning must be float32 \(B, 16\)"):
        mdx.denoiser(model, other)
    with pytest.raises(ValueError, match=r"model\.reader is None, which encodes prompts"):
        latents(model._replace(reader=None))
    with pytest.raises(ValueError, match="nothing that the made-up family reads"):
        mdx.encode_prompt(model, "a", clip_skip=1)


def test_the_page_is_the_family():
    """Each block of the page stands in tests/made_up.py, word for word."""
    root = Path(made_up.__file__).parents[1]
    page = (root / "CONTRIBUTING.md").read_text().split("# Adding a family")[1].split("\n# ")[0]
    source = Path(made_up.__file__).read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        assert block.strip() in source, block
