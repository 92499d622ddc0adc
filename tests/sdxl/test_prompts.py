"""What SDXL's two text encoders make of prompts, and of none."""

import numpy as np
import pytest

import mdx
from mdx.families import stable_diffusion_xl


def test_conditioning_has_the_texts_and_their_vector(base, refiner):
    made = mdx.encode_prompt(base, ["a red cat", "a dog"])
    shapes = {name: array.shape for name, array in made.arrays.items()}
    assert shapes == {"context": (2, 77, 40), "pooled": (2, 12)}
    made = mdx.encode_prompt(refiner, "a red cat")
    shapes = {name: array.shape for name, array in made.arrays.items()}
    assert shapes == {"context": (1, 77, 24), "pooled": (1, 12), "aesthetic": (1, 1)}
    assert all(array.dtype == np.float32 for array in made.arrays.values())


def test_the_second_text_is_read_by_the_second_encoder(base):
    both = mdx.encode_prompt(base, ["a red cat", "a dog"])
    mixed = mdx.encode_prompt(base, "a red cat", second="a dog").arrays
    context, pooled = both.arrays["context"], both.arrays["pooled"]
    np.testing.assert_array_equal(mixed["context"][0, :, :16], context[0, :, :16])
    np.testing.assert_array_equal(mixed["context"][0, :, 16:], context[1, :, 16:])
    np.testing.assert_array_equal(mixed["pooled"][0], pooled[1])
    assert np.abs(context[0] - context[1]).max() > 0.01
    with pytest.raises(ValueError, match="second has 2 texts for 1"):
        mdx.encode_prompt(base, "a red cat", second=["a dog", "a cat"])


def test_clip_skip_is_of_both_prompts(base):
    """Two layers: one more to skip are the embeddings, and then there is none."""
    for negative in (False, True):
        usual = mdx.encode_prompt(base, "a dog", negative=negative).arrays
        skipped = mdx.encode_prompt(base, "a dog", negative=negative, clip_skip=1).arrays
        np.testing.assert_array_equal(skipped["pooled"], usual["pooled"])
        assert np.abs(skipped["context"] - usual["context"]).max() > 0.01
    with pytest.raises(ValueError, match="hidden state -4 of a text encoder of 2 layers"):
        mdx.encode_prompt(base, "a dog", clip_skip=2)


@pytest.mark.parametrize(
    ("zeros", "expected"), [(True, True), (None, True), (False, False)], ids=str
)
def test_an_absent_negative_prompt_is_zeros_where_the_index_says_so(base, zeros, expected):
    """The pipeline's default is yes, as of a model that has no index."""
    models = [base._replace(index=base.index._replace(zeros=zeros))]
    if zeros is None:
        models.append(base._replace(index=None))
    for model in models:
        made = mdx.encode_prompt(model, None, negative=True).arrays
        empty = mdx.encode_prompt(model, "", negative=True).arrays
        assert all(np.abs(array).max() > 0.1 for array in empty.values())
        for name, array in made.items():
            right = np.zeros_like(empty[name]) if expected else empty[name]
            np.testing.assert_array_equal(array, right)


def test_zeros_take_no_text_encoder(base, monkeypatch):
    monkeypatch.setattr(stable_diffusion_xl, "clip_rows", None)
    made = mdx.encode_prompt(base, None, negative=True).arrays
    assert {name: array.shape for name, array in made.items()} == {
        "context": (1, 77, 40),
        "pooled": (1, 12),
    }
    assert not any(array.any() for array in made.values())


def test_a_refiner_has_a_score_for_each_half(refiner):
    def score(**asked):
        return mdx.encode_prompt(refiner, ["a", "b"], **asked).arrays["aesthetic"].tolist()

    assert score() == [[6.0], [6.0]]
    assert score(negative=True) == [[2.5], [2.5]]
    assert score(negative=True, sizes=mdx.Sizes(aesthetic=7.25)) == [[7.25], [7.25]]
    # Its UNet says that it reads one, and no index need be there.
    alone = refiner._replace(index=None)
    made = mdx.encode_prompt(alone, "a", negative=True)
    assert made.arrays["aesthetic"].tolist() == [[2.5]]
