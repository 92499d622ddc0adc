"""Variations: noise between that of two seeds, and runs that begin with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import load, schedulers, variations

RANDOM = np.random.default_rng(0)
A, B = RANDOM.standard_normal((2, 3, 4, 8, 8))


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return load(tiny_checkpoint)


def test_the_ends_are_the_noises_themselves():
    np.testing.assert_array_equal(variations.between(A, B, 0.0), A)
    np.testing.assert_allclose(variations.between(A, B, 1.0), B, rtol=1e-12)


@pytest.mark.parametrize("strength", [0.1, 0.5, 0.9])
def test_each_image_goes_its_own_arc(strength):
    """By the plane that both span: the angle to each end is the share of the whole."""
    found = variations.between(A, B, strength)
    for a, b, x in zip(A, B, found, strict=True):
        one, other = a.ravel() / np.linalg.norm(a), b.ravel() / np.linalg.norm(b)
        whole = np.arccos(one @ other)
        across = other - (one @ other) * one
        across /= np.linalg.norm(across)
        angle = strength * whole
        unit = np.cos(angle) * one + np.sin(angle) * across
        # On the arc of unit vectors; the length goes between both lengths.
        weights = np.linalg.lstsq(np.stack([a.ravel(), b.ravel()]).T, x.ravel(), rcond=None)[0]
        expected = np.linalg.lstsq(np.stack([one, other]).T, unit, rcond=None)[0]
        np.testing.assert_allclose(weights, expected, rtol=1e-9)


@settings(max_examples=15)
@given(strength=st.floats(0, 1), seed=st.integers(0, 99))
def test_noise_stays_noise(strength, seed):
    """Of 4 x 64 x 64 numbers; a straight line between them would lose up to half the variance."""
    noise = np.random.default_rng(seed).standard_normal((2, 1, 4, 64, 64))
    found = variations.between(*noise, strength)
    assert abs(found.std() - 1) < 0.03


def test_one_direction_and_opposite_ones():
    np.testing.assert_allclose(variations.between(A, 2 * A, 0.5), 1.5 * A)
    assert np.isfinite(variations.between(A, -A, 0.5)).all()
    assert np.isfinite(variations.between(A, 0 * A, 0.5)).all()


def test_a_start_is_that_of_its_table(model):
    """At strength 0 what `generate` begins with; each image goes towards its own seed."""
    size = {"height": 16, "width": 24}
    state = variations.start(model, [3, 4], [8, 9], 0.0, scheduler="euler", steps=5, **size)
    table = schedulers.table(schedulers.from_config(model.scheduler, "euler"), 5)
    shape = state.slots.shape[2:]
    noise = [np.random.default_rng(seed).standard_normal(shape) for seed in (3, 4)]
    assert state.index == 0
    begun = schedulers.init(table, np.stack(noise))
    np.testing.assert_array_equal(state.slots.asnumpy(), begun.slots.asnumpy())
    both = variations.start(model, [3, 4], 8, 0.3, scheduler="euler", steps=5, **size)
    one = variations.start(model, 4, 8, 0.3, scheduler="euler", steps=5, **size)
    np.testing.assert_array_equal(both.slots.asnumpy()[:, 1:], one.slots.asnumpy())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((A, B, 1.5), "strength must lie from 0 to 1, not 1.5"),
        ((A, B, float("nan")), "strength must be a finite number"),
        ((A, B[:1], 0.5), r"noise and other must have one shape"),
        ((A * np.inf, B, 0.5), "noise holds NaN or infinity"),
        ((A.astype(int), B, 0.5), "noise must be floating point numbers"),
    ],
)
def test_what_is_between_nothing(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        variations.between(*arguments)


@pytest.mark.parametrize(
    ("seed", "other", "words"),
    [
        ([1, 2], [1, 2, 3], "other has 3 seeds for 2: give one, or one each"),
        ([], 1, "seed must be a whole number, or a list of them, not an empty one"),
        (1, -1, "other must be 0 or more, not -1"),
        (1.5, 1, "seed must be a whole number, not 1.5"),
    ],
)
def test_seeds_that_are_none(model, seed, other, words):
    with pytest.raises((ValueError, TypeError), match=words):
        variations.start(model, seed, other, 0.5)
