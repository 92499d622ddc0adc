"""What is particular to samplers that run from clean to noisy; they are members like the others."""

import numpy as np
import pytest

from mdx import schedulers
from mdx.schedulers import testbed
from tests.schedulers.members import LEVELS, MEMBERS, SD
from tests.schedulers.test_properties import POINTS, unit_response

NAME = "dpmpp_2m_inverse"
UPWARD = [member for member in MEMBERS if member.upward and not member.bounded]
every_upward = pytest.mark.parametrize("member", UPWARD, ids=lambda m: m.id)


@pytest.mark.parametrize("member", MEMBERS, ids=lambda m: m.id)
def test_which_way(member):
    """Noise grows on the way of those that the list calls upward, and of no others."""
    t = schedulers.table(member.scheduler(), 10)
    ratio = t.alpha / np.hypot(t.alpha, t.sigma)  # falls as noise grows
    assert (ratio[-1] < ratio[0]) == member.upward


@every_upward
def test_levels_of_the_caller_are_noisy_to_clean(member):
    """One rule for every sampler: an inversion walks the same levels from their other end."""
    own = {k: v for k, v in member.options.items() if k not in LEVELS}
    s = schedulers.from_config(SD, member.name, **own)
    sigmas = np.geomspace(10.0, 0.05, 9)
    t = schedulers.table(s, sigmas=sigmas)
    np.testing.assert_allclose(t.sigma / t.alpha, sigmas[::-1])
    times = [900.0, 500.5, 20.0]
    t = schedulers.table(s, timesteps=times)
    assert t.rows == 3
    np.testing.assert_allclose(np.sort(t.t), times[::-1])
    for bad in ({"timesteps": times[::-1]}, {"sigmas": sigmas[::-1]}):
        with pytest.raises(ValueError, match="must fall strictly"):
            schedulers.table(s, **bad)


def test_levels_from_the_first_training_step_to_the_last():
    t = schedulers.table(schedulers.from_config(SD, NAME), 10)
    whole = schedulers.table(schedulers.from_config(SD, "ddim"), timesteps=[999, 0])
    np.testing.assert_allclose(t.sigma[[-1, 0]], whole.sigma[:2], rtol=1e-9)


def test_first_order_is_ddim_backwards():
    """Of order 1, up is DDIM's step with its two levels exchanged."""
    sigmas = np.geomspace(10.0, 0.05, 2)
    up = schedulers.table(schedulers.from_config(SD, NAME, solver_order=1), sigmas=sigmas)
    down = schedulers.table(schedulers.from_config(SD, "ddim"), sigmas=sigmas)
    (a, b), (c, d) = unit_response(up)[:2], unit_response(down)[:2]
    # x and eps -> x' = a x + b eps, and back: x = c x' + d eps.
    np.testing.assert_allclose([a * c, b * c + d], [1, 0], atol=1e-12)


@every_upward
def test_up_and_down(member):
    """An inversion and the sampler that undoes it are one chain; 60 steps come back.

    Seen: 0.036 with order 1, at most 0.0015 with the others.
    """
    own = {k: v for k, v in member.options.items() if k not in LEVELS}
    sigmas = np.geomspace(10.0, 0.05, 61)
    up = schedulers.table(schedulers.from_config(SD, member.name, **own), sigmas=sigmas)
    down = schedulers.table(schedulers.from_config(SD, "unipc"), sigmas=sigmas)
    t = schedulers.concat(up, down)
    path = testbed.run(t, testbed.exact_model(t, testbed.MIXTURE), POINTS)
    assert np.abs(path[-1] - POINTS).max() < (0.04 if member.order_log_snr == 1 else 0.002)


def test_families():
    s = schedulers.from_config(SD, NAME)
    assert "DPMSolverMultistepInverseScheduler" in schedulers.compatibles(s)
    assert "DPMSolverMultistepScheduler" not in schedulers.compatibles(s)
    assert s.name not in schedulers.compatibles(schedulers.from_config(SD))


S = schedulers.from_config(SD, NAME)
FLOW = schedulers.from_config(S, use_flow_sigmas=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: schedulers.from_config(S, algorithm_type="sde-dpmsolver++"), "'sde-dpmsolver"),
        (lambda: schedulers.table(S, sigmas=[1.0, 0.0]), "must end above 0"),
        (lambda: schedulers.table(FLOW, sigmas=[1.0, 0.0]), "must end above 0"),
        (
            lambda: schedulers.table(
                schedulers.from_config(S, use_karras_sigmas=True), timesteps=[9, 1]
            ),
            "use_karras_sigmas and timesteps exclude",
        ),
    ],
)
def test_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
