"""The benchmarks of samplers and of plans measure what they say, and draw it."""

import json
import math
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mdx.memory_figures import Counts
from mdx.schedulers import testbed
from mdx.schedulers.samplers import SAMPLERS
from tests import single_files

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import before
import file_info
import plan_check
import plan_fit
import plan_settings
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


def test_figures_are_fitted_from_above_and_close():
    """Of things that overlap, each known to 5% only: no plan below its peak, none far above.

    A sample's peak is the larger of two moments, and nothing says of which.
    """
    random = np.random.default_rng(0)
    count = len(plan_fit.LEAST)
    free = np.isinf(plan_fit.MOST)
    true = np.abs(random.standard_normal(count)) * 10.0 ** random.integers(0, 9, count)
    true = np.where(free, np.maximum(true, plan_fit.LEAST), plan_fit.LEAST)
    samples = []
    for _ in range(80):
        counts = random.integers(0, 3, (2, count)) * random.uniform(0.5, 1.0, (2, count))
        weights = true @ counts.T / 3 * random.uniform(0, 1, 2)
        moments = [
            plan_fit.Moment(int(w), Counts(*c)) for w, c in zip(weights, counts, strict=True)
        ]
        peak = 1000 + max(weights + true @ counts.T) * random.uniform(0.95, 1.0)
        samples.append(plan_fit.Sample(tuple(moments), 1000, int(peak)))
    found = plan_fit.fitted(samples)
    assert all(value >= least for value, least in zip(found, plan_fit.LEAST, strict=True))
    ratios = [one.peak / plan_fit.planned(found, one) for one in samples]
    assert 0.85 < min(ratios) <= max(ratios) <= 1 / plan_fit.MARGIN + 1e-6


@pytest.mark.parametrize("name", plan_settings.SIZES)
def test_settings_are_random_and_can_be_run(name):
    found = list(plan_settings.settings(name, 50, 3))
    assert found[:10] == list(islice(plan_settings.settings(name, 10, 3), 10))
    assert found[:10] != list(plan_settings.settings(name, 10, 4))
    assert len(set(found)) > 40
    for one in found:
        assert one.batch == 1 or one.batch * one.height * one.width <= plan_settings.MOST[name]
        assert not (one.one_graph and (one.memory.weights == "stage" or name != "packaged"))
        run = json.loads(json.dumps(plan_settings.as_json(one, [plan_settings.Peaks(1, 2, 3)])))
        assert plan_settings.from_json(run) == (one, [plan_settings.Peaks(1, 2, 3)])
    assert {one.memory.weights for one in found} == {"all", "net", "stage"}


@pytest.mark.parametrize(("share", "status"), [(0.9, 0), (0.8, 1), (1.01, 1)])
def test_plans_are_held_against_runs(share, status, monkeypatch, tmp_path, capsys):
    def measured(setting, scratch, times):
        peak = share * plan_check.plan_of(setting, scratch).peak
        return [plan_settings.Peaks(1, int(peak), 2)] * times

    monkeypatch.setattr(plan_settings, "measured", measured)
    monkeypatch.setattr(plan_check, "CHECKED", tmp_path / "plan_checked.json")
    monkeypatch.setattr(sys, "argv", ["plan_check.py", "--packaged", "3", "--sd15", "0"])
    assert plan_check.main() == status
    text = (tmp_path / "plan_checked.md").read_text()
    assert capsys.readouterr().out.endswith(f"{text}\n")
    assert text.count(f"| {share:.2f} | {share:.2f} |") == 3
    monkeypatch.setattr(sys, "argv", ["plan_check.py", "--show"])
    assert plan_check.main() == status
    assert (tmp_path / "plan_checked.md").read_text() == text


def test_what_is_told_of_is_a_real_file_but_for_its_numbers(tmp_path):
    assert file_info.shapes() == single_files.shapes("SDXL")
    file = tmp_path / "large.safetensors"
    assert file_info.write(file) == file.stat().st_size > 6.9e9
    title, parameters, seconds = file_info.told(file)
    assert (title, parameters) == ("SDXL", sum(map(math.prod, file_info.shapes().values())))
    assert seconds > 0
