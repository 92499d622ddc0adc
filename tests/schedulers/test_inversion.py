"""Samplers that run from clean to noisy: one list for every property."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import levels as lv
from mdx.schedulers import testbed
from mdx.schedulers.tables import PREDICTIONS
from tests.schedulers.member import KARRAS, PLAIN, SD, Member
from tests.schedulers.members_diffusion import EPS, EXACT
from tests.schedulers.test_properties import (
    DATA,
    NARROW,
    POINTS,
    WIDE,
    assert_line,
    unit_response,
)

NAME = "dpmpp_2m_inverse"
MEMBERS = [
    Member(NAME, {**PLAIN, "solver_order": 1}, 1, 0, 1, 1, True),
    Member(NAME, PLAIN, 2, 0, 2, 2, False),
    Member(NAME, EXACT, 2, 0, 2, 2, False),
    Member(NAME, {**PLAIN, "solver_order": 3}, 3, 0, 2, 2, False, order_crowded=3),
    Member(NAME, {**PLAIN, **KARRAS}, 2, 0, 2, 2, False),
    Member(NAME, {**PLAIN, **EPS}, 2, 0, 2, 2, False),
    Member(NAME, {**PLAIN, **EPS, "solver_order": 3}, 3, 0, 2, 2, False, order_crowded=3),
]
every_member = pytest.mark.parametrize("member", MEMBERS, ids=lambda m: m.id)


@every_member
def test_facts(member):
    """Slots, calls, no noise, and levels from the first training step to the last."""
    t = schedulers.table(member.scheduler(), 10)
    assert (t.slots, t.rows) == (member.slots, 10 + member.extra_calls)
    assert not any(t.needs_noise(i) for i in range(t.rows))
    assert np.all(np.diff(t.sigma) > -1e-12)
    whole = schedulers.table(schedulers.from_config(SD, "ddim"), timesteps=[999, 0])
    np.testing.assert_allclose(t.sigma[[-1, 0]], whole.sigma[:2], rtol=1e-9)


@every_member
@settings(max_examples=12, deadline=None)
@given(
    steps=st.integers(1, 60),
    spacing=st.sampled_from(lv.SPACINGS),
    prediction=st.sampled_from(PREDICTIONS),
    data=st.data(),
)
def test_straight_line(member, steps, spacing, prediction, data):
    """Constant x0 and eps stay on the line, upwards too."""
    start = data.draw(st.integers(0, steps - 1))
    s = member.scheduler(timestep_spacing=spacing, prediction_type=prediction)
    path = assert_line(schedulers.table(s, steps, start=start), prediction)
    np.testing.assert_allclose(path[:, 1:], path[:, 1:2] * np.eye(1, path.shape[1] - 1), atol=1e-8)


@every_member
@pytest.mark.parametrize("data", DATA)
def test_order(member, data):
    """The probability flow backwards, to where it came from: the claimed order within 0.2."""
    s = schedulers.from_config(
        SD, NAME, **{k: v for k, v in member.options.items() if k not in KARRAS}
    )

    measured = partial(
        testbed.order,
        lambda ratios: schedulers.table(s, sigmas=ratios[::-1]),
        DATA[data],
        counts=(120, 168, 240, 336),
    )
    log_snr = measured(lv.exponential, **NARROW)
    assert abs(log_snr - member.order_log_snr) < 0.2, log_snr
    even = measured(np.linspace, **NARROW)
    assert abs(even - member.order_ratio) < 0.2, even
    if member.order_crowded is not None:
        # Here too the steps grow from the start of the run.
        crowded = lambda high, low, count: testbed.crowded(low, high, count)[::-1]  # noqa: E731
        full = measured(crowded, **WIDE, counts=(80, 113, 160, 226))
        assert abs(full - member.order_crowded) < 0.2, full


def test_first_order_is_ddim_backwards():
    """Of order 1, up is DDIM's step with its two levels exchanged."""
    sigmas = np.geomspace(0.05, 10.0, 2)
    up = schedulers.table(schedulers.from_config(SD, NAME, solver_order=1), sigmas=sigmas)
    down = schedulers.table(schedulers.from_config(SD, "ddim"), sigmas=sigmas[::-1])
    (a, b), (c, d) = unit_response(up)[:2], unit_response(down)[:2]
    # x and eps -> x' = a x + b eps, and back: x = c x' + d eps.
    np.testing.assert_allclose([a * c, b * c + d], [1, 0], atol=1e-12)


@every_member
def test_up_and_down(member):
    """An inversion and the sampler that undoes it are one chain; 60 steps come back.

    Seen: 0.036 with order 1, at most 0.0015 with the others.
    """
    s = schedulers.from_config(SD, NAME, **{**member.options, "use_karras_sigmas": False})
    sigmas = np.geomspace(0.05, 10.0, 61)
    up = schedulers.table(s, sigmas=sigmas)
    down = schedulers.table(schedulers.from_config(SD, "unipc"), sigmas=sigmas[::-1])
    t = schedulers.concat(up, down)
    path = testbed.run(t, testbed.perfect(t, testbed.MIXTURE), POINTS)
    first_order = member.options.get("solver_order") == 1
    assert np.abs(path[-1] - POINTS).max() < (0.04 if first_order else 0.002)


def test_families():
    s = schedulers.from_config(SD, NAME)
    assert "DPMSolverMultistepInverseScheduler" in schedulers.compatibles(s)
    assert "DPMSolverMultistepScheduler" not in schedulers.compatibles(s)
    assert s.name not in schedulers.compatibles(schedulers.from_config(SD))


S = schedulers.from_config(SD, NAME)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: schedulers.from_config(S, algorithm_type="sde-dpmsolver++"), "'sde-dpmsolver"),
        (lambda: schedulers.from_config(S, use_flow_sigmas=True), "use_flow_sigmas True"),
        (lambda: schedulers.table(S, sigmas=[10.0, 1.0]), "sigmas of an inversion must rise"),
        (lambda: schedulers.table(S, timesteps=[900, 1]), "timesteps of an inversion must rise"),
        (lambda: schedulers.table(S, sigmas=[0.0, 1.0]), "must begin above 0"),
        (
            lambda: schedulers.table(
                schedulers.from_config(S, use_karras_sigmas=True), timesteps=[1, 9]
            ),
            "use_karras_sigmas and timesteps exclude",
        ),
    ],
)
def test_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_custom_times():
    t = schedulers.table(S, timesteps=[0, 100.5, 700])
    assert t.t.tolist() == [0, 100.5, 700]
