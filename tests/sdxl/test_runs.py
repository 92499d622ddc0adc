"""Whole runs of SDXL, its plan, and the command."""

import numpy as np
import pytest

import mdx
from mdx import cli, images
from tests.generating import latents
from tests.repositories_xl import without


def test_text_encoders_may_be_dropped(base):
    positive = mdx.encode_prompt(base, "a red circle")
    negative = mdx.encode_prompt(base, None, negative=True)
    bare = base._replace(text_encoder=None, text_encoder_2=None)
    got = latents(bare, positive, negative_prompt=negative)
    np.testing.assert_array_equal(got, latents(base))
    assert mdx.plan(bare, 16, 16, 1).peak < mdx.plan(base, 16, 16, 1).peak
    for model in (bare, base._replace(text_encoder=None)):
        with pytest.raises(ValueError, match=r"model\.text_encoder is None.*give a mdx\.Cond"):
            mdx.encode_prompt(model, "a red circle")


def test_a_conditioning_of_another_model_is_refused(base, refiner, tiny_checkpoint):
    made = mdx.encode_prompt(refiner, "a")
    with pytest.raises(ValueError, match=r"prompt: context .* must be float32 \(B, any, 40\)"):
        mdx.generate(base, made)
    small = mdx.load(tiny_checkpoint)
    with pytest.raises(ValueError, match="for models of stable_diffusion, and this one is of stab"):
        mdx.generate(base, mdx.encode_prompt(small, "a"))
    arrays = mdx.encode_prompt(base, "a").arrays
    for wrong, words in (
        (without(arrays, "pooled"), "has no pooled"),
        ({**arrays, "pooled": np.ones((1, 13))}, "pooled of the conditioning has 13 values"),
        ({**arrays, "aesthetic": np.ones((1, 1))}, "reads no aesthetic"),
        ({**arrays, "guidance": np.ones(1)}, "reads no guidance"),
    ):
        one = mdx.conditioning.make("stable_diffusion_xl", wrong)
        with pytest.raises(ValueError, match=words):
            mdx.denoiser(base, one)


def test_a_plan_counts_both_text_encoders(base, refiner):
    both, one = (mdx.plan(model, 64, 64, 1) for model in (base, refiner))
    assert [step.name for step in both.steps] == ["text encoder", "UNet", "VAE"]
    assert both.steps[0].weights > one.steps[0].weights
    looked_up = "text_model.embeddings.token_embedding.weight"
    expected = sum(
        param.nbytes
        for net in (base.text_encoder, base.text_encoder_2)
        for name, param in net.params.items()
        if name != looked_up
    )
    assert both.steps[0].weights == expected


def test_the_command_runs_it(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--steps", "2", "--seed", "3", "--model", str(folder)]
    assert cli.main(["a red circle", "-o", "x.png", *options]) == 0
    assert images.read_settings("x.png")["prompts"] == ["a red circle"]
    assert cli.main(["--from", "x.png", "-o", "y.png", "--model", str(folder)]) == 0
    assert (tmp_path / "y.png").read_bytes() == (tmp_path / "x.png").read_bytes()
