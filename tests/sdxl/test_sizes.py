"""The sizes and scores that SDXL is told: their order, their defaults, whose they are."""

import re

import numpy as np
import pytest

import mdx
from mdx import run_denoiser
from mdx.families.stable_diffusion_xl import Reading, inputs
from mdx.sampling import network
from tests.generating import TOLERANCE, apart, latents

SIZES = mdx.Sizes(original=(512, 700), crop=(3, 40), target=(96, 130))


def test_sizes_that_are_not_read_are_refused(base, refiner):
    with pytest.raises(ValueError, match=r"sizes\.aesthetic is not read .*target size in its"):
        mdx.encode_prompt(base, "a", sizes=mdx.Sizes(aesthetic=6))
    with pytest.raises(ValueError, match=r"sizes\.target is not read .*score in its place"):
        mdx.encode_prompt(refiner, "a", sizes=mdx.Sizes(target=(64, 64)))


NO_SIZES = {
    "a pair": ((64, 64), "sizes must be a mdx.Sizes or None, not "),
    "a fraction": (mdx.Sizes(original=(64.5, 64)), "sizes.original must be"),
    "no height": (mdx.Sizes(target=(0, 64)), "sizes.target must be"),
    "a crop below nothing": (mdx.Sizes(crop=(-1, 0)), "sizes.crop must be"),
    "no crop": (mdx.Sizes(crop=None), "sizes.crop must be two whole numbers, not None"),
    "three numbers": (mdx.Sizes(original=(1, 2, 3)), "sizes.original must be two whole numbers"),
    "no number": (mdx.Sizes(aesthetic=float("nan")), "sizes.aesthetic must be"),
}


@pytest.mark.parametrize("name", NO_SIZES)
def test_what_is_no_size_is_refused_by_its_name(base, name):
    sizes, words = NO_SIZES[name]
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        mdx.encode_prompt(base, "a", sizes=sizes)
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        mdx.generate(base, "a", sizes=sizes)


# What the network reads of sizes: original, crop and target, heights before widths.


IDS = {
    "nothing asked": ("base", {}, [16, 32, 0, 0, 16, 32]),
    "all": ("base", {"sizes": SIZES}, [512, 700, 3, 40, 96, 130]),
    "a crop": ("base", {"sizes": mdx.Sizes(crop=(5, 6))}, [16, 32, 5, 6, 16, 32]),
    "refiner": ("refiner", {}, [16, 32, 0, 0, 6]),
    "refiner, negative": ("refiner", {"negative": True}, [16, 32, 0, 0, 2.5]),
    "refiner, all": (
        "refiner",
        {"sizes": SIZES._replace(target=None, aesthetic=9), "negative": True},
        [512, 700, 3, 40, 9],
    ),
}


@pytest.mark.parametrize("name", IDS)
def test_sizes_are_read_in_their_order(request, name):
    which, asked, expected = IDS[name]
    model = request.getfixturevalue(which)
    made = mdx.encode_prompt(model, ["a", "b"], **asked)
    read = inputs(model)(made, (2, 4, 8, 16))
    assert read["ids"].tolist() == [expected] * 2
    assert {*read} == {"context", "pooled", "ids"}


@pytest.mark.parametrize(
    ("total", "pooled", "numbers"), [(2816, 1280, 6), (2560, 1280, 5), (2816, 1281, None)]
)
def test_a_real_network_reads_six_numbers_or_five(total, pooled, numbers):
    assert Reading(256, total, 8, False).numbers(pooled) == numbers


def test_each_image_of_a_batch_has_its_own_sizes(base):
    """Also where those of the negative prompts differ, which diffusers mixes up."""
    some = [SIZES, mdx.Sizes((20, 90), (7, 0), (64, 33))]

    def encoded(sizes, **asked):
        each = [mdx.encode_prompt(base, "a dog", sizes=one, **asked) for one in sizes]
        return mdx.conditioning.concat(*each)

    positive, negative = encoded(some), encoded(some[::-1], negative=True)
    towards, away = (mdx.denoiser(base, one) for one in (positive, negative))
    guided = mdx.guidance.classifier_free(towards, away, 5.0)
    ids = network.inputs(guided, (2, 4, 8, 8), True)["ids"].asnumpy()
    rows = [[*one.original, *one.crop, *one.target] for one in (*some[::-1], *some)]
    assert ids.tolist() == rows


def test_sizes_are_those_of_a_conditioning_that_has_them(base):
    made = mdx.encode_prompt(base, "a dog", sizes=SIZES)
    with pytest.raises(ValueError, match="sizes are of a prompt, and this one was encoded"):
        mdx.generate(base, made, sizes=SIZES)


def test_sizes_and_prompts_count(base):
    usual = latents(base)
    same = mdx.Sizes(original=(16, 16), target=(16, 16))
    assert apart(latents(base, sizes=same), usual) < TOLERANCE
    assert apart(latents(base, sizes=SIZES), usual) > 10 * TOLERANCE
    assert apart(latents(base, negative_prompt=""), usual) > 10 * TOLERANCE
    assert apart(latents(base, guidance=5.0), usual) == 0, "5 is SDXL's number"


def test_a_negative_is_told_the_sizes_of_what_it_is_the_negative_of(base, refiner, monkeypatch):
    """Whether they come with the text or its conditioning; but not the score that is wanted."""
    seen = []

    def told(model, prompt, **options):
        seen.clear()
        monkeypatch.setattr(run_denoiser, "denoiser", denoiser)
        monkeypatch.setattr(run_denoiser.guiding, "classifier_free", stop)
        with pytest.raises(Stopped):
            mdx.generate(model, prompt, steps=1, seed=0, height=64, width=64, **options)
        return [dict(one.arrays) for one in seen]

    def denoiser(model, one, **_):
        seen.append(one)
        return mdx.denoiser(model, one)

    class Stopped(Exception):
        pass

    def stop(*_):
        raise Stopped

    sizes = mdx.Sizes(original=(32, 48), crop=(4, 8), target=(64, 64))
    for prompt, options in (
        ("a", {"sizes": sizes}),
        (mdx.encode_prompt(base, "a", sizes=sizes), {}),
        (mdx.encode_prompt(base, "a", sizes=sizes), {"negative_prompt": "b"}),
    ):
        positive, negative = told(base, prompt, **options)
        for name in ("original", "crop", "target"):
            assert np.array_equal(positive[name], negative[name]), name
    positive, negative = told(refiner, "a", sizes=mdx.Sizes(aesthetic=9.0))
    assert (positive["aesthetic"].tolist(), negative["aesthetic"].tolist()) == ([[9.0]], [[2.5]])
