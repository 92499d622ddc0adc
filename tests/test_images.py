"""Pictures: exact rounding, row-major grids, and settings that survive the file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

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


@given(st.dictionaries(st.text(), JSON, max_size=4))
@settings(deadline=None, max_examples=50)
def test_settings_round_trip(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("png") / "x.png"
    image = Image.effect_noise((9, 7), 50).convert("RGB")
    images.save_png(image, path, values)
    assert images.read_settings(path) == values
    with Image.open(path) as stored:
        np.testing.assert_array_equal(np.asarray(stored), np.asarray(image))
