"""Arithmetic on the arrays of conditionings: vectors on an arc, tokens behind each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["joined", "on_arc"]

LENGTH = 1e-12  # of a vector, or of a sum of two directions, that has no direction


def on_arc(begin: NDArray[np.float64], end: NDArray[np.float64], weight: float) -> Any:
    """Vectors (..., D) between two, along the arc."""
    lengths = [np.linalg.norm(vectors, axis=-1, keepdims=True) for vectors in (begin, end)]
    straight = (1 - weight) * begin + weight * end
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = begin / lengths[0], end / lengths[1]
        apart = np.linalg.norm(v - u, axis=-1, keepdims=True)
        along = np.linalg.norm(v + u, axis=-1, keepdims=True)
        # Exact for small angles and for those near half a turn, where the arc's cosine is not.
        angle = 2 * np.arctan2(apart, along)
        sine = np.sin(angle)
        turned = (np.sin((1 - weight) * angle) * u + np.sin(weight * angle) * v) / sine
        length = (1 - weight) * lengths[0] + weight * lengths[1]
        curved = length * turned
    no_arc = (
        (np.minimum(*lengths) < LENGTH) | (apart < LENGTH) | (along < LENGTH) | ~np.isfinite(curved)
    )
    return np.where(no_arc, straight, curved)


def joined(some: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """The arrays of conditionings, those of tokens behind each other; see `conditioning.join`."""
    first = some[0]
    lengths = {array.shape[1] for array in first.arrays.values() if array.ndim == 3}
    if len(lengths) != 1:
        raise ValueError(f"join needs arrays of as many tokens (B, T, D), not {first!r}")
    for other in some[1:]:
        shapes = [
            {name: (array.dtype, _but_tokens(array)) for name, array in one.arrays.items()}
            for one in (first, other)
        ]
        if first.family != other.family or shapes[0] != shapes[1]:
            raise ValueError(
                f"conditionings of other families, names or widths do not join: {first!r} and "
                f"{other!r}"
            )
    return {
        name: np.concatenate([one.arrays[name] for one in some], 1)
        if _of_tokens(array, lengths)
        else array
        for name, array in first.arrays.items()
    }


def _of_tokens(array: NDArray[Any], lengths: set[int]) -> bool:
    """Whether an array has a vector, or a whole number, of each token."""
    numbers = array.ndim == 2 and array.dtype.kind == "i" and array.shape[1] in lengths
    return array.ndim == 3 or numbers


def _but_tokens(array: NDArray[Any]) -> tuple[int, ...]:
    """Its shape, but for the number of tokens that it may have."""
    if array.ndim == 3:
        return array.shape[0], array.shape[2]
    return array.shape[:1] if array.dtype.kind == "i" else array.shape
