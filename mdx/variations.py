"""Pictures near another one: runs that begin with noise between that of two seeds.

Noise of many numbers lies near a sphere, and a model knows no other: between two points of it one
goes along the sphere (Shoemake, SIGGRAPH 1985), as A1111 does for its variation seeds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdx import run_shapes, run_tables, schedulers
from mdx.checks import array_of, entries, finite, whole
from mdx.families import Model, check_model
from mdx.request import generator
from mdx.schedulers import Scheduler, State, Table

__all__ = ["between", "start"]


def between(
    noise: NDArray[np.floating], other: NDArray[np.floating], strength: float
) -> NDArray[np.float64]:
    """Noise that lies between two noises, along the sphere.

    Args:
        noise: (B, ...), what it is at strength 0.
        other: likewise, what it is at strength 1.
        strength: how far it goes, from 0 to 1.

    Returns:
        float64 (B, ...); each image goes its own angle.

    Raises:
        ValueError, TypeError: for arrays of different shapes or that are not finite, and for a
            strength beyond 0 and 1.
    """
    share = finite("strength", strength)
    if not 0 <= share <= 1:
        raise ValueError(f"strength must lie from 0 to 1, not {share:g}")
    a, b = _numbers("noise", noise), _numbers("other", other)
    if a.shape != b.shape:
        raise ValueError(f"noise and other must have one shape, not {a.shape} and {b.shape}")
    axes = tuple(range(1, a.ndim))
    lengths = np.sqrt(np.sum(a * a, axes, keepdims=True) * np.sum(b * b, axes, keepdims=True))
    cosine = np.sum(a * b, axes, keepdims=True) / np.where(lengths > 0, lengths, 1)
    angle = np.arccos(np.clip(cosine, -1, 1))
    sine = np.sin(angle)
    # Of one direction, or of opposite ones, there is no plane to turn in: a straight line is left.
    turns = sine > 1e-6
    safe = np.where(turns, sine, 1)
    kept = np.where(turns, np.sin((1 - share) * angle) / safe, 1 - share)
    taken = np.where(turns, np.sin(share * angle) / safe, share)
    return kept * a + taken * b


def start(
    model: Model,
    seed: int | Sequence[int],
    other: int | Sequence[int],
    strength: float,
    *,
    scheduler: str | Scheduler | Table | None = None,
    steps: int | None = None,
    height: int | None = None,
    width: int | None = None,
) -> State:
    """What a run of `generate` begins with, whose noise lies between that of two seeds.

    With `generate(model, prompt, seed=seed, start=start(model, seed, other, 0.1))` a picture is
    near that of `seed`; at strength 0 it is that one, bit for bit. A sampler's own noise comes of
    `generate`'s seed. A1111 has an angle for each column of the noise; here a picture has one.

    Args:
        model: what `load` returned.
        seed: of the pictures, one or a list.
        other: the seed to go towards: one for all pictures, or a list of one each.
        strength: how far, from 0 to 1.
        scheduler, steps, height, width: as `generate` is given them.

    Returns:
        The State, for `generate`'s start.

    Raises:
        ValueError, TypeError: by the argument's name, for what does not fit.
    """
    check_model(model)
    seeds, others = _seeds("seed", seed), _seeds("other", other)
    if len(others) not in (1, len(seeds)):
        raise ValueError(f"other has {len(others)} seeds for {len(seeds)}: give one, or one each")
    shape = run_shapes.shape(model, height, width, run_shapes.trained(model))
    [table] = run_tables.made(model, [scheduler], steps, len(seeds))
    noise, towards = (
        np.stack([generator(one).standard_normal(shape) for one in found])
        for found in (seeds, others * (len(seeds) // len(others)))
    )
    return schedulers.init(table, between(noise, towards, strength))


def _seeds(name: str, value: Any) -> list[int]:
    listed = entries(value)
    given = [value] if listed is None else listed
    if not given:
        raise ValueError(f"{name} must be a whole number, or a list of them, not an empty one")
    return [whole(name, one, 0, None) for one in given]


def _numbers(name: str, value: Any) -> NDArray[np.float64]:
    array = array_of(name, value)
    if array.dtype.kind != "f" or array.ndim < 1:
        raise TypeError(f"{name} must be floating point numbers (B, ...), not {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return array.astype(np.float64)
