"""The benchmarks of samplers measure what they say, and draw it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mdx.schedulers import testbed
from mdx.schedulers.samplers import SAMPLERS

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import before
import sampler_errors
import sampler_figure
import whole_loop

pytestmark = pytest.mark.benchmarks


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


def test_every_sampler_is_measured():
    """And each visits the same ratios, inversions from the other end."""
    assert [sampler.names[1] for sampler in SAMPLERS] == sampler_errors.NAMES
    for name in sampler_errors.NAMES:
        t = sampler_errors.tables(name)[-1]
        ends = (t.sigma / t.alpha)[[0, -1]]
        # A consistency model's clean is sigma_min, which its noise leaves out.
        np.testing.assert_allclose(np.sort(ends), [0.03, 14.6], rtol=3e-3, err_msg=name)
        assert (ends[0] < ends[1]) == ("inverse" in name)


@pytest.mark.parametrize("name", ["euler", "heun", "flow_euler", "ddim_inverse"])
def test_errors_are_the_testbed_s(small, name):
    calls, errors, panel = sampler_errors.measured(name)
    made = sampler_errors.tables(name)
    assert calls == [t.rows for t in made]
    assert panel.startswith("Deterministic, ")
    points, _ = sampler_errors.solution("inverse" in name)
    for t, error in zip(made, errors, strict=True):
        expected = testbed.error(t, testbed.MIXTURE, points * t.alpha[0])
        size = np.hypot(t.alpha[-1], t.sigma[-1])
        np.testing.assert_allclose(error, expected / size, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "panel"),
    [
        ("ddim", "Deterministic, one call a step"),
        ("dpm2", "Deterministic, several calls a step"),
        ("unipc", "Deterministic, remembering earlier calls"),
        ("euler_a", "With noise, one call a step"),
        ("repaint", "With noise, several calls a step"),
        ("er_sde", "With noise, remembering earlier calls"),
        ("lcm", "With noise, jumping from x0 to x0"),
    ],
)
def test_panels_are_read_off_the_tables(small, name, panel):
    assert sampler_errors.measured(name)[2] == panel


@pytest.mark.parametrize("name", ["lcm", "cm", "scm", "flow_lcm"])
def test_jumps_with_a_model_that_knows_the_end_miss_by_chance_only(small, name):
    """2000 samples lie 0.03 off; what there is of a bias would not go with more of them."""
    _, errors, _ = sampler_errors.measured(name)
    assert max(errors) < 0.06


def test_heights_are_moved_apart_and_keep_their_order():
    heights = np.array([0.0, 0.01, 0.02, 3.0, 0.015])
    sizes = np.array([0.5, 0.5, 0.5, 1.0, 0.9])
    placed = sampler_figure.apart(heights, sizes)
    in_order = np.argsort(placed)
    wide = sizes[in_order]
    assert np.all(np.diff(placed[in_order]) > (wide[1:] + wide[:-1]) / 2 - 1e-3)
    assert np.array_equal(np.argsort(placed), np.argsort(heights))
    assert placed[3] == 3.0


def test_it_draws(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sampler_errors.py", "--out", str(tmp_path / "x.png")])
    sampler_errors.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(SAMPLERS)
    with Image.open(tmp_path / "x.png") as image:
        assert np.asarray(image).std() > 0


def test_both_ways_of_looping_are_timed_and_equal(tiny_checkpoint, monkeypatch, capsys):
    arguments = ["whole_loop.py", "--steps", "3", "--batches", "1", "2", "--runs", "1"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--model", str(tiny_checkpoint)])
    whole_loop.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    for batch, (loop, graph, ratio) in zip((1, 2), (lines[:3], lines[3:]), strict=True):
        assert loop.startswith(f"batch {batch}, 3 steps, a call a step: first ")
        assert graph.startswith(f"batch {batch}, 3 steps, one graph    : first ")
        assert ratio.endswith("bitwise equal")


def test_two_checkouts_take_turns(monkeypatch, capsys, tmp_path):
    """This one against itself: the same bits, and a figure of each."""
    packaged = before.HERE / "mdx" / "checkpoints" / "shapes-64"
    work = "out = mdx.decode(model, np.ones((1, 8, 8, 8)), output='np')"
    monkeypatch.setitem(before.WORK, "load", work)
    arguments = ["--checkpoint", packaged, "--runs", 2, "--rows", "load", "--json", tmp_path / "x"]
    monkeypatch.setattr("sys.argv", [str(a) for a in ("before.py", before.HERE, *arguments)])
    before.main()
    found = json.loads((tmp_path / "x").read_text())["load"]
    assert found["same bits"]
    assert [len(found["seconds"][side]) for side in ("before", "now")] == [2, 2]
    assert min(found["peaks"].values()) > 10**8
    assert "load" in capsys.readouterr().out
