"""What is particular to the samplers made for one kind of model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import testbed, wuerstchen
from mdx.schedulers.repaint import jumps
from mdx.schedulers.sde_ve import corrected
from tests.schedulers.members import SD


@settings(max_examples=60, deadline=None)
@given(steps=st.integers(1, 60), length=st.integers(1, 12), count=st.integers(1, 5))
def test_jumps(steps, length, count):
    """One level down a call, `length` up in a jump; each level of a jump is left `count` times."""
    path = jumps(steps, length, count)
    assert path[0] == steps
    assert path[-1] == 1
    moves = np.diff([*path, 0])
    assert set(moves) <= {-1, length - 1}
    places = len(range(0, steps - length, length))
    assert len(path) == steps + places * (count - 1) * length
    if length > 1:
        assert np.sum(moves == length - 1) == places * (count - 1)


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(2, 30), length=st.integers(1, 6), eta=st.floats(0, 1))
def test_repaint_keeps_a_known_picture(steps, length, eta):
    """A mask over everything: after each row the sample is the picture, noised to its level."""
    s = schedulers.from_config(SD, "repaint", jump_length=length, jump_n_sample=2, eta=eta)
    t = schedulers.table(s, steps)
    picture, rng = np.linspace(-1, 1, 5), np.random.default_rng(0)
    slots = testbed.start(t, rng.normal(size=5))
    for i in range(t.rows):
        slots = testbed.row(t, i, slots, rng.normal(size=5), rng.normal(size=5))
        fresh = rng.normal(size=5)
        slots[0] = t.alpha[i + 1] * picture + t.sigma[i + 1] * fresh
    np.testing.assert_allclose(slots[0], picture * t.alpha[-1] + t.sigma[-1] * fresh)


def test_repaint_without_jumps_is_ddim():
    for eta in (0.0, 1.0):
        a, b = (
            schedulers.table(schedulers.from_config(SD, name, eta=eta, **own), 12)
            for name, own in (("repaint", {"jump_n_sample": 1}), ("ddim", {}))
        )
        np.testing.assert_allclose(a.mix[:-1], b.mix[:-1], atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(t=st.floats(0.02, 0.98), scaler=st.floats(0.4, 3), offset=st.floats(0.001, 0.05))
def test_wuerstchen_times_and_levels(t, scaler, offset):
    """The time of a level leads back to it, and more time is more noise."""
    share = wuerstchen.kept(np.array([t]), offset, scaler)
    if wuerstchen.LEAST < share[0] < wuerstchen.MOST:
        np.testing.assert_allclose(wuerstchen.times(share, offset, scaler), t, rtol=1e-6)
    assert wuerstchen.kept(np.array([t + 0.01]), offset, scaler) <= share


def test_wuerstchen_ends_without_noise():
    t = schedulers.table(schedulers.from_config({}, "wuerstchen"), 10)
    assert not t.needs_noise(9)
    assert t.needs_noise(8)
    assert t.sigma[-1] == pytest.approx(0.01)


def test_cogvideox_ddim_is_ddim_on_shifted_betas():
    """Without a shift, CogVideoX's DDIM is DDIM."""
    a, b = (
        schedulers.table(schedulers.from_config(SD, name, **own), 12)
        for name, own in (("cogvideox_ddim", {"snr_shift_scale": 1.0}), ("ddim", {}))
    )
    np.testing.assert_allclose(testbed.response(a), testbed.response(b), atol=1e-12)
    shifted = schedulers.table(schedulers.from_config(SD, "cogvideox_ddim"), 12)
    noisier, plain = ((t.sigma / t.alpha)[:-1] ** 2 for t in (shifted, b))
    np.testing.assert_allclose(noisier, 3 * plain)


def test_cogvideox_at_zero_snr():
    own = {
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
        "prediction_type": "v_prediction",
    }
    for name in ("cogvideox_ddim", "cogvideox_dpm"):
        t = schedulers.table(schedulers.from_config(SD, name, **own), 9)
        assert t.alpha[0] == 0
        assert np.all(np.isfinite(t.mix))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), snr=st.floats(0.01, 1), batch=st.integers(1, 4))
def test_langevin_step_has_the_ratio_it_is_told(seed, snr, batch):
    """arXiv 2011.13456, algorithm 4: score times step over noise times root of 2 step is snr."""
    rng = np.random.default_rng(seed)
    x, score, noise = rng.normal(size=(3, batch, 2, 4, 4))
    score = 7 * score
    moved = corrected(x, score, noise, snr=snr) - x
    size = lambda a: np.linalg.norm(a.reshape(batch, -1), axis=1).mean()  # noqa: E731
    step = 2 * (snr * size(noise) / size(score)) ** 2
    np.testing.assert_allclose(moved - np.sqrt(2 * step) * noise, step * score, atol=1e-12)
    np.testing.assert_allclose(size(step * score) / size(np.sqrt(2 * step) * noise), snr, rtol=1e-9)
