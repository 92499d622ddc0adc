"""Pictures: what their numbers mean, exact rounding, grids, and settings that survive the file."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from mdx import images

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_level_survives(dtype):
    """All 256 levels, to [-1, 1] or [0, 1] and back, are themselves."""
    levels = np.arange(256).repeat(3).reshape(1, 16, 16, 3).astype(np.uint8)
    unit = (levels / 255).transpose(0, 3, 1, 2)
    for pixels, low in ((unit * 2 - 1, -1.0), (unit, 0.0)):
        [image] = images.to_pil(pixels.astype(dtype), low=low)
        np.testing.assert_array_equal(np.asarray(image), levels[0])


def test_values_beyond_are_clipped_and_rounding_is_to_nearest():
    pixels = np.zeros((1, 3, 1, 4), np.float32)
    pixels[:, :] = [-1e30, 1e30, 0.499 / 255, 0.501 / 255]
    [image] = images.to_pil(pixels, low=0.0)
    assert np.asarray(image)[0, :, 0].tolist() == [0, 255, 0, 1]


def test_the_batch_comes_in_order():
    pixels = np.full((3, 3, 2, 5), -1.0)
    pixels[1] = 1
    made = images.to_pil(pixels)
    assert [np.asarray(image).mean() for image in made] == [0, 255, 0]
    assert made[0].size == (5, 2)


def test_a_grid_is_row_major():
    made = [Image.new("RGB", (2, 3), (i, 0, 0)) for i in range(6)]
    sheet = np.asarray(images.grid(made, 2, 3))
    assert sheet.shape == (6, 6, 3)
    assert sheet[::3, ::2, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert sheet[2::3, 1::2, 0].tolist() == [[0, 1, 2], [3, 4, 5]]


def ramp(mode):
    """A grey ramp of 16 levels in a mode, as a file or a camera would give it."""
    levels = np.arange(0, 256, 17, dtype=np.uint8).reshape(4, 4)
    if mode in images.SIXTEEN_BITS:
        # 257 times as much: 255 is 65535, whatever the order of bytes.
        order = ">u2" if mode.endswith("B") else "<u2"
        return Image.frombytes(mode, (4, 4), (levels.astype(order) * 257).astype(order).tobytes())
    picture = Image.fromarray(levels)
    if mode == "1":
        return picture.point(lambda level: 255 if level > 127 else 0).convert("1")
    if mode == "P":  # the palette says what an index stands for
        picture = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).convert("P")
        picture.putpalette(levels.ravel().repeat(3).tolist())
        return picture
    if mode == "LAB":  # of equal steps to the eye, not to the file: lightness alone
        bands = (picture, *[Image.new("L", (4, 4), 128)] * 2)
        return Image.merge("LAB", bands)
    if mode in ("La", "RGBa"):
        return picture.convert(mode.upper()).convert(mode)
    if mode == "PA":
        return picture.convert("P").convert("PA")
    return picture.convert("RGB").convert(mode)


def grey(lightness):
    """Grey in sRGB of CIE L* from 0 to 100, by the definitions of both."""
    f = (lightness + 16) / 116
    linear = np.where(lightness > 8, f**3, lightness / 903.3)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


@pytest.mark.parametrize("mode", images.EIGHT_BITS + images.ALPHA + images.SIXTEEN_BITS)
def test_a_mode_says_what_numbers_mean(mode):
    unit = np.arange(0, 256, 17).reshape(4, 4) / 255
    expected = {"1": np.float64(unit > 0.5), "LAB": grey(unit * 100)}.get(mode, unit)
    got = images.to_array(ramp(mode))
    assert got.shape == (1, 4, 4, 3)
    assert got.dtype == np.float32
    # PIL converts these two through 8 bits, and rounds.
    levels = {"YCbCr": 1, "LAB": 2}.get(mode, 0)
    np.testing.assert_allclose(
        got[0], expected[..., None].repeat(3, -1), rtol=1e-6, atol=levels / 255
    )


def test_sixteen_bits_of_grey_keep_all_their_levels():
    """Dark grey stays dark, and 65536 levels do not become 256."""
    dark = Image.fromarray(np.full((8, 8), 1000, np.uint16))
    assert np.all(images.to_array(dark) == np.float32(1000 / 65535))
    file = io.BytesIO()
    Image.fromarray(np.arange(65536, dtype=np.uint16).reshape(256, 256)).save(file, "PNG")
    grey = images.to_array(Image.open(file))[0, ..., 0]
    assert np.array_equal(grey.ravel(), np.float32(np.arange(65536) / 65535))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_modes_that_do_not_say_what_white_is_are_refused(mode):
    with pytest.raises(ValueError, match=rf"mode '{mode}' does not say .*: give pixels"):
        images.to_array(Image.new(mode, (8, 8)))


@pytest.mark.parametrize("numbers", [np.ones, np.zeros])
def test_whole_numbers_are_of_255(numbers):
    """As of a PIL image, bit for bit; an array of ones is nearly black."""
    levels = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    pictures = [Image.fromarray(array) for array in levels]
    assert np.array_equal(images.to_array(levels), images.to_array(pictures))
    few = numbers((1, 8, 8, 3), np.uint8)
    assert np.array_equal(images.to_array(few), np.float32(few) / 255)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.int8, bool, complex, object, "U3"])
def test_other_arrays_are_refused(dtype):
    with pytest.raises(TypeError, match="floats from 0 to 1 or uint8 from 0 to 255, not"):
        images.to_array(np.ones((1, 8, 8, 3), dtype))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_stay_as_they_are(dtype):
    unit = np.random.default_rng(0).random((2, 4, 6, 3)).astype(dtype)
    assert np.array_equal(images.to_array(unit), unit.astype(np.float32))


def through(mode, alpha):
    """A grey picture whose first pixel has this alpha."""
    rgba = Image.new("RGBA", (4, 4), (90, 90, 90, 255))
    rgba.putpixel((0, 0), (90, 90, 90, alpha))
    return rgba.convert("LA").convert("La") if mode == "La" else rgba.convert(mode)


def hole(mode):
    """A picture of a mode without alpha in which one colour stands for nothing."""
    picture = Image.new("RGB", (4, 4), (90, 90, 90)).convert(mode)
    picture.putpixel((0, 0), 7 if mode != "RGB" else (7, 7, 7))
    picture.info["transparency"] = 7 if mode != "RGB" else (7, 7, 7)
    return picture


HOLES = {
    **{mode: lambda mode=mode: through(mode, 254) for mode in ("RGBA", "LA", "RGBa", "La")},
    **{mode + " by colour": lambda mode=mode: hole(mode) for mode in ("L", "RGB", "P", "I;16")},
}


@pytest.mark.parametrize("make", HOLES.values(), ids=HOLES.keys())
def test_transparent_pictures_are_refused(make):
    with pytest.raises(ValueError, match=r"transparent in parts.*: composite it on a background"):
        images.to_array(make())


def test_a_colour_for_nothing_that_no_pixel_has_says_nothing():
    for mode in ("L", "RGB", "I;16"):
        picture = hole(mode)
        picture.putpixel((0, 0), picture.getpixel((1, 1)))
        plain = picture.copy()
        del plain.info["transparency"]
        assert np.array_equal(images.to_array(picture), images.to_array(plain))


# What the tag Orientation says of where the first row and the first column lie (Exif 2.3).
ROW_AND_COLUMN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


@pytest.mark.parametrize(("tag", "sides"), ROW_AND_COLUMN.items())
def test_a_turned_camera_makes_upright_pictures(tag, sides):
    levels = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
    file, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation] = tag
    Image.fromarray(levels).save(file, "PNG", exif=exif)
    seen = np.rint(images.to_array(Image.open(file))[0, ..., 0] * 255)
    edge = {"top": seen[0], "bottom": seen[-1], "left": seen[:, 0], "right": seen[:, -1]}
    row, column = (edge[side].tolist() for side in sides)
    assert sorted(row) == levels[0].tolist()
    assert sorted(column) == levels[:, 0].tolist()
    # The first pixel of the file is where both meet.
    corner = seen[
        -1 if "bottom" in sides else 0,
        -1 if "right" in sides else 0,
    ]
    assert corner == 1


def test_a_tag_that_says_nothing_turns_nothing():
    picture = Image.effect_noise((6, 4), 50)
    plain = images.to_array(picture)
    for exif in (b"", b"nonsense", b"Exif\0\0MM\0*\0\0\0", Image.Exif().tobytes()):
        picture.info["exif"] = exif
        assert np.array_equal(images.to_array(picture), plain)


def test_a_file_that_is_cut_short_is_named():
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(file, "PNG")
    with pytest.raises(ValueError, match=r"images: .*PngImageFile.* cannot be read: "):
        images.to_array(Image.open(io.BytesIO(file.getvalue()[:300])))


NONSENSE = st.one_of(
    *(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.just(10**5000),
    ),
    *(st.builds(object), st.complex_numbers(), st.just([[1], [2, 3]]), st.just(print)),
    st.lists(st.just(Image.new("L", (2, 0))) | st.integers(), max_size=2),
    st.dictionaries(st.text(), st.integers(), max_size=2),
)


@given(NONSENSE)
@settings(deadline=None, max_examples=100)
def test_what_is_no_picture_is_refused_by_name(value):
    with pytest.raises((TypeError, ValueError), match=r"^images"):
        images.to_array(value)


def test_more_pixels_than_there_is_memory_are_refused():
    with pytest.raises(MemoryError, match="images ask for"):
        images.to_array(np.broadcast_to(np.float32(0), (2**40, 8, 8, 3)))


def test_a_grid_holds_what_its_pictures_show():
    sheet = images.grid([Image.fromarray(np.full((2, 2), 25700, np.uint16))] * 2, 1, 2)
    assert sheet.getextrema() == ((100, 100),) * 3
    with pytest.raises(ValueError, match="transparent in parts"):
        images.grid([through("RGBA", 0)], 1, 1)


@given(st.dictionaries(st.text(), JSON, max_size=4))
@settings(deadline=None, max_examples=50)
def test_settings_round_trip(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("png") / "x.png"
    image = Image.effect_noise((9, 7), 50).convert("RGB")
    images.save_png(image, path, values)
    assert images.read_settings(path) == values
    with Image.open(path) as stored:
        np.testing.assert_array_equal(np.asarray(stored), np.asarray(image))
