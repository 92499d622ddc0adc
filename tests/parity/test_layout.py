"""Folders go both ways: what diffusers saves mdx loads, and what mdx ships diffusers loads."""

import numpy as np
import pytest

import mdx
from mdx import tokenizer

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("shard", ["10GB", "20KB"])
def test_a_pipeline_that_diffusers_saved(tiny_checkpoint, tmp_path, variant, shard):
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    dtype = torch.float16 if variant else torch.float32
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        tiny_checkpoint, safety_checker=None
    ).to(dtype)
    pipeline.save_pretrained(tmp_path, variant=variant, max_shard_size=shard)
    assert (len(list((tmp_path / "unet").glob("*.safetensors"))) > 1) == (shard == "20KB")
    loaded = mdx.load(tmp_path, variant=variant, dtype="float16" if variant else "float32")
    for part in ("unet", "vae", "text_encoder"):
        theirs = getattr(pipeline, part).state_dict()
        for name, value in getattr(loaded, part).params.items():
            other = theirs.get(name, theirs.get(name.removeprefix("text_model.")))
            np.testing.assert_array_equal(value.asnumpy(), other.numpy())
    prompt = ["a red circle!", "unseen words"]
    rows = pipeline.tokenizer(prompt, padding="max_length", max_length=16, truncation=True)
    np.testing.assert_array_equal(tokenizer.encode(loaded.tokenizer, prompt), rows["input_ids"])


def test_a_variant_of_one_part(tiny_checkpoint, tmp_path):
    """diffusers, too, takes the plain files of parts that lack the variant."""
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    load = diffusers.StableDiffusionPipeline.from_pretrained
    pipeline = load(tiny_checkpoint, safety_checker=None)
    pipeline.save_pretrained(tmp_path)
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    pipeline.unet.to(torch.float16).save_pretrained(tmp_path / "unet", variant="fp16")
    theirs = load(tmp_path, variant="fp16", safety_checker=None)
    ours = mdx.load(tmp_path, variant="fp16")
    for part in ("unet", "vae"):
        for name, value in getattr(theirs, part).state_dict().items():
            np.testing.assert_array_equal(getattr(ours, part).params[name].asnumpy(), value.numpy())
