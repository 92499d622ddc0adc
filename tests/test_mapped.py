"""Weights in place: they take memory when they are used, give it back, and come again."""

import os
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor, ops

from mdx import bfloat16, mapped, weights

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


def test_loading_many_small_weights_leaves_none_in_memory(tmp_path):
    """The ends of each are looked at, and the system fetches what lies around them."""
    arrays = {f"w{i}": np.full(20_000, i, np.float32) for i in range(400)}
    weights.save(arrays, tmp_path / "x.safetensors")
    before = in_memory()
    params = weights.read([tmp_path / "x.safetensors"], {n: a.shape for n, a in arrays.items()})
    assert in_memory() < before + 2 * 2**20
    assert all((params[name].asnumpy() == values).all() for name, values in arrays.items())


def test_dropped_weights_come_again(checkpoint):
    path, arrays = checkpoint
    params, places = weights.read_in_place([path], {n: a.shape for n, a in arrays.items()})
    before = in_memory()
    for name, values in arrays.items():
        np.testing.assert_array_equal(params[name].asnumpy(), values)
    assert in_memory() > before + 1.9 * SIZE
    mapped.drop([places["a"]])
    assert in_memory() < before + 1.1 * SIZE
    mapped.drop(places.values())
    assert in_memory() < before + 0.1 * SIZE
    for name, values in arrays.items():
        np.testing.assert_array_equal(params[name].asnumpy(), values)


def test_neighbours_in_a_page_stay(tmp_path):
    """What was written into a page is kept, whichever tensors share it."""
    arrays = {name: np.arange(1500, dtype=np.float32) for name in "abc"}
    weights.save(arrays, tmp_path / "x.safetensors")
    shapes = {name: a.shape for name, a in arrays.items()}
    params, places = weights.read_in_place([tmp_path / "x.safetensors"], shapes)
    for name in "ac":
        params[name].asnumpy()[:] = 5
    mapped.drop([places["b"]])
    for name in "ac":
        assert (params[name].asnumpy() == 5).all()


COUNT = 20 * mapped.PAGE // 4  # numbers


@pytest.fixture
def small(tmp_path):
    """One tensor of some pages, its place, and a copy of its numbers."""
    values = np.arange(COUNT, dtype=np.float32)
    weights.save({"a": values}, tmp_path / "x.safetensors")
    params, places = weights.read_in_place([tmp_path / "x.safetensors"], {"a": (COUNT,)})
    return params, places, values


def in_numpy(params, values):
    params["a"].asnumpy()[9000:12000] = values[9000:12000]


def by_assign(params, values):
    ops.assign(params["a"], Tensor(values))


def by_item(params, values):
    params["a"][9000:12000] = Tensor(values[9000:12000])


def by_copy(params, values):
    params["a"].copy_(Tensor(values))


def by_assign_value(params, values):
    params["a"].assign_value(Tensor(values))


def by_replacing(params, values):
    params["a"] = Tensor(values)


def by_update(params, values):
    params.update({"a": Tensor(values)})


WAYS = [in_numpy, by_assign, by_item, by_copy, by_assign_value, by_replacing, by_update]


@pytest.mark.parametrize("write", WAYS, ids=lambda way: way.__name__)
def test_what_was_written_stays(small, write):
    """By every way in which MindSpore and numpy change a weight, however often it is dropped."""
    params, places, values = small
    values[9000:12000] *= -1
    write(params, values)
    for _ in range(2):
        mapped.drop(places.values())
        np.testing.assert_array_equal(params["a"].asnumpy(), values)


def test_pages_around_what_was_written_are_given_back(checkpoint):
    path, arrays = checkpoint
    params, places = weights.read_in_place([path], {n: a.shape for n, a in arrays.items()})
    before = in_memory()
    for at in (5, SIZE // 8, SIZE // 4 - 5):
        params["a"].asnumpy()[at] = arrays["a"][at] = 7
    np.testing.assert_array_equal(params["a"].asnumpy(), arrays["a"])
    assert in_memory() > before + 0.9 * SIZE
    mapped.drop(places.values())
    assert in_memory() < before + 0.1 * SIZE
    np.testing.assert_array_equal(params["a"].asnumpy(), arrays["a"])


@settings(deadline=None, max_examples=40)
@given(
    written=st.lists(st.integers(0, 999), max_size=6),
    start=st.integers(0, 500),
    count=st.integers(0, 500),
)
def test_any_pages_of_any_range(tmp_path_factory, written, start, count):
    """The whole is the file's numbers and what was written, whatever range is dropped."""
    path = tmp_path_factory.getbasetemp() / "pages"
    step = 20 * mapped.PAGE // 1000  # bytes between numbers, of which fifty lie in a page
    path.write_bytes(bytes(range(250)) * (step * 1000 // 250))
    file = mapped.open_file(path)
    expected = np.frombuffer(path.read_bytes(), np.uint8).copy()
    found = mapped.array(mapped.Place(file, 0, len(expected)), np.dtype(np.uint8))
    np.testing.assert_array_equal(found, expected)
    for place in written:
        found[place * step] = expected[place * step] = 255
    mapped.drop([mapped.Place(file, start * step, count * step)])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("broken", ["no records", "empty", "half", "all zero", "all of files"])
def test_nothing_is_lost_where_the_system_does_not_tell(small, monkeypatch, broken):
    """What the records of pages cannot vouch for stays: a kernel may hide them."""
    params, places, values = small
    by_assign(params, -values)
    record = {
        "empty": b"",
        "all zero": bytes(8),
        "all of files": (0b101 << 61).to_bytes(8, "little"),
    }
    real = mapped.FileIO

    class Records(real):
        def __init__(self, _):
            if broken == "no records":
                raise PermissionError
            super().__init__("/proc/self/pagemap")

        def read(self, count):
            if broken == "half":
                return super().read(count)[: max(8, count // 16 * 8)]
            return record[broken] * (count // 8)

    monkeypatch.setattr(mapped, "FileIO", Records)
    mapped.drop(places.values())
    np.testing.assert_array_equal(params["a"].asnumpy(), -values)


def rewritten(path):
    with path.open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\0\0")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # the clock may be coarse


def other_in_its_place(path):
    shutil.copyfile(path, path.with_name("other"))
    os.replace(path.with_name("other"), path)


CHANGES = {
    "cut short": (lambda path: os.truncate(path, 5000), "was cut short, from 40000 to 5000 bytes,"),
    "emptied": (lambda path: path.write_bytes(b""), "was cut short, from 40000 to 0 bytes,"),
    "cut, then deleted": (
        lambda path: (os.truncate(path, 5000), path.unlink()),
        "was cut short, from 40000 to 5000 bytes,",
    ),
    "written to": (rewritten, "was changed after the model was loaded from it"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_files_that_were_changed(tmp_path, change, message):
    """No array looks into the file here: showing one when the test fails would end the process."""
    path = tmp_path / "x"
    path.write_bytes(bytes(40000))
    places = [mapped.Place(mapped.open_file(path), start, 100) for start in (0, 39900)]
    mapped.check_files(places)
    change(path)
    with pytest.raises(OSError, match=f"x {message}.* load the model again"):
        mapped.check_files(places)


@pytest.mark.parametrize("change", [os.unlink, other_in_its_place])
def test_files_that_are_mapped_still(small, tmp_path, change):
    """A file that lost its name is there until nobody reads it."""
    params, places, values = small
    change(tmp_path / "x.safetensors")
    mapped.check_files(places.values())
    mapped.drop(places.values())
    np.testing.assert_array_equal(params["a"].asnumpy(), values)


def test_weights_of_bfloat16_are_dropped_and_come_again(checkpoint):
    """In a graph, too, which reads them where they lie."""
    path, arrays = checkpoint
    shapes = {name: (8, a.size // 8) for name, a in arrays.items()}
    plain = path.with_name("plain.safetensors")
    path.rename(plain)
    flat, _ = weights.read_in_place([plain], {n: a.shape for n, a in arrays.items()}, "bfloat16")
    tall = {n: bfloat16.tensor(bfloat16.array(p).reshape(shapes[n])) for n, p in flat.items()}
    weights.save(tall, path)
    before = in_memory()
    params, places = weights.read_in_place([path], shapes, "bfloat16")
    assert {name: place.size for name, place in places.items()} == {"a": SIZE // 2, "b": SIZE // 2}
    assert in_memory() < before + SIZE / 8
    for _ in range(2):
        for name, values in arrays.items():
            found = bfloat16.array(params[name]).reshape(-1)
            np.testing.assert_array_equal(found, bfloat16.rounded(values))
        assert in_memory() > before + 0.9 * SIZE
        mapped.drop(places.values())
        assert in_memory() < before + 0.1 * SIZE


def test_cast_weights_have_no_place(checkpoint):
    path, arrays = checkpoint
    shapes = {name: a.shape for name, a in arrays.items()}
    params, places = weights.read_in_place([path], shapes, "float16")
    assert places == {}
    np.testing.assert_array_equal(params["b"].asnumpy(), arrays["b"].astype(np.float16))
