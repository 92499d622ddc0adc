"""Pictures made of pictures: where runs begin, what is kept, what is refused."""

import inspect
import re

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import conditioning, enlarging, families, inpainting, request, schedulers
from mdx.enlarging import between
from mdx.families import channels
from mdx.sampling import kept
from mdx.sampling.guidance import Instructed
from mdx.tasks import feather, filling, inpaint, pictures
from tests import repositories
from tests.generating import TOLERANCE, apart, latents, noise, samplers

# What a call of generate comes to where nobody says.
DEFAULTS = {
    name: one.default
    for name, one in inspect.signature(mdx.generate).parameters.items()
    if one.default is not one.empty
} | {"prompt": "a", "steps": 2, "seed": 0}
BESIDE = 1e-5  # what float32 leaves of a kept latent


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


def picture(height=16, width=16, seed=0):
    numbers = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(numbers)


def hole(height=16, width=16):
    """White in a rectangle whose edges lie within latents."""
    mask = np.zeros((height, width), np.float32)
    mask[5:11, 6:15] = 1
    return mask


def asked(model, **arguments):
    return request.checked(request.Arguments(model, **DEFAULTS | arguments))


# Image to image


def begun(model, image, left, steps=4, seed=0):
    """A run's beginning by hand: a picture's latents with noise, and the table of what is left."""
    table = schedulers.table(model.scheduler, steps, start=steps - left)
    start = schedulers.add_noise(table, 0, mdx.encode(model, image), noise(seed)).asnumpy()
    return {"scheduler": table, "start": start, "steps": None, "seed": seed}


def test_a_picture_is_where_the_run_begins(model):
    """The mean of its latents, and the seed's noise; of N steps the last int(N strength)."""
    expected = latents(model, **begun(model, picture(), 3))
    run = {"image": picture(), "steps": 4}
    got = latents(model, **run)
    np.testing.assert_array_equal(got, expected)
    for same in (mdx.encode(model, picture()), np.asarray(picture()), np.asarray(picture()) / 255):
        np.testing.assert_array_equal(latents(model, **run | {"image": same}), expected)
    np.testing.assert_array_equal(latents(model, one_graph=True, **run), expected)


def test_strengths_and_pictures_one_an_image(model, tmp_path):
    """Each is as it is alone, whatever the batch; a path is a picture."""
    others = [picture(seed=1), picture(seed=0)]
    others[1].save(tmp_path / "x.png")
    each = {"image": [others[0], tmp_path / "x.png"], "strength": [0.5, 1.0], "steps": 4}
    together = latents(model, ["a", "a"], seed=[3, 0], **each)
    apiece = latents(model, ["a", "a"], seed=[3, 0], batch=1, **each)
    first = latents(model, "a", seed=3, image=others[0], strength=0.5, steps=4)
    second = latents(model, "a", seed=0, image=others[1], strength=1.0, steps=4)
    np.testing.assert_array_equal(apiece, np.concatenate([first, second]))
    assert apart(together, apiece) < TOLERANCE


@pytest.mark.parametrize(
    ("steps", "strength", "left"), [(100, 0.29, 28), (50, 0.58, 28), (4, 1, 4)]
)
def test_strength_counts_as_the_reference_does(model, steps, strength, left):
    scheduler = schedulers.from_config(model.scheduler, "ddim")
    [one] = asked(
        model, image=picture(), strength=strength, steps=steps, scheduler=scheduler
    ).requests
    assert (one.table.rows, one.rows) == (left, [left])


def test_every_sampler_begins_late(model):
    """Its table is built from there: no history is missing."""
    for name in samplers(model):
        if "Inverse" in name:
            with pytest.raises(ValueError, match="goes from a picture to its noise"):
                asked(model, image=picture(), scheduler=name, steps=10)
            continue
        [one] = asked(model, image=picture(), scheduler=name, steps=10, strength=0.45).requests
        whole = schedulers.table(schedulers.from_config(model.scheduler, name), 10, start=6)
        assert one.table == schedulers.pad(whole, one.table.slots), name


def test_a_table_has_its_last_rows_run(model):
    table = schedulers.table(schedulers.from_config(model.scheduler, "ddim"), 10)
    [one] = asked(model, image=picture(), scheduler=table, steps=None, strength=0.35).requests
    assert one.rows == [3]
    several = schedulers.table(schedulers.from_config(model.scheduler, "dpmpp_2m"), 10)
    with pytest.raises(ValueError, match=r"last 3 rows are no run of their own .*give a Scheduler"):
        asked(model, image=picture(), scheduler=several, steps=None, strength=0.35)
    [one] = asked(model, image=picture(), scheduler=several, steps=None, strength=1).requests
    assert one.rows == [10]


def test_sizes(model):
    """Its own, rounded down; or as asked: scaled to cover, and cut at the centre."""
    assert asked(model, image=picture(33, 20)).requests[0].shape == (4, 16, 10)
    assert asked(model, image=picture(33, 20), height=8).requests[0].shape == (4, 4, 10)
    some = asked(model, image=picture(33, 20), height=40, width=40).task
    assert [one.shape for one in some.pixels] == [(40, 40, 3)]
    with pytest.raises(ValueError, match=r"several sizes, \[\(16, 16\), \(16, 20\)\]: give height"):
        asked(model, prompt=["a", "b"], image=[picture(), picture(20)])
    fit = asked(model, prompt=["a", "b"], image=[picture(), picture(20)], height=16, width=16)
    assert len(fit.task.pixels) == 2


def test_what_covers_is_cut_at_the_centre():
    pixels = np.float32(np.random.default_rng(0).random((10, 8, 3)))
    np.testing.assert_array_equal(pictures.fitted(pixels, 6, 8), pixels[2:8])
    np.testing.assert_array_equal(pictures.fitted(pixels, 10, 5), pixels[:, 1:6])
    half = pictures.fitted(pixels, 4, 4)
    by_pil = Image.fromarray(np.ascontiguousarray(pixels[..., 0])).resize(
        (4, 4), Image.Resampling.LANCZOS, (0, 1, 8, 9)
    )
    np.testing.assert_array_equal(half[..., 0], np.clip(np.asarray(by_pil), 0, 1))
    mask = np.zeros((10, 8), np.float32)
    mask[3:7, 2:5] = 1
    assert pictures.hard(pictures.fitted(mask, 23, 17))


# Inpainting

CLEAN = np.float32(np.random.default_rng(7).standard_normal((1, 4, 8, 8)))
DRAWS = np.zeros((1, 1, 8, 8), np.float32)
DRAWS[..., 2:6, 3:] = 1
STAYS = np.broadcast_to(DRAWS == 0, CLEAN.shape)


def crude(x, t):
    """A denoiser of no sense: what it says of kept latents must not matter."""
    return np.float32(np.tanh(x) + 0.3 * np.cos(t).reshape(-1, 1, 1, 1))


def followed(table, prediction):
    """The latents of a run with a kept part at every level, and its line there."""
    fresh = noise(1)
    rows = list(mdx.step_noise.rows(table, [np.random.default_rng(2)], (4, 8, 8), ["independent"]))
    seen = []
    start = schedulers.add_noise(table, 0, CLEAN, fresh).asnumpy()
    keeps = kept.keeping(crude, CLEAN, fresh, DRAWS, prediction=prediction)
    mdx.sample(
        keeps, table, start=start, step_noise=rows, progress=False,
        callback=lambda row, state, info: seen.append(state.slots.asnumpy()[0]),
    )  # fmt: skip
    lines = [schedulers.add_noise(table, i + 1, CLEAN, fresh).asnumpy() for i in range(table.rows)]
    return seen, lines


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_what_is_kept_stays_on_its_line(model, prediction):
    """At every row of every sampler that adds no noise; others end with the picture."""
    scheduler = schedulers.from_config({**model.scheduler.config, "clip_sample": False}, "ddim")
    names = samplers(model) if prediction == "epsilon" else ["ddim", "heun", "dpmpp_2m", "unipc"]
    counted = 0
    for name in names:
        own = schedulers.from_config(scheduler, name)
        if "prediction_type" in own.config:
            own = schedulers.from_config(own, name, prediction_type=prediction)
        table = schedulers.table(own, 6, start=1)
        if table.sigma[0] < table.sigma[-1] or table.slots > 6 or table.reads_variance(0):
            continue
        seen, lines = followed(schedulers.pad(table, 6), prediction)
        for got, line in zip(seen, lines, strict=True):
            if not table.stochastic:
                np.testing.assert_allclose(got[STAYS], line[STAYS], atol=BESIDE, err_msg=name)
                assert np.abs(got - line)[~STAYS].max() > 0.01, name
        if table.sigma[-1] == 0:
            np.testing.assert_allclose(seen[-1][STAYS], CLEAN[STAYS], atol=BESIDE, err_msg=name)
        counted += 1
    assert counted > 0.7 * len(names)


def test_the_network_is_shown_what_is_kept():
    """Whatever noise a sampler added there."""
    shown = []
    table = schedulers.table(schedulers.from_config({}, "ddpm"), 4)
    fresh = noise(1)

    def watching(x, t):
        shown.append(x)
        return crude(x, t)

    keeps = kept.keeping(watching, CLEAN, fresh, DRAWS, prediction="epsilon")
    rows = list(mdx.step_noise.rows(table, [np.random.default_rng(2)], (4, 8, 8), ["independent"]))
    mdx.sample(keeps, table, noise=fresh, step_noise=rows, progress=False)
    for i, x in enumerate(shown):
        line = schedulers.add_noise(table, i, CLEAN, fresh).asnumpy() * table.scale[i]
        np.testing.assert_allclose(x[STAYS], line[STAYS], atol=BESIDE)


def test_grey_is_drawn_in_its_share_of_the_rows():
    draws = np.array([0, 0.25, 0.5, 1])
    ends = np.array([4])
    kept_rows = [inpainting.kept_at(draws, row, ends).ravel().tolist() for row in range(5)]
    assert kept_rows == [
        [True, True, True, False],
        [True, True, True, False],
        [True, True, False, False],
        [True, False, False, False],
        [True, False, False, False],
    ]


@pytest.mark.parametrize("method", ["x0", "steps"])
def test_pixels_outside_the_mask_come_back_exact(model, method):
    mask, image = hole(), picture()
    run = {"image": image, "mask": mask, "steps": 3, "seed": 0, "progress": False}
    [got] = mdx.generate(model, "a", inpaint=mdx.Inpaint(method=method), **run)
    changed = np.any(np.asarray(got) != np.asarray(image), axis=-1)
    assert not changed[mask == 0].any()
    assert changed[mask == 1].mean() > 0.95
    half = mdx.generate(
        model, "a", inpaint=mdx.Inpaint(method=method, feather=2), output="np", **run
    )
    unit = np.asarray(image, np.float32) / 255
    np.testing.assert_array_equal(half[0][mask == 0], unit[mask == 0])


def test_a_part_of_a_large_picture(model):
    """Around the mask, drawn at the model's size; pixels outside the mask are exact there, too."""
    image, mask = picture(70, 50), np.zeros((70, 50), np.float32)
    mask[30:37, 20:30] = 1
    only = mdx.Inpaint(only_masked=3)
    run = asked(model, image=image, mask=mask, inpaint=only)
    assert run.task.regions == [inpaint.Region(17, 25, 33, 41)]
    assert run.task.pixels[0].shape == (16, 16, 3)
    [got] = mdx.generate(
        model, "a", image=image, mask=mask, inpaint=only, steps=2, seed=0, progress=False
    )
    changed = np.any(np.asarray(got) != np.asarray(image), axis=-1)
    assert got.size == image.size
    assert not changed[mask == 0].any()
    assert changed[mask == 1].mean() > 0.95


def test_where_regions_lie():
    mask = np.zeros((40, 60), np.float32)
    mask[0:4, 50:60] = 1
    assert inpaint.region(mask, 2, (16, 16)) == (48, 0, 60, 12)
    assert inpaint.region(np.ones((40, 60)), 9, (16, 16)) == (0, 0, 60, 40)
    assert inpaint.region(mask, 0, (16, 64)) == (44, 0, 60, 4)


def test_feathers_lie_within_the_mask():
    mask = hole(24, 24)
    mask[:8, :] = 1  # up to the border, which is no edge
    covers = feather.cover(mask, 2)
    assert np.all(covers[mask == 0] == 0)
    assert np.all(covers[0] == 1)
    assert covers.max() == 1
    assert 0 < covers[7, 0] < covers[6, 0] < 1
    np.testing.assert_array_equal(feather.cover(mask, 0), mask)


def test_holes_are_filled_from_around():
    pixels = np.zeros((9, 11, 3), np.float32)
    pixels[:, 6:] = (1, 0.5, 0.25)
    whole = np.zeros((9, 11), bool)
    whole[2:7, 3:8] = True
    full = filling.filled(pixels, whole)
    np.testing.assert_array_equal(full[~whole], pixels[~whole])
    assert full[whole].min() >= 0
    assert full[whole].max() <= 1
    assert full[4, 3, 0] < full[4, 7, 0]
    assert np.all(filling.filled(pixels, np.ones((9, 11), bool)) == 0.5)


FILLS = {"original": 0, "blur": 1, "noise": 2}


def test_what_is_under_the_noise(model):
    """At a strength below 1 the picture, its surroundings, or nothing; at 1 nothing in any case."""
    run = {"image": picture(), "mask": hole(), "steps": 2}
    ends = [latents(model, strength=0.5, inpaint=mdx.Inpaint(fill=fill), **run) for fill in FILLS]
    assert all(apart(ends[i], ends[i - 1]) > 1e-3 for i in range(3))
    whole = {**run, "mask": np.ones((16, 16), np.float32)}
    np.testing.assert_array_equal(latents(model, **whole), latents(model, steps=2))


# Networks that read a picture


def wider(model, more, **changes):
    """The model with a UNet that reads so many channels more; its weights need not fit."""
    config = model.unet.config._replace(in_channels=4 + more, **changes)
    return model._replace(unet=model.unet._replace(config=config))


def test_what_networks_read(model):
    layouts = {5: channels.INPAINT, 4: channels.INSTRUCT, 0: channels.PLAIN}
    for more, layout in layouts.items():
        other = wider(model, more)
        assert channels.layout(other.unet, other.vae) == layout
    told = wider(model, 3, num_class_embeds=10)
    assert channels.layout(told.unet, told.vae) == channels.UPSCALE
    for more, words in [(1, "depth checkpoints"), (2, "or 8 as InstructPix2Pix")]:
        other = wider(model, more)
        with pytest.raises(ValueError, match=words):
            channels.layout(other.unet, other.vae)


def test_channels_of_a_conditioning(model):
    """They may be given by hand; what does not fit is refused by name."""
    one = mdx.encode_prompt(model, "a")
    read = conditioning.make(one.family, {**one.arrays, "channels": np.zeros((1, 4, 8, 8))})
    other = wider(model, 4)
    mdx.denoiser(other, read)
    with pytest.raises(ValueError, match="the conditioning has no channels"):
        mdx.denoiser(other, one)
    with pytest.raises(ValueError, match=r"channels of the conditioning must be left out"):
        mdx.denoiser(model, read)
    with pytest.raises(ValueError, match=r"must be float32 \(B, 5, h, w\), not float32 \(1, 4, 8"):
        mdx.denoiser(wider(model, 5), read)
    with pytest.raises(ValueError, match="expected the same height and width"):
        mdx.denoiser(other, read).init((1, 4, 8, 9))
    with pytest.raises(ValueError, match="prompt has channels of its own"):
        asked(other, prompt=read, image=picture())


def test_instructions_are_three_calls():
    """Those that count for nothing are left out."""
    calls = []

    def called(value):
        def function(x, t):
            calls.append(value)
            return np.full_like(x, value)

        return function

    table = schedulers.table(schedulers.from_config({}, "ddim", clip_sample=False), 1)
    parts = [kept.lift(called(value)) for value in (5.0, 3.0, 2.0)]
    for text, image, expected in [(7.0, 1.5, [5, 3, 2]), (1.0, 1.0, [5]), (4.0, 1.0, [5, 3])]:
        calls.clear()
        guide = mdx.guidance.instruct(text, image)
        assert isinstance(guide, Instructed)
        one = guide._of(parts)
        x = kept.Tensor(np.zeros((1, 4, 8, 8), np.float32))
        [row, *_] = mdx.sampling.denoiser.rows(table)
        out, _ = one.apply(one.init(x.shape), x, row)
        assert calls == expected
        np.testing.assert_allclose(out.asnumpy(), 2 + image * (3 - 2) + text * (5 - 3), rtol=1e-6)
    with pytest.raises(ValueError, match="networks that read a picture in channels"):
        mdx.guidance.instruct(7.0)(called(1.0), called(2.0))


def test_one_graph_is_for_networks_alone(model):
    with pytest.raises(ValueError, match="one_graph cannot keep a part of a picture"):
        asked(model, image=picture(), mask=hole(), one_graph=True)
    with pytest.raises(ValueError, match="instructions with guidance call it three times"):
        asked(wider(model, 4), image=picture(), one_graph=True)
    asked(wider(model, 4), image=picture(), one_graph=True, guidance=1.0)
    asked(wider(model, 5), image=picture(), mask=hole(), one_graph=True)
    with pytest.raises(ValueError, match="one_graph cannot keep"):
        asked(wider(model, 5), image=picture(), mask=hole() / 2, one_graph=True)


# Larger ones


def test_margins():
    image, mask = mdx.outpaint(picture(6, 10), (1, 2, 3, 4))
    assert image.size == mask.size == (14, 12)
    np.testing.assert_array_equal(np.asarray(image)[2:8, 1:11], np.asarray(picture(6, 10)))
    white = np.full((12, 14), 255)
    white[2:8, 1:11] = 0
    np.testing.assert_array_equal(np.asarray(mask), white)
    assert mdx.outpaint(picture(6, 10), 2)[0].size == (14, 10)
    for margins, words in [((1, 2, 3), "left, top, right and bottom"), (0, "0 on all sides"),
                           ((0, -1, 0, 0), "must be 0 or more")]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            mdx.outpaint(picture(), margins)


def test_latents_in_between():
    """As a linear interpolation between pixels' centres: that of torch, align_corners False."""
    ramp = np.arange(4, dtype=np.float32).reshape(1, 1, 4, 1) * np.ones((1, 2, 1, 3), np.float32)
    np.testing.assert_allclose(
        between(ramp, 8, 3)[0, 1, :, 2], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], atol=1e-6
    )
    np.testing.assert_array_equal(between(ramp, 4, 3), ramp)


def test_large_pictures_are_two_runs(model):
    """The second begins with what the first drew, larger."""
    first = latents(model, steps=2)
    second = latents(model, image=between(first, 8, 12), strength=0.5, steps=2)
    run = {"strength": 0.5, "steps": 2, "seed": 0, "output": "latent", "progress": False}
    got = mdx.hires(model, "a red circle", size=(16, 24), **run)
    np.testing.assert_array_equal(got, second)
    assert enlarging._size(1.5, (4, 8, 10), 2) == (24, 30)
    pixels = mdx.decode(model, first, output="np")[0]
    large = [pictures.resized(pixels, 16, 24)]
    again = latents(model, image=large, strength=0.5, steps=2)
    by_pixels = mdx.hires(model, "a red circle", size=(16, 24), upscale="pixels", **run)
    np.testing.assert_array_equal(by_pixels, again)
    for wrong, words in [({"size": 1}, "size must be a factor above 1"),
                         ({"size": (9, 24)}, "height must be a multiple of 2"),
                         ({"size": 2, "upscale": "no"}, "upscale must be one of latent, pixels"),
                         ({"size": 2, "image": picture()}, "image is not for hires")]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            mdx.hires(model, "a", **run | wrong)


def test_the_upscaler_is_a_checkpoint_of_its_own(model):
    with pytest.raises(ValueError, match="model is no upscaler"):
        mdx.upscale(model, "a", picture())


def test_plans_count_the_encoder(model):
    plain, encoding = mdx.plan(model, 16, 16, 1), mdx.plan(model, 16, 16, 1, image=True)
    assert [step.name for step in encoding.steps][1] == "VAE's encoder"
    assert encoding.peak > plain.peak
    assert asked(model, image=picture(), memory="2GB").memory == encoding.memory


# Bad input


def transparent():
    image = picture().convert("RGBA")
    image.putalpha(7)
    return image


ALONE, MASKED = {"image": picture()}, {"image": picture(), "mask": hole()}
REFUSED = {
    "a mask of another size": (MASKED | {"mask": hole(16, 18)}, "mask must have the size of image"),
    "strength above 1": (ALONE | {"strength": 1.01}, "strength must be from 0 to 1"),
    "strength below 0": (ALONE | {"strength": -0.1}, "strength must be from 0 to 1"),
    "no number": (ALONE | {"strength": np.nan}, "strength must be a finite number"),
    "none left": (
        ALONE | {"strength": 0.3, "steps": 3},
        "strength 0.3 of 3 steps is none of them: give 0.3334 or more",
    ),
    "other counts": (ALONE | {"strength": [0.5, 0.5]}, "2 entries of strength for 1 images"),
    "more pictures": ({"image": [picture()] * 2}, "2 entries of image for 1 images"),
    "floats of no meaning": ({"image": Image.new("F", (16, 16))}, "does not say which number is"),
    "pixels beyond 1": ({"image": np.full((16, 16, 3), 255.0)}, "image: pixels must be numbers"),
    "transparent": ({"image": transparent()}, "composite it on a background first"),
    "a transparent mask": (MASKED | {"mask": transparent()}, "mask: a picture is transparent"),
    "an empty mask": (MASKED | {"mask": hole() * 0}, "mask is black everywhere"),
    "a black mask once it is cut": (
        {"image": picture(16, 40), "mask": np.eye(16, 40, dtype=np.float32)[:, ::-1] * 0.0
         + (np.arange(40) > 37), "height": 16, "width": 16},
        "mask is black everywhere that is drawn",
    ),
    "a mask alone": ({"mask": hole()}, "mask is about a picture: give image"),
    "inpaint alone": (ALONE | {"inpaint": mdx.Inpaint()}, "give mask, too"),
    "strength alone": ({"strength": 0.5}, "strength is about a picture"),
    "start, too": (ALONE | {"start": np.zeros((1, 4, 8, 8))}, "image and start exclude each other"),
    "smaller than a latent": (
        {"image": picture(1, 16)}, "image: a height of 1 pixels is less than one latent, 2",
    ),
    "no file": ({"image": "nowhere.png"}, "image: there is no file 'nowhere.png'"),
    "larger than memory": (
        {"image": Image.new("1", (9000, 9000))}, "image ask for 972000000 bytes",
    ),
    "an unknown fill": (MASKED | {"inpaint": mdx.Inpaint(fill="grey")}, "inpaint.fill must be one"),
    "an unknown method": (MASKED | {"inpaint": mdx.Inpaint(method="x1")}, "inpaint.method must be"),
    "a feather of nothing": (MASKED | {"inpaint": mdx.Inpaint(-1)}, "inpaint.feather must be 0"),
    "latents and a mask": (
        MASKED | {"image": np.zeros((1, 4, 8, 8))}, "must be a picture, and not its latents",
    ),
    "latents of another size": (
        {"image": np.zeros((1, 4, 8, 8)), "height": 8}, "are not those of height and width",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input(model, monkeypatch, arguments, words):
    small = {"SC_PHYS_PAGES": 2**14, "SC_PAGE_SIZE": 2**12}
    monkeypatch.setattr("mdx.checks.os.sysconf", small.__getitem__)
    with pytest.raises((ValueError, TypeError, OSError, MemoryError), match=re.escape(words)):
        asked(model, **arguments)


OF_LAYOUTS = {
    "inpainting wants a mask": (5, ALONE, "mask is None, and the checkpoint inpaints"),
    "inpainting wants a picture": (5, {}, "give image and mask"),
    "instructions have no strength": (4, ALONE | {"strength": 0.5}, "strength is not for this"),
    "instructions have no mask": (4, MASKED, "mask is not for this checkpoint"),
    "instructions want a picture": (4, {}, "image is None, and the checkpoint's network reads one"),
    "latents are no picture to read": (
        4, {"image": np.zeros((1, 4, 8, 8))}, "must be a picture, and not its latents",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("more", "arguments", "words"), OF_LAYOUTS.values(), ids=OF_LAYOUTS)
def test_what_does_not_go_with_a_network(model, more, arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        asked(wider(model, more), **arguments)


def test_sixteen_bits_have_a_rule():
    grey = Image.fromarray(np.full((16, 16), 65535, np.uint16))
    [unit] = pictures.pictures("image", grey)
    assert unit.shape == (16, 16, 3)
    assert np.all(unit == 1)
    [mask] = pictures.masks("mask", grey)
    assert mask.shape == (16, 16)
    assert np.all(mask == 1)


# Whole checkpoints whose networks read a picture


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory):
    """An upscaler, small."""
    folder = tmp_path_factory.mktemp("upscaler")
    repositories.write(folder, repositories.OF_PICTURES["upscaler"])
    return mdx.load(folder)


def test_an_upscaler_is_known_by_its_parts(upscaler, tmp_path):
    model = upscaler
    assert isinstance(model, families.StableDiffusionUpscaler)
    assert (model.low_res_scheduler.name, model.index.noise_level) == ("DDPMScheduler", 350)
    mdx.save(model, tmp_path / "again")
    again = mdx.load(tmp_path / "again")
    assert again.index.parts == model.index.parts
    assert again.index.noise_level == 350
    assert again.low_res_scheduler == model.low_res_scheduler


def test_what_an_upscaler_is_told(upscaler):
    """Its noise level is part of the conditioning: a whole number that it was taught."""
    model = upscaler
    width = model.text_encoder.config.hidden_size
    rows = {"context": np.zeros((1, 77, width)), "channels": np.zeros((1, 3, 8, 8))}
    one = conditioning.make("stable_diffusion_upscaler", rows | {"noise_level": np.array([7])})
    assert mdx.denoiser(model, one).inputs(one, (1, 4, 8, 8))["labels"].tolist() == [7]
    for level in (-1, 351, 7.5):
        wrong = conditioning.make(one.family, rows | {"noise_level": np.array([level])})
        with pytest.raises(ValueError, match="noise_level of the conditioning must be whole"):
            mdx.denoiser(model, wrong)
    with pytest.raises(ValueError, match="noise_level must be 350 or less"):
        mdx.upscale(model, "a", picture(), noise_level=351)
    assert asked(model, image=picture(9, 13)).task.shape == (4, 9, 13)
    assert asked(model, image=picture(9, 13), height=64).task.shape == (4, 16, 13)


def test_an_upscaler_s_latents_have_one_scale(upscaler):
    model = upscaler
    config = model.vae.config._replace(scaling_factor=0.18215)
    wrong = model._replace(vae=model.vae._replace(config=config))
    with pytest.raises(ValueError, match=r"by 0.08333, whatever its config.json says"):
        families.stable_diffusion_upscaler.check(wrong)


@pytest.mark.parametrize(("name", "layout"), [("inpainting", channels.INPAINT),
                                              ("InstructPix2Pix", channels.INSTRUCT)])  # fmt: skip
def test_checkpoints_that_read_a_picture_load(tmp_path, name, layout):
    folder = repositories.write(tmp_path / "x", repositories.OF_PICTURES[name])
    model = mdx.load(folder)
    assert families.check_model(model).layout(model) == layout
