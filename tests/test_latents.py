"""Pictures to latents and back, and parts of pictures that a run keeps."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor
from PIL import Image

import mdx
from mdx import inpainting, schedulers
from mdx.schedulers import State
from tests.compiles import counted


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


def picture(seed=0, width=16, height=16):
    noise = np.random.default_rng(seed)
    return Image.fromarray(noise.integers(0, 256, (height, width, 3), np.uint8))


def test_decoding_latents_is_what_generate_does(model):
    options = {"steps": 2, "seed": 0, "progress": False, "images_per_prompt": 2}
    latents = mdx.generate(model, "a", output="latent", **options)
    pixels = mdx.generate(model, "a", output="np", **options)
    assert np.array_equal(mdx.decode(model, latents, output="np"), pixels)
    images = mdx.generate(model, "a", **options)
    assert [i.tobytes() for i in mdx.decode(model, latents)] == [i.tobytes() for i in images]


def test_weights_that_are_not_finite_are_named(model):
    params = dict(model.vae.params)
    params["quant_conv.bias"] = Tensor(np.full(8, np.inf, np.float32))
    spoilt = model._replace(vae=model.vae._replace(params=mindspore.mutable(params)))
    with pytest.raises(FloatingPointError, match=r"NaN or infinity: quant_conv\.bias;"):
        mdx.encode(spoilt, picture())


def test_encoding(model):
    """A PIL image, a list, or pixels: the same latents, whatever the batch, compiled once."""
    both = [picture(0, 24), picture(1, 24)]
    mdx.encode(model, both[0])
    with counted() as compiles:
        one, two = (mdx.encode(model, image) for image in both)
        together = mdx.encode(model, both)
        pixels = np.stack([np.asarray(image, np.float32) / 255 for image in both])
        of_pixels = mdx.encode(model, pixels)
    assert compiles.count == 0
    assert together.shape == (2, 4, 8, 12)
    assert together.dtype == np.float32
    assert np.array_equal(together, np.concatenate([one, two]))
    assert np.array_equal(of_pixels, together)
    assert np.abs(one - two).max() > 0.01
    grey = picture(0, 24).convert("L")
    assert np.array_equal(mdx.encode(model, grey), mdx.encode(model, grey.convert("RGB")))


def test_the_shipped_autoencoder_gives_a_picture_back():
    """To 30 dB or more, which also says that the latents have the scale that decode expects."""
    model = mdx.load()
    [image] = mdx.generate(model, "a red circle on a blue background", seed=0, steps=8,
                           scheduler="dpmpp_2m", progress=False)  # fmt: skip
    back = mdx.decode(model, mdx.encode(model, image), output="np")[0]
    assert -10 * np.log10(np.mean((back - np.asarray(image) / 255.0) ** 2)) > 30


BAD = {
    "a number": (lambda m: mdx.encode(m, 3), ValueError, r"shape \(B, H, W, 3\), not \(\)"),
    "no pictures": (lambda m: mdx.encode(m, []), TypeError, "images must be a PIL image, a list"),
    "a list of numbers": (lambda m: mdx.encode(m, [1]), TypeError, "images must be a PIL image"),
    "two sizes": (
        lambda m: mdx.encode(m, [picture(), picture(0, 8)]),
        ValueError,
        "the pictures must have one size",
    ),
    "an odd side": (
        lambda m: mdx.encode(m, picture(0, 17)),
        ValueError,
        "sides that are multiples of 2, not 17 by 16",
    ),
    "pixels from 0 to 255": (
        lambda m: mdx.encode(m, np.full((1, 8, 8, 3), 255.0)),
        ValueError,
        "from 0, black, to 1",
    ),
    "NaN": (
        lambda m: mdx.encode(m, np.full((1, 8, 8, 3), np.nan)),
        ValueError,
        "from 0, black, to 1",
    ),
    "latents of 3 channels": (
        lambda m: mdx.decode(m, np.zeros((1, 3, 8, 8))),
        ValueError,
        r"shape \(B, 4, h, w\), not \(1, 3, 8, 8\)",
    ),
    "no latents": (lambda m: mdx.decode(m, np.zeros((0, 4, 8, 8))), ValueError, r"\(0, 4, 8, 8\)"),
    "latents that are NaN": (
        lambda m: mdx.decode(m, np.full((1, 4, 8, 8), np.nan)),
        ValueError,
        "NaN or infinity",
    ),
    "output": (
        lambda m: mdx.decode(m, np.zeros((1, 4, 8, 8)), output="latent"),
        ValueError,
        "output must be one of pil, np, not 'latent'",
    ),
    "known latents without a batch": (
        lambda m: inpainting.keep_known(np.zeros((4, 8, 8)), 1),
        ValueError,
        r"shape \(B, C, h, w\), not \(4, 8, 8\)",
    ),
    "keep below 0": (
        lambda m: inpainting.keep_known(np.zeros((1, 4, 8, 8)), -np.ones((8, 8))),
        ValueError,
        "from 0, drawn anew, to 1, kept",
    ),
    "keep of another size": (
        lambda m: inpainting.keep_known(np.zeros((1, 4, 8, 8)), np.ones((8, 9))),
        ValueError,
        r"keep has shape \(8, 9\), which does not fit latents \(1, 4, 8, 8\)",
    ),
    "a seed below 0": (
        lambda m: inpainting.keep_known(np.zeros((1, 4, 8, 8)), 1, seed=-1),
        ValueError,
        "seed must be 0 or more, not -1",
    ),
    "a mask with a batch": (
        lambda m: inpainting.downsample_mask(np.ones((1, 8, 8)), 2),
        ValueError,
        r"keep must be a mask \(H, W\)",
    ),
    "a mask of odd sides": (
        lambda m: inpainting.downsample_mask(np.ones((9, 8)), 2),
        ValueError,
        "multiples of factor 2",
    ),
    "a mask of nothing": (
        lambda m: inpainting.downsample_mask(np.ones((0, 0)), 2**31),
        ValueError,
        "above 0, not",
    ),
    "known latents of another size": (
        lambda m: running(m, after=inpainting.keep_known(np.zeros((1, 4, 8, 9)), 1)),
        ValueError,
        r"the known latents have shape \(1, 4, 8, 9\), not \(1, 4, 8, 8\)",
    ),
    "seeds for two": (
        lambda m: running(m, after=inpainting.keep_known(np.zeros((1, 4, 8, 8)), 1, seed=[1, 2])),
        ValueError,
        "2 seeds for 1 images",
    ),
}


@pytest.mark.parametrize(("act", "error", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input(model, act, error, words):
    with pytest.raises(error, match=words):
        act(model)


def running(model, **options):
    options = {"steps": 6, "seed": 0, "output": "latent", "progress": False, **options}
    return mdx.generate(model, "a", **options)


LEFT = np.zeros((8, 8), np.float32)
LEFT[:, :4] = 1


@pytest.mark.parametrize("name", ["repaint", "ddim", "dpmpp_2m", "euler_a"])
def test_what_is_kept_stays_and_the_rest_is_drawn(model, name):
    """Bit for bit to the left; to the right other than alone, since the model sees the left."""
    known = mdx.encode(model, picture())
    own = {"jump_length": 2, "jump_n_sample": 2} if name == "repaint" else {}
    scheduler = schedulers.from_config(model.scheduler, name, **own, **AT_CLEAN.get(name, {}))
    got = running(model, scheduler=scheduler, after=inpainting.keep_known(known, LEFT))
    assert np.array_equal(got[..., :4], known[..., :4])
    assert np.abs(got[..., 4:] - known[..., 4:]).max() > 0.1
    alone = running(model, scheduler=scheduler)
    assert np.abs(got[..., 4:] - alone[..., 4:]).max() > 0.01
    again = running(model, scheduler=scheduler, after=inpainting.keep_known(known, LEFT))
    assert np.array_equal(again, got)
    other = running(model, scheduler=scheduler, after=inpainting.keep_known(known, LEFT, seed=1))
    assert np.abs(other[..., 4:] - got[..., 4:]).max() > 1e-4


# The tiny checkpoint's config ends at the first training step, which has noise.
AT_CLEAN = {"ddim": {"set_alpha_to_one": True}}


def test_a_batch_keeps_as_its_images_would_alone(model):
    known = mdx.encode(model, [picture(0), picture(1)])
    options = {"scheduler": "repaint", "images_per_prompt": 2}
    both = running(model, after=inpainting.keep_known(known, LEFT), **options)
    for i in range(2):
        solo = running(
            model,
            scheduler="repaint",
            seed=i,
            after=inpainting.keep_known(known[i : i + 1], LEFT, seed=i),
        )
        np.testing.assert_allclose(both[i], solo[0], atol=1e-4 * np.abs(solo).max())


def test_keep_between_0_and_1_mixes(model):
    """And the other slots, and the state that was given, are left alone."""
    table = schedulers.table(schedulers.from_config(model.scheduler, "dpmpp_2m"), 4)
    known = np.ones((1, 4, 8, 8), np.float32)
    state = schedulers.init(table, np.random.default_rng(0).normal(size=(1, 4, 8, 8)))
    # The end of the run, where nothing is noised.
    state = State(Tensor(state.slots.asnumpy() + 1), 4)
    before = state.slots.asnumpy().copy()
    after = inpainting.keep_known(known, 0.25)(table, state)
    np.testing.assert_allclose(after.slots.asnumpy()[0], 0.25 + 0.75 * before[0], rtol=1e-6)
    assert np.array_equal(after.slots.asnumpy()[1:], before[1:])
    assert np.array_equal(state.slots.asnumpy(), before)


def test_the_known_part_has_the_noise_of_its_level(model):
    table = schedulers.table(schedulers.from_config(model.scheduler, "repaint"), 10)
    known = np.full((64, 4, 8, 8), 0.5, np.float32)
    for index in (1, 5, 9, 10):
        state = State(schedulers.init(table, np.zeros(known.shape)).slots, index)
        got = inpainting.keep_known(known, 1)(table, state).slots.asnumpy()[0]
        noise = got - table.alpha[index] * known
        # 16384 numbers: five standard errors.
        np.testing.assert_allclose(noise.std(), table.sigma[index], rtol=0.03, atol=1e-6)
        np.testing.assert_allclose(noise.mean(), 0, atol=0.04 * table.sigma[index] + 1e-6)


def test_a_latent_stays_only_if_all_its_pixels_do():
    mask = np.ones((4, 6))
    mask[1, 2] = 0
    mask[3, 5] = 0.5
    assert inpainting.downsample_mask(mask, 2).tolist() == [[1, 0, 1], [1, 1, 0.5]]
