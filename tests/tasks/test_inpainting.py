"""What is kept of a picture, what is drawn in it, and what lies under the noise."""

import numpy as np
import pytest

import mdx
from mdx import inpainting, schedulers
from mdx.sampling import kept
from mdx.tasks import feather, filling, inpaint
from tests.generating import apart, latents, noise, samplers
from tests.tasks.asking import asked, hole, picture

BESIDE = 1e-5  # what float32 leaves of a kept latent


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
