"""Weights in place: they take memory when they are used, give it back, and come again."""

import numpy as np
import pytest

from mdx import mapped, weights

SIZE = 32 * 2**20  # bytes of each tensor


def in_memory() -> int:
    """Bytes of mapped files that this process has in memory."""
    with open("/proc/self/status") as lines:
        [line] = [line for line in lines if line.startswith("RssFile")]
    return int(line.split()[1]) * 1024


@pytest.fixture
def checkpoint(tmp_path):
    """Two tensors in one file, neither at the beginning of a page."""
    random = np.random.default_rng(0)
    arrays = {name: random.standard_normal(SIZE // 4).astype(np.float32) for name in "ab"}
    weights.save(arrays, tmp_path / "x.safetensors")
    return tmp_path / "x.safetensors", arrays


def test_loading_leaves_no_weights_in_memory(checkpoint):
    path, arrays = checkpoint
    before = in_memory()
    params, places = weights.read_in_place([path], {n: a.shape for n, a in arrays.items()})
    assert in_memory() < before + SIZE / 8
    assert {name: place.size for name, place in places.items()} == {"a": SIZE, "b": SIZE}
    assert params["a"].asnumpy().ctypes.data % 4 == 0


def test_dropped_weights_come_again(checkpoint):
    path, arrays = checkpoint
    params, places = weights.read_in_place([path], {n: a.shape for n, a in arrays.items()})
    before = in_memory()
    for name, values in arrays.items():
        np.testing.assert_array_equal(params[name].asnumpy(), values)
    assert in_memory() > before + 1.9 * SIZE
    mapped.drop([places["a"]])
    assert in_memory() < before + 1.1 * SIZE
    params["b"].asnumpy()[SIZE // 8 :][:5] = 7  # amid whole pages
    mapped.drop(places.values())
    assert in_memory() < before + 0.1 * SIZE
    for name, values in arrays.items():
        np.testing.assert_array_equal(params[name].asnumpy(), values)


def test_neighbours_in_a_page_stay(tmp_path):
    """Only whole pages are given back: what was written beside them is kept."""
    arrays = {name: np.arange(1500, dtype=np.float32) for name in "abc"}
    weights.save(arrays, tmp_path / "x.safetensors")
    shapes = {name: a.shape for name, a in arrays.items()}
    params, places = weights.read_in_place([tmp_path / "x.safetensors"], shapes)
    for name in "ac":
        params[name].asnumpy()[:] = 5
    mapped.drop([places["b"]])
    for name in "ac":
        assert (params[name].asnumpy() == 5).all()


def test_cast_weights_have_no_place(checkpoint):
    path, arrays = checkpoint
    shapes = {name: a.shape for name, a in arrays.items()}
    params, places = weights.read_in_place([path], shapes, "float16")
    assert places == {}
    np.testing.assert_array_equal(params["b"].asnumpy(), arrays["b"].astype(np.float16))
