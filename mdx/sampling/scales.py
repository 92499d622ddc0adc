"""How strongly an output is guided: a number, or one that follows images and rows."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mdx.checks import array_of, shown
from mdx.sampling.denoiser import Row, per_image

__all__ = ["Followed", "Scale", "at", "scales"]

OfRow: TypeAlias = Callable[[Row], Any]  # gives a number, or one an image (B,)
Followed: TypeAlias = NDArray[np.float32] | OfRow  # (), (B,) or (N, B)
Scale: TypeAlias = float | Sequence[float] | NDArray[np.floating] | OfRow


def scales(name: str, scale: Any) -> Followed:
    """The scale, looked at; TypeError or ValueError by name for what is none."""
    if not isinstance(scale, np.ndarray) and callable(scale):
        return scale
    array = array_of(name, scale)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be a number or an array of them, not {shown(scale)}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if array.ndim > 2 or not array.size:
        raise ValueError(f"{name} must be a number, (B,) or (N, B), not of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be of finite numbers, not {shown(scale)}")
    return array


def at(followed: Followed, row: Row, count: int) -> NDArray[np.float32]:
    """The scale of each of `count` images (B,) in a row; ValueError for another number of them."""
    if callable(followed):
        scale = scales(f"scale of row {row.index}", followed(row))
        if callable(scale):
            raise TypeError(f"scale of row {row.index} is a function: give numbers")
    elif followed.ndim < 2:
        scale = followed
    elif len(followed) == row.count:
        scale = followed[row.index]
    else:
        raise ValueError(f"scale is for {len(followed)} rows, and the run has {row.count}")
    if scale.ndim > 1 or scale.size not in (1, count):
        raise ValueError(f"scale of row {row.index} is {scale.shape}, for {count} images")
    return per_image(scale.reshape(-1) if scale.size == count else scale.reshape(()), count)
