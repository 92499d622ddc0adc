"""The packaged checkpoint draws what it drew when the goldens were written."""

import numpy as np
import pytest

import mdx
from tests.goldens import make_latents

STORED = np.load(make_latents.FILE)
# Of their length, on a machine that wrote none: products are summed in another order there.
ELSEWHERE = 1e-5


@pytest.fixture(scope="module")
def model():
    return mdx.load()


def apart(drawn, stored):
    """The length of the difference, relative to that of what is stored."""
    return np.linalg.norm(drawn - stored) / np.linalg.norm(stored)


@pytest.mark.parametrize("case", make_latents.CASES)
def test_the_same_latents(model, case):
    """Bit for bit on a machine that wrote them. If they are to change: see make_latents."""
    drawn = make_latents.draw(model, case)
    own = f"{make_latents.machine()}/{case}"
    if own in STORED:
        assert np.array_equal(drawn, STORED[own]), apart(drawn, STORED[own])
    written = [name for name in STORED if name.endswith(f"/{case}")]
    assert written, f"no golden of {case!r}: python -m tests.goldens.make_latents"
    for name in written:
        assert apart(drawn, STORED[name]) < ELSEWHERE, name
