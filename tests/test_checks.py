"""Checks that several modules share."""

import pytest

from mdx.checks import did_you_mean
from mdx.schedulers.samplers import SAMPLERS

NAMES = [name for sampler in SAMPLERS for name in sampler.names]
NEAR = {
    "eular": "euler",
    "Euler": "euler",
    "dpmpp-2m": "dpmpp_2m",
    "dpm++_2m": "dpmpp_2m",
    "DDIMSchedular": "DDIMScheduler",
    "EulerDiscrete": "EulerDiscreteScheduler",
}


@pytest.mark.parametrize(("name", "meant"), NEAR.items())
def test_the_nearest_name_is_asked_for(name, meant):
    assert did_you_mean(name, NAMES) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize("name", ["zebra", "", "e" * 10**6, None, 3, ["euler"]])
def test_what_is_like_no_name_is_not_guessed_at(name):
    assert did_you_mean(name, NAMES) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_name_itself_is_the_nearest(name):
    assert did_you_mean(name, NAMES) == f"; did you mean {name!r}?"
