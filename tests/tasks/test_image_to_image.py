"""Where a run that begins with a picture begins, and at which size."""

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import schedulers
from mdx.tasks import pictures
from tests.generating import TOLERANCE, apart, latents, noise, samplers
from tests.tasks.asking import asked, picture


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
