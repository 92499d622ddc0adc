"""Weights to numbers of another dtype, as files hold them."""

import mindspore
import numpy as np
from numpy.typing import NDArray

from mdx import bfloat16
from mdx.safetensors_file import stored_as
from mdx.weights import DTYPES

__all__ = ["floats", "stored", "tensor"]


def floats(weight: mindspore.Tensor) -> NDArray[np.float32]:
    """A weight's numbers as float32, in its own memory where they are.

    Args:
        weight: of one of the dtypes that weights are held in.

    Returns:
        The array.
    """
    numbers = bfloat16.array(weight)
    if weight.dtype == mindspore.bfloat16:
        return bfloat16.widened(numbers)
    return np.asarray(numbers, np.float32)


def stored(weight: mindspore.Tensor, dtype: str | None = None) -> tuple[str, NDArray]:
    """A weight as a file holds it.

    Args:
        weight: the tensor.
        dtype: one of `weights.DTYPES`; None for its own.

    Returns:
        What a file calls the dtype, and the numbers; words where it is bfloat16.

    Raises:
        ValueError: where some of them are too large for the dtype.
    """
    own = str(weight.dtype).lower()
    if dtype is None or dtype == own:
        numbers = bfloat16.array(weight)
        return ("BF16" if own == "bfloat16" else stored_as(numbers)), numbers
    return DTYPES[dtype], _rounded(floats(weight), dtype)


def tensor(numbers: NDArray[np.float32], dtype: str) -> mindspore.Tensor:
    """Numbers as a weight.

    Args:
        numbers: of any shape.
        dtype: one of `weights.DTYPES`.

    Returns:
        The tensor.

    Raises:
        ValueError: where some of them are too large for the dtype.
    """
    rounded = _rounded(numbers, dtype)
    made = bfloat16.tensor if dtype == "bfloat16" else mindspore.Tensor.from_numpy
    return made(np.ascontiguousarray(rounded))


def _rounded(numbers: NDArray[np.float32], dtype: str) -> NDArray:
    if dtype == "float32":
        return numbers
    with np.errstate(over="ignore"):
        if dtype == "float16":
            rounded: NDArray = numbers.astype(np.float16)
            infinite = np.isinf(rounded)
        else:
            rounded = bfloat16.rounded(numbers)
            infinite = np.isinf(bfloat16.widened(rounded))
    if infinite.any() and not np.isinf(numbers).any():
        raise ValueError(f'has values too large for {dtype}: keep dtype="float32"')
    return rounded
