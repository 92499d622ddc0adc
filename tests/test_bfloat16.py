"""bfloat16: every word is its number, and every number becomes the nearest word."""

import math

import mindspore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mindspore import Tensor

from mdx import bfloat16, mindspore_internals

WORDS = np.arange(1 << 16, dtype=np.uint16)
INFINITY = 0x7F80
# What the words from 0 to infinity stand for; in the place of infinity what would follow, 2 ** 128.
FINITE = WORDS[: INFINITY + 1].astype(np.int64)
SIZES = np.ldexp(
    np.where(FINITE >> 7 == 0, FINITE & 0x7F, 0x80 | (FINITE & 0x7F)).astype(np.float64),
    np.maximum(FINITE >> 7, 1) - 127 - 7,
)


def is_nan(words):
    return words & 0x7FFF > INFINITY


def nearest(numbers):
    """The words nearest to finite numbers, found among them all; of two as near the even one."""
    size = np.abs(np.asarray(numbers, np.float64))
    below = np.minimum(np.searchsorted(SIZES, size, "right") - 1, INFINITY - 1)
    middle = (SIZES[below] + SIZES[below + 1]) / 2
    up = (size > middle) | ((size == middle) & (below % 2 == 1))
    return (below + up + np.where(np.signbit(numbers), 0x8000, 0)).astype(np.uint16)


def test_every_word_is_its_number():
    found = bfloat16.widened(WORDS)
    assert found.dtype == np.float32
    size = np.where(FINITE == INFINITY, np.inf, SIZES)
    np.testing.assert_array_equal(found[: INFINITY + 1], size)
    np.testing.assert_array_equal(found[0x8000 : 0x8000 + INFINITY + 1], -size)
    np.testing.assert_array_equal(np.isnan(found), is_nan(WORDS))
    np.testing.assert_array_equal(np.signbit(found), WORDS >= 0x8000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_number_of_bfloat16_stays(dtype):
    with np.errstate(invalid="ignore"):  # of NaN that signals
        numbers = bfloat16.widened(WORDS).astype(dtype)
    found = bfloat16.rounded(numbers)
    np.testing.assert_array_equal(found[~is_nan(WORDS)], WORDS[~is_nan(WORDS)])
    assert is_nan(found[is_nan(WORDS)]).all()


def test_every_number_of_float16_becomes_the_nearest():
    numbers = WORDS.view(np.float16)
    finite = np.isfinite(numbers)
    found = bfloat16.rounded(numbers)
    np.testing.assert_array_equal(found[finite], nearest(numbers[finite]))
    np.testing.assert_array_equal(found[np.isinf(numbers)], [INFINITY, 0x8000 | INFINITY])
    assert is_nan(found[np.isnan(numbers)]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_between_any_two_numbers_the_middle_goes_to_the_even_one(dtype):
    """And what is just beside the middle to its own side: by rounding once, not twice."""
    middle = ((SIZES[:-1] + SIZES[1:]) / 2).astype(dtype)
    for numbers in (middle, np.nextafter(middle, dtype(0)), np.nextafter(middle, dtype(np.inf))):
        for signed in (numbers, -numbers):
            np.testing.assert_array_equal(bfloat16.rounded(signed), nearest(signed))


@given(st.integers(0, 2**64 - 1), st.sampled_from([np.float32, np.float64]))
def test_any_number_becomes_the_nearest(seed, dtype):
    """Of any bits: large, small, below the normal ones, infinite, NaN."""
    bits = np.random.default_rng(seed).integers(0, 256, 512, np.uint8)
    numbers = np.ascontiguousarray(bits.view(dtype).reshape(2, -1))
    with np.errstate(over="ignore"):
        finite = np.isfinite(numbers)
    found = bfloat16.rounded(numbers)
    assert found.shape == numbers.shape
    np.testing.assert_array_equal(found[finite], nearest(numbers[finite]))
    np.testing.assert_array_equal(is_nan(found), np.isnan(numbers))


SHAPES = [(24,), (4, 6), (2, 3, 4), (2, 3, 4, 1), (1,), (), (0, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_tensors_are_of_the_same_memory(shape):
    words = np.arange(0x3F80, 0x3F80 + math.prod(shape), dtype=np.uint16).reshape(shape)
    tensor = bfloat16.tensor(words)
    assert (tensor.dtype, tensor.shape) == (mindspore.bfloat16, shape)
    assert tensor.nbytes == 2 * words.size
    found = bfloat16.array(tensor)
    assert (found.dtype, found.shape) == (bfloat16.WORD, shape)
    words += 1
    np.testing.assert_array_equal(found, words)
    found[...] = 7
    np.testing.assert_array_equal(words, found)


def test_the_memory_stays_for_as_long_as_somebody_looks():
    found = bfloat16.array(bfloat16.tensor(np.full(1 << 16, 7, np.uint16)))
    others = [np.full(1 << 16, 9, np.uint16) for _ in range(10)]
    assert (found == 7).all()
    assert len(others) == 10


@pytest.mark.parametrize("without", ["memory of its own", "a name"])
def test_where_the_memory_is_not_to_be_seen_words_are_copied(monkeypatch, without):
    words = np.arange(24, dtype=np.uint16).reshape(4, 6)
    tensor = bfloat16.tensor(words)
    if without == "a name":
        monkeypatch.setattr(mindspore_internals, "memory", lambda tensor: None)
    else:
        monkeypatch.setattr(mindspore, "get_context", lambda name: "Ascend")
    found = bfloat16.array(tensor)
    np.testing.assert_array_equal(found, words)
    words += 1
    assert (found != words).all()


def test_tensors_of_other_dtypes_are_what_numpy_has():
    numbers = np.arange(6, dtype=np.float16).reshape(2, 3)
    np.testing.assert_array_equal(bfloat16.array(Tensor(numbers)), numbers)


def test_tensors_that_mindspore_rounded():
    numbers = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    made = Tensor(numbers).astype(mindspore.bfloat16)
    np.testing.assert_array_equal(bfloat16.array(made), bfloat16.rounded(numbers))
