"""Memory of the process: what is large and stays lies outside the heap."""

import numpy as np
import pytest

from mdx import heap


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint16"])
@pytest.mark.parametrize("count", [0, 5, heap.LARGE])
def test_numbers_apart_are_written_like_others(count, dtype):
    made = heap.apart(count, dtype)
    assert (made.shape, made.dtype) == ((count,), np.dtype(dtype))
    made[:] = 3
    assert np.array_equal(made, np.full(count, 3, dtype))
    two = made.reshape(-1, 1)
    del made
    assert np.array_equal(two, np.full((count, 1), 3, dtype))


def test_many_numbers_are_not_in_the_heap():
    if heap.live() is None:
        pytest.fail("mdx is tested where the C library says what is allocated")
    np.ones(1 << 24, np.uint8)  # freed, so that glibc takes what is smaller from the heap
    before = heap.live()
    plain = np.ones(1 << 23, np.uint8)
    assert heap.growth(before, 0) >= plain.nbytes
    before = heap.live()
    made = heap.apart(1 << 23, np.uint8)
    made[:] = 1
    assert heap.growth(before, 0) < heap.LARGE
