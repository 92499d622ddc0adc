"""One Brownian path for any step count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import testbed
from mdx.schedulers.brownian import increments
from tests.schedulers.members import SD

SPAN = (0.0, 16.0)
clocks = st.lists(st.floats(0, 16), min_size=3, max_size=12, unique_by=lambda x: round(x, 4))


@settings(max_examples=40, deadline=None)
@given(clock=clocks, seed=st.integers(0, 2**32), data=st.data())
def test_fewer_steps_see_the_same_path(clock, seed, data):
    """Increments times the root of their clock add up, whatever readings lie between."""
    clock = np.sort(clock)[::-1]
    kept = sorted({0, len(clock) - 1, *data.draw(st.sets(st.integers(1, len(clock) - 2)))})
    fine, coarse = (increments(seed, c, (3,), span=SPAN) for c in (clock, clock[kept]))
    steps, wide = np.diff(clock), np.diff(clock[kept])
    path = np.cumsum(fine * np.sqrt(np.abs(steps))[:, None], axis=0)
    ends = np.cumsum(coarse * np.sqrt(np.abs(wide))[:, None], axis=0)
    # The clock is read to 16 / 2^24, of steps no shorter than 1e-4.
    np.testing.assert_allclose(path[np.array(kept[1:]) - 1], ends, atol=0.05)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), ticks=st.sets(st.integers(0, 2**10), min_size=3, max_size=9))
def test_sums_are_exact_on_the_grid_of_the_clock(seed, ticks):
    clock = np.array(sorted(ticks)) / 2**10
    fine, whole = (increments(seed, c, (2,), span=(0, 1)) for c in (clock, clock[[0, -1]]))
    total = np.sqrt(np.diff(clock)) @ fine
    np.testing.assert_allclose(total, np.sqrt(clock[-1] - clock[0]) * whole[0], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(clock=clocks, seed=st.integers(0, 2**32))
def test_backwards_is_the_same_path(clock, seed):
    clock = np.sort(clock)
    there, back = (increments(seed, c, (2,), span=SPAN) for c in (clock, clock[::-1]))
    np.testing.assert_array_equal(there, -back[::-1])


def test_increments_are_unit_normal_and_independent():
    """Of 40000 paths: means, variances and correlations to five standard errors."""
    clock = np.array([0.0, 0.3, 1.7, 1.9, 8.8, 15.99])
    got = increments(5, clock, (40000,), span=SPAN)
    error = 5 / np.sqrt(40000)
    np.testing.assert_allclose(got.mean(axis=1), 0, atol=error)
    np.testing.assert_allclose(np.cov(got), np.eye(5), atol=error * np.sqrt(2))
    np.testing.assert_allclose((got**4).mean(axis=1), 3, atol=error * np.sqrt(96))


def test_another_seed_is_another_path():
    one, two, again = (increments(seed, [1, 2, 3], (4,), span=SPAN) for seed in (1, 2, 1))
    assert np.all(one != two)
    np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize("clock", [[1, 2, 1], [1, 1], [-1, 2], [2, 17], [1, float("nan")]])
def test_a_clock_that_runs_badly(clock):
    with pytest.raises(ValueError, match="clock must"):
        increments(0, clock, (2,), span=SPAN)


def test_runs_of_more_steps_come_closer_on_one_path():
    """DPM++ SDE with the noise of one path converges; with fresh noise it would not."""
    s = schedulers.from_config(SD, "dpmpp_sde")
    ends = []
    for steps in (8, 16, 32, 64):
        t = schedulers.table(s, sigmas=np.geomspace(10, 0.1, steps + 1))
        clock = t.sigma / t.alpha
        noises = increments(3, clock, (500,), span=(0.05, 16.0))
        model = lambda i, x, t=t: testbed.model_output(  # noqa: E731
            "epsilon", t, i, x, 0.5 * t.alpha[i] * x / (0.5 * t.alpha[i] ** 2 + t.sigma[i] ** 2)
        )
        ends.append(testbed.run(t, model, np.full(500, 0.3), noises)[-1])
    gaps = [np.sqrt(np.mean((a - ends[-1]) ** 2)) for a in ends[:-1]]
    assert gaps[2] < gaps[1] < gaps[0]
    assert gaps[2] < 0.2 * np.std(ends[-1])
