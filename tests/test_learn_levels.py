"""examples/learn_levels.py: its derivatives are right, and what it learns is worth having."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import learn_levels

pytestmark = pytest.mark.docs


def test_levels_and_weights_are_inverse():
    levels = learn_levels.lv.karras(learn_levels.HIGH, learn_levels.LOW, 9)
    np.testing.assert_allclose(learn_levels.descent(learn_levels.weights_of(levels)), levels)
    # Only shares count, however large their logarithms are.
    weights = learn_levels.weights_of(levels) + 1000
    np.testing.assert_allclose(learn_levels.descent(weights), levels)


def test_derivatives():
    """Central differences at the example's width against those extrapolated to no width."""
    task = learn_levels.task(np.linspace(-2, 2, 9))
    weights = learn_levels.weights_of(learn_levels.lv.karras(14.6, 0.03, 6))

    def slope(delta):
        both = [learn_levels.descent(weights + d * delta * np.eye(5)[0]) for d in (1, -1)]
        up, down = learn_levels.misses("dpmpp_2m", both, task)
        return (up - down) / (2 * delta)

    # Errors of a central difference fall with the square of its width.
    extrapolated = (4 * slope(1e-3) - slope(2e-3)) / 3
    np.testing.assert_allclose(slope(learn_levels.DELTA), extrapolated, atol=1e-9)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "lms"])
def test_three_rounds_beat_both_spacings(sampler):
    """At equal calls, between equal ends, on points that were not learned from."""
    told = []
    found = learn_levels.compare(sampler, 8, 3, told.append)
    assert len(told) == 3
    missed = {name: miss for name, (miss, _) in found.items()}
    assert missed["learned"] < 0.5 * min(missed["Karras"], missed["even log-SNR"]), missed
    for _, levels in found.values():
        assert len(levels) == 9
        assert np.all(np.diff(levels) < 0)
        np.testing.assert_allclose(levels[[0, -1]], [14.6, 0.03])
