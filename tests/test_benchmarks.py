"""benchmarks/sampler_errors.py measures what it says, and draws it."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mdx.schedulers import testbed

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import sampler_errors


@pytest.fixture
def small(monkeypatch):
    """Few calls and samples."""
    monkeypatch.setattr(sampler_errors, "CALLS", (6, 11, 24))
    monkeypatch.setattr(sampler_errors, "SAMPLES", 2000)


@pytest.mark.parametrize("level", [(1.0, 0.03), (0.6, 0.8)])
def test_quantiles(level, small):
    """Even shares of the mixture lie between them: their moments are the distribution's."""
    alpha, sigma = level
    x, data = sampler_errors.quantiles(alpha, sigma), sampler_errors.DATA
    mean = alpha * data.weights @ data.means[:, 0]
    variance = data.weights @ ((alpha * data.stds) ** 2 + (alpha * data.means[:, 0] - mean) ** 2)
    # The outermost of 2000 shares are not wide, but not points either.
    np.testing.assert_allclose(x.mean(), mean, atol=1e-4)
    np.testing.assert_allclose(x.var(), variance + sigma**2, rtol=2e-3)


@pytest.mark.parametrize(
    ("name", "calls"), [("ddim", [6, 11, 24]), ("heun", [6, 10, 24]), ("pndm", [6, 11, 24])]
)
def test_budgets_are_filled_and_not_exceeded(small, name, calls):
    assert [t.rows for t in sampler_errors.tables(name)] == calls


def test_errors_are_the_testbed_s(small):
    points = np.linspace(-2, 2, 7)[:, None]
    high, low = sampler_errors.HIGH, sampler_errors.LOW
    exact = testbed.flow(testbed.MIXTURE, points, high, low)
    calls, errors, noisy = sampler_errors.measured("euler", points, exact)
    made = sampler_errors.tables("euler")
    assert (calls, noisy) == ([6, 11, 24], False)
    expected = [testbed.error(t, testbed.MIXTURE, points * t.alpha[0]) / t.alpha[-1] for t in made]
    np.testing.assert_allclose(errors, expected, rtol=1e-9)


def test_it_draws(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sampler_errors.py", "--out", str(tmp_path / "x.png")])
    sampler_errors.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(sampler_errors.family())
    with Image.open(tmp_path / "x.png") as image:
        assert np.asarray(image).std() > 0
