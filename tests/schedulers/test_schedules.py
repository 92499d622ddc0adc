"""Schedules by name: each against its rule written otherwise, and runs of samplers along them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mdx.schedulers import from_config, levels, noise, table
from mdx.schedulers.samplers import SAMPLERS
from mdx.schedulers.schedules import SCHEDULES

BASE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
RATIO = levels.ratios(noise.alphas_cumprod(noise.betas("scaled_linear", 1000, 0.00085, 0.012)))
SCHEDULED = [one.names[1] for one in SAMPLERS if "schedule" in one.defaults]


def at(t):
    """The ratio at a time, between two training steps by the logarithm."""
    low = min(int(t), 998)
    return RATIO[low] ** (1 - (t - low)) * RATIO[low + 1] ** (t - low)


# The rules step by step, in the words of those who use them.


def normal(n):
    return [at(999 - 999 * i / (n - 1)) if n > 1 else at(999) for i in range(n)]


def simple(n):
    return [RATIO[-(1 + int(i * (1000 / n)))] for i in range(n)]


def sgm_uniform(n):
    return [at(999 - 999 * i / n) for i in range(n)]


def ddim_uniform(n):
    found, at_step = [], 1
    while at_step < 1000:
        found.append(RATIO[at_step])
        at_step += max(1000 // n, 1)
    return found[::-1]


def beta(n):
    found = []
    for i in range(n):
        step = int(np.rint(stats.beta.ppf(1 - i / n, 0.6, 0.6) * 999))
        if not found or found[-1] != step:
            found.append(step)
    return [RATIO[step] for step in found]


def karras(n):
    low, high = RATIO[0] ** (1 / 7), RATIO[-1] ** (1 / 7)
    return [(high + i / max(n - 1, 1) * (low - high)) ** 7 for i in range(n)]


def exponential(n):
    return [RATIO[-1] * (RATIO[0] / RATIO[-1]) ** (i / max(n - 1, 1)) for i in range(n)]


def kl_optimal(n):
    share = [i / max(n - 1, 1) for i in range(n)]
    return [np.tan(s * np.arctan(RATIO[0]) + (1 - s) * np.arctan(RATIO[-1])) for s in share]


def beta_sigmas(n):
    share = [stats.beta.ppf(1 - i / max(n - 1, 1), 0.6, 0.6) for i in range(n)]
    return [RATIO[0] + s * (RATIO[-1] - RATIO[0]) for s in share]


RULES = (
    normal, simple, sgm_uniform, ddim_uniform, beta, karras, exponential, kl_optimal, beta_sigmas,
)  # fmt: skip


def test_each_schedule_has_a_rule_here():
    assert [rule.__name__ for rule in RULES] == list(SCHEDULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_is_its_rule(rule):
    for n in (1, 2, 3, 4, 7, 8, 20, 25, 30, 33, 50, 99, 200):
        np.testing.assert_allclose(SCHEDULES[rule.__name__](RATIO, n), rule(n), rtol=1e-12)


def test_numbers_that_users_of_the_rules_know():
    """Of Stable Diffusion with 20 steps, as ComfyUI prints them."""
    found = table(from_config(BASE, "euler", schedule="normal"), 20)
    np.testing.assert_allclose(found.sigma[0] / found.alpha[0], 14.6146, atol=1e-4)
    np.testing.assert_allclose(found.sigma[-2] / found.alpha[-2], 0.0292, atol=1e-4)
    np.testing.assert_allclose(
        table(from_config(BASE, "euler", schedule="simple"), 4).t, [999, 749, 499, 249]
    )
    assert table(from_config(BASE, "euler", schedule="ddim_uniform"), 30).rows == 31
    assert table(from_config(BASE, "euler", schedule="beta"), 200).rows < 200


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(SCHEDULED),
    schedule=st.sampled_from(list(SCHEDULES)),
    steps=st.integers(1, 60),
    discard=st.booleans(),
)
def test_a_run_along_a_schedule_is_one_along_its_numbers(name, schedule, steps, discard):
    """Bit for bit, for every sampler that has the option; it falls strictly, and ends clean."""
    own = {"schedule": schedule, "discard_penultimate": discard}
    found = table(from_config(BASE, name, **own), steps)
    ratios = SCHEDULES[schedule](RATIO, steps + discard)
    ratios = ratios[:-1] if discard else ratios
    assert found == table(from_config(BASE, name), sigmas=[*ratios, 0.0])
    assert np.all(np.diff(ratios) < 0)
    assert found.sigma[-1] == 0
    np.testing.assert_allclose(found.sigma[0] / found.alpha[0], ratios[0], rtol=1e-9)


def test_a_run_may_begin_late():
    whole = table(from_config(BASE, "euler", schedule="karras"), 10)
    late = table(from_config(BASE, "euler", schedule="karras"), 10, start=4)
    np.testing.assert_array_equal(late.sigma, whole.sigma[4:])


def test_pure_noise_has_a_time():
    """Where the last training step holds no signal, its time is what the model is told."""
    for name in ("ddim", "euler", "dpmpp_2m"):
        own = from_config(BASE, name, schedule="simple", rescale_betas_zero_snr=True)
        found = table(own, 4)
        np.testing.assert_allclose(found.t, [999, 749, 499, 249], atol=1e-9)
        assert found.alpha[0] < 3e-4


@pytest.mark.parametrize(
    ("options", "asked", "words"),
    [
        ({"use_karras_sigmas": True}, {"steps": 5}, "schedule and use_karras_sigmas exclude"),
        ({}, {"sigmas": [3.0, 1.0, 0.0]}, "schedule and sigmas exclude each other"),
        ({}, {"timesteps": [500, 20]}, "schedule and timesteps exclude each other"),
        ({"schedule": None, "discard_penultimate": True}, {"steps": 5}, "is of a schedule: give"),
    ],
)
def test_two_choices_of_levels(options, asked, words):
    with pytest.raises(ValueError, match=words):
        table(from_config(BASE, "euler", **{"schedule": "simple", **options}), **asked)


@pytest.mark.parametrize("name", ["deis", "sa_solver", "edm_euler", "flow_euler", "ddim_inverse"])
def test_who_goes_by_no_schedule(name):
    with pytest.raises(ValueError, match="has no option schedule"):
        from_config({}, name, schedule="simple")


def test_a_schedule_that_there_is_not():
    with pytest.raises(ValueError, match="schedule 'sgm' is not supported, only"):
        from_config(BASE, "euler", schedule="sgm")
