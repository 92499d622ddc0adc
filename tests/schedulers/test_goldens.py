"""Every coefficient against what the references did when the goldens were written."""

from pathlib import Path

import numpy as np
import pytest

from tests.schedulers import compare
from tests.schedulers.cases import CASES, PICTURES

GOLDENS = np.load(Path(__file__).parents[1] / "goldens" / "schedulers.npz")
NUMBERED = list(enumerate(CASES))
BETAS = [(i, case) for i, case in NUMBERED if compare.kept(case) is not None]
each_case = pytest.mark.parametrize(("i", "case"), NUMBERED, ids=[c.id for c in CASES])


def test_goldens_are_of_these_cases():
    """Otherwise: python -m tests.goldens.make_schedulers."""
    assert GOLDENS["cases"].tolist() == [case.id for case in CASES]
    assert GOLDENS["pictures"].tolist() == [case.id for case in PICTURES]


@each_case
def test_every_coefficient(i, case):
    assert compare.error(case, GOLDENS[f"response-{i}"]) < compare.TOLERANCE


@pytest.mark.parametrize(("i", "case"), list(enumerate(PICTURES)), ids=[c.id for c in PICTURES])
def test_every_picture(i, case):
    """Thresholding, clipping and learned variances are no linear maps: whole runs instead."""
    assert compare.picture_error(case, GOLDENS[f"picture-{i}"]) < compare.picture_tolerance(case)


@each_case
def test_times(i, case):
    ours, theirs = compare.table(case).t, GOLDENS[f"times-{i}"]
    np.testing.assert_allclose(ours, theirs, atol=compare.time_slack(case), rtol=0)


@pytest.mark.parametrize(("i", "case"), BETAS, ids=[case.id for _, case in BETAS])
def test_training_schedule(i, case):
    """Ours in float64; theirs in float32, whose product over 1000 steps is good to about 1e-5."""
    theirs = GOLDENS[f"alphas-cumprod-{GOLDENS[f'schedule-{i}']}"]
    np.testing.assert_allclose(compare.kept(case), theirs, rtol=3e-5, atol=1e-6)
