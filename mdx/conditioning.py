"""What a run is to be of, as a value: the arrays that a prompt becomes.

They can be sliced, joined, repeated and blended, saved and loaded, and given to `generate` and
`denoiser` in the place of the texts that they were made of.
"""

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.array_files import read, write
from mdx.blends import joined, on_arc
from mdx.checks import array_of, finite, flag, shown, whole
from mdx.schedulers.levels import digest
from mdx.sizes import Sizes

__all__ = [
    "Conditioning", "blend", "concat", "join", "load", "make", "repeat", "save", "take",
]  # fmt: skip

FORMAT = {"format": "mdx.conditioning", "version": "1"}


class Conditioning(NamedTuple):
    """What a model is given beside the sample and the time, of B images.

    A value: equal, hashed and pickled by its numbers, which are read-only. `make` checks them.
    """

    family: str  # of the models that it is for, as `mdx.families` names them
    arrays: Mapping[str, NDArray[Any]]  # by name, (B, ...) each, float32 or int32

    @property
    def batch(self) -> int:
        """B, how many images it is for."""
        return len(next(iter(self.arrays.values())))

    def __repr__(self) -> str:
        """Its names and shapes; its numbers are in its arrays."""
        try:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in self.arrays.items())
            return f"Conditioning({self.family}: {shapes})"
        except (AttributeError, TypeError, ValueError):
            return "Conditioning(of arrays that make none)"

    def __eq__(self, other: object) -> bool:
        """Whether both are of one family and hold the same numbers by the same names."""
        if not isinstance(other, Conditioning):
            return NotImplemented
        return (
            self.family == other.family
            and self.arrays.keys() == other.arrays.keys()
            and all(np.array_equal(self.arrays[name], other.arrays[name]) for name in self.arrays)
        )

    def __ne__(self, other: object) -> bool:
        """Whether they differ: a tuple would compare arrays, whose truth is ambiguous."""
        return not self == other

    def __hash__(self) -> int:
        """The same for equal ones."""
        named = sorted((name, digest(array)) for name, array in self.arrays.items())
        return hash((self.family, *named))

    def __reduce__(self) -> tuple[Any, ...]:
        return make, (self.family, dict(self.arrays))


def make(family: str, arrays: Mapping[str, Any]) -> Conditioning:
    """A Conditioning of arrays of one's own, with as many images in all of them.

    Args:
        family: of the models that it is for, as `mdx.families` names them.
        arrays: by name, (B, ...) each. Floats become float32 and whole numbers int32.

    Returns:
        A Conditioning of B images, whose arrays are read-only copies.

    Raises:
        TypeError, ValueError: that name the array, for what is neither, for NaN and infinity, and
            for batches that differ.
    """
    if not isinstance(family, str) or not family:
        raise TypeError(f"family must be the name of one, not {shown(family)}")
    if not isinstance(arrays, Mapping) or not arrays:
        raise TypeError(f"arrays must be a dict of at least one array, not {shown(arrays)}")
    found = {name: _frozen(name, value) for name, value in arrays.items()}
    batches = {name: len(array) for name, array in found.items()}
    if len(set(batches.values())) > 1:
        raise ValueError(f"arrays of a conditioning are for as many images each, not {batches}")
    return Conditioning(family, MappingProxyType(found))


def _frozen(name: Any, value: Any) -> NDArray[Any]:
    if not isinstance(name, str):
        raise TypeError(f"names of a conditioning's arrays are text, not {shown(name)}")
    array = array_of(name, value)
    if array.ndim < 1 or not array.size:
        raise ValueError(f"{name} must have shape (B, ...), and not be empty, not {array.shape}")
    if array.dtype.kind == "b":
        kept = array.astype(np.int32, order="C")
    elif array.dtype.kind in "iu":
        bounds = np.iinfo(np.int32)
        if array.min() < bounds.min or array.max() > bounds.max:
            raise ValueError(f"{name} holds whole numbers that are none in 32 bits")
        kept = array.astype(np.int32, order="C")
    elif array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            kept = array.astype(np.float32, order="C")
        if not np.isfinite(kept).all():
            raise ValueError(f"{name} holds NaN or infinity")
    else:
        raise TypeError(f"{name} must hold real or whole numbers, not {array.dtype}")
    kept.flags.writeable = False
    return kept


def take(one: Conditioning, images: slice | Sequence[int] | NDArray[np.integer]) -> Conditioning:
    """Some of its images.

    Args:
        one: of B images.
        images: a slice of them, or their numbers, from the end where negative.

    Returns:
        A Conditioning of those.

    Raises:
        ValueError: for none, and for an image that is not there.
    """
    checked(one)
    if not isinstance(images, slice):
        images = [whole("images", i, -one.batch, one.batch - 1) for i in images]
    found = {name: array[images] for name, array in one.arrays.items()}
    return make(one.family, found)


def repeat(one: Conditioning, times: int) -> Conditioning:
    """Each image so many times, in succession.

    Args:
        one: of B images.
        times: 1 or more.

    Returns:
        A Conditioning of B * times images.

    Raises:
        ValueError: for less than once.
    """
    times = whole("times", times, 1)
    arrays = {name: np.repeat(array, times, 0) for name, array in checked(one).arrays.items()}
    return make(one.family, arrays)


def concat(*some: Conditioning) -> Conditioning:
    """The images of one after those of another.

    Args:
        some: one or more, which may be of different numbers of images.

    Returns:
        A Conditioning of all their images.

    Raises:
        ValueError: for none at all, and for arrays of other names or shapes.
    """
    if not some:
        raise ValueError("concat needs at least one conditioning")
    for other in some:
        _alike(some[0], other)
    names = some[0].arrays
    return make(
        some[0].family, {name: np.concatenate([one.arrays[name] for one in some]) for name in names}
    )


def blend(
    begin: Conditioning, end: Conditioning, weight: float, *, spherical: bool = False
) -> Conditioning:
    """Between two: `begin` at weight 0, `end` at 1, and on beyond them for other weights.

    Arrays of floats are blended on a straight line. With `spherical`, those of vectors (B, ..., D)
    are on an arc: directions turn at an even speed, which keeps them as long as the two are, and
    lengths change in a straight line (Shoemake, "Animating rotation with quaternion curves",
    SIGGRAPH 1985). A vector of zeros, and two that are opposite, have no arc, and take the line; so
    do a picture's sizes, which are no direction.

    Args:
        begin, end: of B images each.
        weight: any finite number.
        spherical: whether vectors turn, or go straight.

    Returns:
        A Conditioning of B images.

    Raises:
        ValueError: for conditionings of other names or shapes, for whole numbers (ids, masks) that
            are not the same in both, and for a weight that is no finite number.
    """
    weight, spherical = finite("weight", weight), flag("spherical", spherical)
    _alike(begin, end)
    if begin.batch != end.batch:
        raise ValueError(f"conditionings of {begin.batch} and {end.batch} images do not blend")
    found = {}
    for name, array in begin.arrays.items():
        other = end.arrays[name]
        if array.dtype.kind != "f":
            if not np.array_equal(array, other):
                raise ValueError(f"{name} holds whole numbers, and they differ: they do not blend")
            found[name] = array
        else:
            a, b = array.astype(np.float64), other.astype(np.float64)
            arc = spherical and array.ndim > 1 and name not in Sizes._fields
            found[name] = on_arc(a, b, weight) if arc else (1 - weight) * a + weight * b
    return make(begin.family, found)


def join(*some: Conditioning) -> Conditioning:
    """The tokens of one behind those of another: a conjunction of prompts, encoded apart.

    Vectors of tokens (B, T, D) are joined, and so are numbers of tokens (B, T); whatever is one a
    prompt (pooled vectors, sizes) is the first one's.

    Args:
        some: one or more, of B images each.

    Returns:
        A Conditioning of B images and of all their tokens.

    Raises:
        ValueError: for none at all, for arrays of other names, widths or numbers of images.
    """
    if not some:
        raise ValueError("join needs at least one conditioning")
    return make(checked(some[0]).family, joined([checked(one) for one in some]))


def save(one: Conditioning, path: str | os.PathLike[str]) -> None:
    """Write it to a safetensors file, whole or not at all.

    Args:
        one: what is written.
        path: the file, which is replaced where there is one.

    Raises:
        OSError: if it cannot be written.
    """
    checked(one)
    write(one.arrays, path, {**FORMAT, "family": one.family})


def load(path: str | os.PathLike[str]) -> Conditioning:
    """Read a file that `save` wrote, bit for bit.

    Args:
        path: the file.

    Returns:
        The Conditioning.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: that names the file, if it is anything else.
    """
    versions = {FORMAT["version"]: ()}
    found, arrays = read("conditioning", path, FORMAT["format"], {}, versions, "")
    try:
        return make(found.get("family", ""), arrays)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is no conditioning of mdx: {error}") from None


def checked(one: Any) -> Conditioning:
    """The value, if it is a Conditioning; TypeError otherwise."""
    if not isinstance(one, Conditioning):
        raise TypeError(f"a mdx.Conditioning is needed, not {shown(one)}")
    return one


def _alike(one: Conditioning, other: Conditioning) -> None:
    """ValueError unless both have the same arrays but for the number of images."""
    if checked(one).family != checked(other).family:
        raise ValueError(f"conditionings for {one.family} and {other.family} do not go together")
    shapes = [{n: (a.dtype, a.shape[1:]) for n, a in c.arrays.items()} for c in (one, other)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"conditionings of other names or shapes: {one!r} and {other!r}")
