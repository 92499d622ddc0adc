"""The testbed's formulas, against plain integrals and against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import testbed
from mdx.schedulers.ddim import ddim
from mdx.schedulers.levels import Levels
from mdx.schedulers.runs import Run, on_grid, training
from mdx.schedulers.tables import trace
from tests.schedulers.member import linear, unasked
from tests.schedulers.members import IDS, MEMBERS, SD

PLANE = testbed.normals([[-1.0, 0.5], [1.5, 0.0]], [0.4, 0.8], [0.25, 0.75])
DATA = {"normal": testbed.NORMAL, "mixture": testbed.MIXTURE, "plane": PLANE}
every_data = pytest.mark.parametrize("data", DATA.values(), ids=DATA)
every_member = pytest.mark.parametrize("member", MEMBERS, ids=IDS)
levels = st.floats(0.02, 0.999)


def points(data, count=16, seed=0):
    return np.random.default_rng(seed).normal(size=(count, data.means.shape[1]))


@pytest.mark.parametrize("data", [testbed.NORMAL, testbed.MIXTURE], ids=["normal", "mixture"])
@settings(max_examples=25, deadline=None)
@given(alpha=levels)
def test_denoised_is_the_integral(data, alpha):
    """E[x0 | x] by summing over x0: the trapezoid rule is exact to rounding for such densities."""
    sigma = np.sqrt(1 - alpha**2)
    x, x0 = points(data), np.linspace(-8, 8, 6001)
    prior = np.sum(
        data.weights / data.stds * np.exp(-(((x0[:, None] - data.means.T) / data.stds) ** 2) / 2),
        axis=1,
    )
    weight = prior * np.exp(-(((x - alpha * x0) / sigma) ** 2) / 2)
    expected = weight @ x0 / weight.sum(1)
    np.testing.assert_allclose(testbed.denoised(data, alpha, sigma, x)[:, 0], expected, atol=1e-9)


@every_data
@settings(max_examples=25, deadline=None)
@given(alpha=levels)
def test_score_and_denoised_say_the_same(data, alpha):
    """Tweedie's formula."""
    sigma, x = np.sqrt(1 - alpha**2), points(data)
    known = (alpha * testbed.denoised(data, alpha, sigma, x) - x) / sigma**2
    np.testing.assert_allclose(testbed.score(data, alpha, sigma, x), known, rtol=1e-8, atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(high=st.floats(0.1, 100), share=st.floats(0, 0.99))
def test_flow_of_a_normal_is_known(high, share):
    """y keeps its place between the quantiles: (y - mean) / sqrt(std^2 + r^2) is constant."""
    low, y = high * share, 3 * points(testbed.NORMAL)
    mean, std = testbed.NORMAL.means[0], testbed.NORMAL.stds[0]
    expected = mean + (y - mean) * np.hypot(std, low) / np.hypot(std, high)
    np.testing.assert_allclose(testbed.flow(testbed.NORMAL, y, high, low), expected, rtol=1e-9)


@every_data
def test_flow_is_converged(data):
    """Twice the steps change nothing that an order of convergence would see."""
    y = 15 * points(data)
    fine = testbed.flow(data, y, 15.0, 0.0, steps=2000)
    np.testing.assert_allclose(testbed.flow(data, y, 15.0, 0.0), fine, atol=1e-10)


@every_data
def test_flow_there_and_back(data):
    y = points(data)
    back = testbed.flow(data, testbed.flow(data, y, 0.02, 10.0), 10.0, 0.02)
    np.testing.assert_allclose(back, y, atol=1e-9)


@every_member
def test_error_falls(member):
    """Four times the steps: at most half the error. Random samplers have none to be measured,
    and none is where a run begins without signal. A bound on x0 is below these data, and left out.
    """
    few, many = (linear(schedulers.table(member.scheduler(), steps)) for steps in (10, 40))
    x = points(PLANE)
    if member.stochastic or few.alpha[0] == 0:
        with pytest.raises(ValueError, match="adds noise" if member.stochastic else "no signal"):
            testbed.error(few, PLANE, x)
        return
    assert testbed.error(many, PLANE, x) < testbed.error(few, PLANE, x) / 2


def test_a_stack_is_its_tables():
    """One call for all members, of unequal length: rows and errors are those of each alone."""
    tables = [unasked(schedulers.table(m.scheduler(), 3 + i % 4)) for i, m in enumerate(MEMBERS)]
    stacked = schedulers.stack(tables)
    x = np.stack([points(PLANE, seed=b % 3) for b in range(len(tables))])
    fresh = np.random.default_rng(1).normal(size=(stacked.rows, *x.shape))
    ends = testbed.run(stacked, testbed.exact_model(stacked, PLANE), x, fresh)[-1]
    for b, t in enumerate(tables):
        solo = testbed.run(t, testbed.exact_model(t, PLANE), x[b], fresh[:, b])[-1]
        np.testing.assert_allclose(ends[b], solo, rtol=1e-12, atol=1e-12)
    calm = [t for t in tables if not t.stochastic and t.alpha[0] > 0]
    errors = testbed.error(schedulers.stack(calm), PLANE, x[: len(calm)])
    expected = [testbed.error(t, PLANE, x[b]) for b, t in enumerate(calm)]
    np.testing.assert_allclose(errors, expected, rtol=1e-9)


def test_ddim_there_and_back():
    """DDIM over the levels reversed takes data to noise; its misses fall as order 1."""
    s = schedulers.from_config(SD, "ddim")
    counts, missed, x = (25, 50, 100, 200), [], points(testbed.MIXTURE) / 2
    for steps in counts:
        visited = on_grid(s.config, training(s.config), Run(steps, None, None, 0))
        back = Levels(*(part[::-1] for part in visited))
        there, again = (trace(ddim(way), "epsilon") for way in (back, visited))
        noise = testbed.run(there, testbed.exact_model(there, testbed.MIXTURE), x)[-1]
        assert there.sigma[-1] > 0.99
        end = testbed.run(again, testbed.exact_model(again, testbed.MIXTURE), noise)[-1]
        missed.append(np.linalg.norm(end - x))
    order = -np.polyfit(np.log(counts), np.log(missed), 1)[0]
    assert abs(order - 1) < 0.2, (order, missed)


def test_ddim_there_and_back_on_a_line():
    """A model that always sees the same noise: there and back is the identity."""
    s = schedulers.from_config(SD, "ddim")
    visited = on_grid(s.config, training(s.config), Run(13, None, None, 0))
    back = Levels(*(part[::-1] for part in visited))
    there, again = (trace(ddim(way), "epsilon") for way in (back, visited))
    x, eps = points(testbed.NORMAL), points(testbed.NORMAL, seed=1)
    noise = testbed.run(there, lambda *_: eps, x)[-1]
    np.testing.assert_allclose(testbed.run(again, lambda *_: eps, noise)[-1], x, atol=1e-12)


T = schedulers.table(schedulers.from_config(SD, "ddim"), 3)
NOISY = schedulers.table(schedulers.from_config(SD, "ddpm"), 3)
DARK = schedulers.table(
    schedulers.from_config(
        SD, "ddim", rescale_betas_zero_snr=True, prediction_type="v_prediction",
        timestep_spacing="trailing",
    ),
    3,
)  # fmt: skip
X = points(testbed.NORMAL)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: testbed.normals([0.0], [1.0]), "cannot have shapes"),
        (lambda: testbed.normals([[0.0]], [1.0, 2.0]), "cannot have shapes"),
        (lambda: testbed.normals([[0.0]], [0.0]), "stds must be positive"),
        (lambda: testbed.normals([[0.0], [1.0]], [1.0, 1.0], [0.5, 0.6]), "with sum 1"),
        (lambda: testbed.normals([[0.0], [1.0]], [1.0, 1.0], [1.5, -0.5]), "with sum 1"),
        (lambda: testbed.model_output("noise", T, 0, X, X), "'noise' is not one of epsilon"),
        (lambda: testbed.run(NOISY, lambda i, x: x, X), "row 0 adds noise, and none was given"),
        (lambda: testbed.run(schedulers.stack([T, T]), lambda i, x: x, X), "a batch of 2, not"),
        (lambda: testbed.error(NOISY, testbed.NORMAL, X), "follow no single solution"),
        (lambda: testbed.error(DARK, testbed.NORMAL, X), "no signal"),
    ],
)
def test_bad_calls(call, words):
    with pytest.raises(ValueError, match=words):
        call()
