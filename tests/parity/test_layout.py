"""Folders go both ways: what diffusers saves mdx loads, and what mdx ships diffusers loads."""

import numpy as np
import pytest

import mdx

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("shard", ["10GB", "20KB"])
def test_a_pipeline_that_diffusers_saved(tiny_checkpoint, tmp_path, variant, shard):
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    dtype = torch.float16 if variant else torch.float32
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        tiny_checkpoint, safety_checker=None, dtype=dtype, torch_dtype=dtype
    )
    pipeline.save_pretrained(tmp_path, variant=variant, max_shard_size=shard)
    assert (len(list((tmp_path / "unet").glob("*.safetensors"))) > 1) == (shard == "20KB")
    # transformers 5 saves the vocabulary as tokenizer.json alone.
    for file in (tiny_checkpoint / "tokenizer").iterdir():
        (tmp_path / "tokenizer" / file.name).write_bytes(file.read_bytes())
    loaded = mdx.load(tmp_path, variant=variant, dtype="float16" if variant else "float32")
    for part in ("unet", "vae", "text_encoder"):
        theirs = getattr(pipeline, part).state_dict()
        for name, value in getattr(loaded, part).params.items():
            other = theirs.get(name, theirs.get(name.removeprefix("text_model.")))
            np.testing.assert_array_equal(value.asnumpy(), other.numpy())
