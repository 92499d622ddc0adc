"""Whole SDXL pictures, as diffusers loads and runs the same folder; its faults are at the end."""

import numpy as np
import pytest

import mdx
from mdx import conditioning, encode_prompt, guidance, schedulers
from tests import repositories
from tests.generating import apart
from tests.parity.pipelines import CLOSE, agree, run
from tests.repositories import PIXELS
from tests.repositories_xl import REFINE, RUN

diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:the prompt has")]
STEPS = 5
# A sign that is padding for the second text encoder, and more than 77 ids.
PROMPTS = ["A red cat! on a dog", "the dog's cat, " * 12]
NEGATIVE = ["a dog!!", "red"]
SEEDS = [4, 5]
LATENTS = (4, PIXELS[0] // 8, PIXELS[1] // 8)
SIZES = mdx.Sizes(original=(512, 700), crop=(3, 40), target=(96, 130))
OTHER = mdx.Sizes(original=(90, 33), crop=(20, 1), target=(64, 200))
SIDES = {"height": PIXELS[0], "width": PIXELS[1]}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """From a repository's name to the reference's pipeline and mdx's model."""
    found = {}

    def load(name):
        if name not in found:
            folder = tmp_path_factory.mktemp("repository")
            repositories.write(folder, REFINE if name == "refiner" else RUN[name])
            variant = "fp16" if "fp16" in name else None
            pipeline = diffusers.DiffusionPipeline.from_pretrained(
                folder, variant=variant, torch_dtype=torch.float32, add_watermarker=False
            )
            pipeline.set_progress_bar_config(disable=True)
            found[name] = pipeline, mdx.load(folder, variant=variant)
        return found[name]

    return load


def theirs(pipeline, prompts=PROMPTS, seeds=SEEDS, clean=None, steps=STEPS, **asked):
    """Latents (B, C, h, w) and pixels (B, H, W, 3) of the reference: see `run`."""
    sides = SIDES if clean is None else {}
    return run(
        pipeline, prompts, seeds, LATENTS, clean, num_inference_steps=steps, **sides, **asked
    )


def ours(model, positive=PROMPTS, seeds=SEEDS, **asked):
    asked = {"steps": STEPS, **SIDES, **asked}
    return mdx.generate(model, positive, seed=seeds, output="latent", progress=False, **asked)


def unit_noise():
    return np.stack([np.random.default_rng(seed).standard_normal(LATENTS) for seed in SEEDS])


def told(sizes, prefix=""):
    """Sizes as the reference's arguments."""
    return {
        f"{prefix}original_size": sizes.original,
        f"{prefix}crops_coords_top_left": sizes.crop,
        f"{prefix}target_size": sizes.target,
    }


@pytest.mark.parametrize("name", RUN)
@pytest.mark.parametrize("negative", [None, NEGATIVE], ids=["no negative", "negative"])
def test_pictures(both, name, negative):
    """Two prompts at once, not square; with the guidance that both take where nobody says."""
    pipeline, model = both(name)
    asked = {"guidance_scale": 8.5} if name == "LCM" else {}
    expected = theirs(pipeline, negative_prompt=negative, **asked)
    agree(model, ours(model, negative_prompt=negative), expected)


def test_an_empty_negative_is_encoded(both):
    pipeline, model = both("base")
    expected = theirs(pipeline, negative_prompt=["", ""])
    got = ours(model, negative_prompt="")
    agree(model, got, expected)
    assert apart(ours(model), got) > 100 * CLOSE, "an absent one is zeros"


def test_other_texts_for_the_second_encoder(both):
    pipeline, model = both("base")
    second, away = ["a dog", "red!"], ["cat", "to do"]
    expected = theirs(
        pipeline, prompt_2=second, negative_prompt=NEGATIVE, negative_prompt_2=away
    )  # fmt: skip
    negative = encode_prompt(model, NEGATIVE, negative=True, second=away)
    positive = encode_prompt(model, PROMPTS, second=second)
    agree(model, ours(model, positive, negative_prompt=negative), expected)


def test_sizes_of_all_prompts(both):
    pipeline, model = both("base")
    agree(model, ours(model, sizes=SIZES), theirs(pipeline, **told(SIZES)))


def test_sizes_of_a_negative_prompt(both):
    pipeline, model = both("base")
    prompt, seed = PROMPTS[:1], SEEDS[:1]
    expected = theirs(pipeline, prompt, seed, **told(SIZES), **told(OTHER, "negative_"))
    positive = encode_prompt(model, prompt, sizes=SIZES)
    negative = encode_prompt(model, None, negative=True, sizes=OTHER)
    agree(model, ours(model, positive, seed, negative_prompt=negative), expected)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_turbo_as_it_is_meant(both, scale):
    """One step, no guidance."""
    pipeline, model = both("turbo")
    expected = theirs(pipeline, guidance_scale=scale, steps=1)
    agree(model, ours(model, guidance=scale, steps=1), expected)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_the_guidance_that_a_distilled_network_reads(both, scale):
    pipeline, model = both("LCM")
    agree(model, ours(model, guidance=scale), theirs(pipeline, guidance_scale=scale))


def test_clip_skip(both):
    """The negative prompt is of another layer than the reference's: here it is zeros in both."""
    pipeline, model = both("base")
    positive = encode_prompt(model, PROMPTS, clip_skip=1)
    agree(model, ours(model, positive), theirs(pipeline, clip_skip=1))


# The refiner: by itself, from a picture's latents, and as the second half of a run.


def pictures():
    return np.float32(np.random.default_rng(1).standard_normal((2, *LATENTS)))


@pytest.mark.parametrize("negative", [None, NEGATIVE], ids=["no negative", "negative"])
def test_the_refiner_begins_with_a_picture(both, negative):
    pipeline, model = both("refiner")
    clean = pictures()
    expected = theirs(pipeline, clean=clean, strength=0.6, negative_prompt=negative)
    agree(model, begun(model, clean, negative_prompt=negative), expected)


def test_the_refiner_is_told_sizes_and_scores(both):
    pipeline, model = both("refiner")
    clean = pictures()
    expected = theirs(
        pipeline,
        clean=clean,
        strength=0.6,
        **without_target(told(SIZES)),
        **without_target(told(OTHER, "negative_")),
        aesthetic_score=7.5,
        negative_aesthetic_score=1.25,
    )
    positive = encode_prompt(model, PROMPTS, sizes=SIZES._replace(target=None, aesthetic=7.5))
    negative = OTHER._replace(target=None, aesthetic=1.25)
    negative = encode_prompt(model, ["", ""], negative=True, sizes=negative)
    agree(model, begun(model, clean, positive, negative_prompt=negative), expected)


def without_target(asked):
    return {name: value for name, value in asked.items() if "target" not in name}


def from_picture(pipeline):
    """The reference's pipeline that begins with a picture, of the same parts."""
    found = diffusers.StableDiffusionXLImg2ImgPipeline(**pipeline.components)
    found.set_progress_bar_config(disable=True)
    return found


def begun(model, clean, positive=PROMPTS, **asked):
    """Of pictures' latents with noise added, the rest of a run: strength 0.6 of 5 rows is 3."""
    table = schedulers.table(model.scheduler, STEPS)
    start = schedulers.add_noise(table, 2, clean, unit_noise()).asnumpy()
    rest = schedulers.take(table, slice(2, None))
    return ours(model, positive, scheduler=rest, steps=None, start=start, **asked)


def test_the_base_begins_with_a_picture(both):
    pipeline, model = both("base")
    image = from_picture(pipeline)
    clean = pictures()
    expected = theirs(image, clean=clean, strength=0.6, negative_prompt=NEGATIVE)
    agree(model, begun(model, clean, negative_prompt=NEGATIVE), expected)


def guided(model):
    positive, negative = (
        encode_prompt(model, PROMPTS),
        encode_prompt(model, NEGATIVE, negative=True),
    )
    towards, away = mdx.denoiser(model, positive), mdx.denoiser(model, negative)
    return guidance.classifier_free(towards, away, 5.0)


def test_the_refiner_ends_what_the_base_began(both):
    """In two calls, whose state is handed over as it is; or in one, by denoisers in turns."""
    (base, model), (refiner, finer) = both("base"), both("refiner")
    half = {"negative_prompt": NEGATIVE, "denoising_end": 0.6, "output_type": "latent"}
    between, _ = theirs(base, **half)
    expected = theirs(refiner, clean=between, negative_prompt=NEGATIVE, denoising_start=0.6)
    table = schedulers.table(model.scheduler, STEPS)
    first, second = guided(model), guided(finer)
    state = mdx.sample(first, schedulers.take(table, slice(0, 3)), noise=unit_noise())
    # The reference's samples are divided by the signal's factor.
    assert apart(state.slots.asnumpy()[0] / np.float32(table.alpha[3]), between) < CLOSE
    ended = mdx.sample(second, table, start=state).slots.asnumpy()[0]
    agree(finer, ended, expected)
    turns = guidance.turns(first, second, ends=[3])
    at_once = mdx.sample(turns, table, noise=unit_noise()).slots.asnumpy()[0]
    np.testing.assert_array_equal(at_once, ended)
    parts = schedulers.take(table, slice(0, 3)), schedulers.take(table, slice(3, None))
    joined = mdx.sample(turns, schedulers.concat(*parts), noise=unit_noise()).slots.asnumpy()[0]
    np.testing.assert_array_equal(joined, ended)


# Where the reference is wrong: what it makes is not what mdx makes, which is shown to be right.


def test_sizes_of_negative_prompts_in_a_batch(both):
    """The reference repeats the pair of sizes, and not each of them, for a batch.

    Its rows are negative, positive, negative, positive beside texts of negative, negative,
    positive, positive: with sizes of the negative prompt two pictures at once are others than each
    alone, which are right.
    """
    pipeline, model = both("base")
    sizes = {**told(SIZES), **told(OTHER, "negative_")}
    alone = [
        theirs(pipeline, [prompt], [seed], **sizes)
        for prompt, seed in zip(PROMPTS, SEEDS, strict=True)
    ]
    right = tuple(np.concatenate(parts) for parts in zip(*alone, strict=True))
    positive = encode_prompt(model, PROMPTS, sizes=SIZES)
    negative = conditioning.repeat(encode_prompt(model, None, negative=True, sizes=OTHER), 2)
    agree(model, ours(model, positive, negative_prompt=negative), right)
    wrong, _ = theirs(pipeline, **sizes)
    assert apart(wrong, right[0]) > 100 * CLOSE


def test_the_crop_of_a_negative_prompt(both):
    """The reference's picture to picture gives the negative prompt the crop of the positive one."""
    pipeline, model = both("base")
    image = from_picture(pipeline)
    clean, crop = pictures(), (20, 1)
    asked = {"clean": clean, "strength": 0.6, **told(SIZES)}
    usual, _ = theirs(image, **asked)
    wrong, _ = theirs(image, **asked, negative_crops_coords_top_left=crop)
    np.testing.assert_array_equal(wrong, usual)

    own = image._get_add_time_ids

    def cropped(*given, **options):
        positive, negative = own(*given, **options)
        negative[0, 2:4] = torch.tensor(crop)
        return positive, negative

    image._get_add_time_ids = cropped
    right = theirs(image, **asked)
    positive = encode_prompt(model, PROMPTS, sizes=SIZES)
    negative = encode_prompt(model, None, negative=True, sizes=SIZES._replace(crop=crop))
    negative = conditioning.repeat(negative, 2)
    agree(model, begun(model, clean, positive, negative_prompt=negative), right)
    assert apart(wrong, right[0]) > 100 * CLOSE


def test_clip_skip_of_a_negative_prompt(both):
    """The reference leaves layers out for the positive prompt alone; other programs for both."""
    pipeline, model = both("base")
    wrong, _ = theirs(pipeline, negative_prompt=NEGATIVE, clip_skip=1)
    with torch.no_grad():
        rows, _, pooled, _ = pipeline.encode_prompt(
            NEGATIVE, clip_skip=1, do_classifier_free_guidance=False
        )
    given = {"negative_prompt_embeds": rows, "negative_pooled_prompt_embeds": pooled}
    right = theirs(pipeline, **given, clip_skip=1)
    positive = encode_prompt(model, PROMPTS, clip_skip=1)
    negative = encode_prompt(model, NEGATIVE, negative=True, clip_skip=1)
    agree(model, ours(model, positive, negative_prompt=negative), right)
    assert apart(wrong, right[0]) > 100 * CLOSE
