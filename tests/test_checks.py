"""Checks that several modules share."""

import numpy as np
import pytest

from mdx.checks import bytes_of, did_you_mean, shown
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


@pytest.mark.parametrize(
    ("budget", "count"),
    [
        ("6GB", 6_000_000_000),
        ("1.5 GB", 1_500_000_000),
        ("2GiB", 2**31),
        (np.int64(7), 7),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_a_budget_in_bytes(budget, count):
    assert bytes_of(budget) == count


@pytest.mark.parametrize(
    "budget",
    ["0GB", "0.0000001kB", "9" * 400 + "GB", "9" * 15 + "GB", "٣GB", "6", True, 0, -1, 2**63, 1.5],
)
def test_what_is_no_budget(budget):
    with pytest.raises(ValueError, match="a budget is a number of bytes, or text such as"):
        bytes_of(budget)


nested: list = []
for _ in range(10**5):
    nested = [nested]


@pytest.mark.parametrize(
    "value",
    ["a" * 10**6, 10**5000, nested, list(range(10**5))],
    ids=["text", "number", "nested", "list"],
)
def test_a_value_is_shown_in_short(value):
    assert len(shown(value)) < 120
