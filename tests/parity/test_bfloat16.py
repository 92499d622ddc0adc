"""bfloat16 as torch has it: rounding, and what it saves."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import mdx
from mdx import bfloat16, weights

pytestmark = pytest.mark.parity

torch = pytest.importorskip("torch")


def words(tensor):
    return tensor.view(torch.int16).numpy().view(np.uint16)


def check(numbers):
    """Rounded as torch rounds it; NaN has many words."""
    numbers = np.ascontiguousarray(numbers)
    expected, nan = words(torch.from_numpy(numbers).to(torch.bfloat16)), np.isnan(numbers)
    found = bfloat16.rounded(numbers)
    assert_array_equal(found[~nan], expected[~nan])
    assert np.isnan(bfloat16.widened(found[nan])).all()


def test_every_half():
    check(np.arange(1 << 16, dtype=np.uint16).view(np.float16))


def test_float32_of_any_bits():
    random = np.random.default_rng(0)
    bits = random.integers(0, 1 << 32, 1 << 22, np.uint32)
    check(bits.view(np.float32))
    check((bits & 0x007FFFFF).view(np.float32))  # below the normal ones
    check((bits & 0xFFFF0000 | 0x8000).view(np.float32))  # in the middle
    check((bits & 0xFFFF0000 | 0x7FFF).view(np.float32))
    check((bits & 0xFFFF0000 | 0x8001).view(np.float32))
    check((bits >> 16 | 0x7F000000 | bits << 31).view(np.float32))  # the largest


def test_every_word_widens():
    every = np.arange(1 << 16, dtype=np.uint16)
    theirs = torch.from_numpy(every.view(np.int16).copy()).view(torch.bfloat16).float().numpy()
    assert_array_equal(bfloat16.widened(every).view(np.uint32), theirs.view(np.uint32))


def test_torch_rounds_float64_twice():
    """Just above the middle of 1 and the next number: the next is nearest, and torch gives 1."""
    number = np.array([1 + 2**-8 + 2**-40])
    assert_array_equal(bfloat16.widened(bfloat16.rounded(number)), [1 + 2**-7])
    assert torch.from_numpy(number).to(torch.bfloat16).item() == 1


@pytest.mark.parametrize("variant", [None, "bf16"])
def test_a_pipeline_that_diffusers_saved_in_bfloat16(tiny_checkpoint, tmp_path, variant):
    """Read as it lies, and widened; what mdx saves of it torch reads back."""
    diffusers = pytest.importorskip("diffusers")
    safetensors = pytest.importorskip("safetensors.torch")
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        tiny_checkpoint, safety_checker=None
    ).to(torch.bfloat16)
    pipeline.save_pretrained(tmp_path, variant=variant)
    held = mdx.load(tmp_path, dtype="bfloat16")
    wide = mdx.load(tmp_path, variant=variant)
    plain = mdx.load(tiny_checkpoint, dtype="bfloat16")
    for part in ("unet", "vae", "text_encoder"):
        theirs = getattr(pipeline, part).state_dict()
        params = getattr(held, part).params
        assert getattr(held, part).places.keys() == params.keys()
        weights.save(params, tmp_path / "again")
        again = safetensors.load_file(tmp_path / "again")
        for name, value in params.items():
            other = theirs.get(name, theirs.get(name.removeprefix("text_model.")))
            assert_array_equal(bfloat16.array(value), words(other))
            rounded = getattr(plain, part).params[name]
            assert_array_equal(bfloat16.array(rounded), words(other))
            assert_array_equal(getattr(wide, part).params[name].asnumpy(), other.float().numpy())
            assert again[name].dtype == torch.bfloat16
            assert torch.equal(again[name], other)
