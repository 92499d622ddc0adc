"""bfloat16 in numpy, which has none: words of 16 bits, each the upper half of a float32.

So every number of bfloat16 is one of float32, and a float32 becomes bfloat16 by rounding away its
lower half. `asnumpy` of a tensor of bfloat16 fails with any numpy from 2 on, MindSpore 2.10 having
been built with an older one: `tensor` and `array` take its place.
"""

from typing import Any

import mindspore
import numpy as np
from numpy.typing import NDArray

from mdx import mindspore_internals

__all__ = ["WORD", "array", "rounded", "tensor", "widened"]

WORD = np.dtype("<u2")  # as safetensors files hold them

QUIET = 0x40  # a bit of the words of NaN that arithmetic gives


def widened(words: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The numbers that words stand for; exact."""
    return (words.astype(np.uint32) << 16).view(np.float32)


def rounded(numbers: NDArray[np.floating]) -> NDArray[np.uint16]:
    """The words of the nearest numbers of bfloat16, of two that are as near the even one.

    numbers: float16, float32 or float64, of any shape. What is nearest to more than bfloat16 can
    hold is infinity, and NaN is NaN. IEEE 754-2019, section 4.3.1.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # of NaN that signals
        single = np.ascontiguousarray(numbers, np.float32).reshape(np.shape(numbers))
    bits = single.view(np.uint32)
    if numbers.dtype == np.float64:
        # A float64 near the middle between two words has become that middle, and must not count as
        # it: it is put back on its side, by less than the next number of bfloat16 is away.
        middle = bits & 0xFFFF == 0x8000
        size = np.abs(numbers)
        bits = bits + (middle & (size > np.abs(single))) - (middle & (size < np.abs(single)))
    words = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(WORD)
    return np.where(np.isnan(single), (bits >> 16 | QUIET).astype(WORD), words)


def tensor(words: NDArray[np.uint16]) -> mindspore.Tensor:
    """A tensor of bfloat16 in the memory of words, which are contiguous: nothing is copied."""
    if not words.size:
        return mindspore.Tensor(np.zeros(words.shape, np.float32), mindspore.bfloat16)
    made = mindspore.frombuffer(words, dtype=mindspore.bfloat16)
    made.shape = list(words.shape)  # its own reshape runs an operator, which a CPU lacks
    return made


def array(tensor: mindspore.Tensor) -> NDArray[Any]:
    """A tensor's numbers as `asnumpy` gives them, in its memory; those of bfloat16 as words.

    Where the memory is another device's, or this MindSpore does not say where it is, words are a
    copy.
    """
    if tensor.dtype != mindspore.bfloat16:
        return tensor.asnumpy()
    buffer: Any = mindspore_internals.memory(tensor)
    if buffer is None or not tensor.size:
        buffer = bytearray(tensor.get_bytes())
    return np.frombuffer(buffer, WORD, tensor.size).reshape(tensor.shape)
