"""The packaged checkpoint draws what it drew when the goldens were written."""

import numpy as np
import pytest

import mdx
from mdx.kernels import native
from mdx.kernels.device import lowered
from tests.goldens import make_latents
from tests.native.libraries import CLASSES, load

STORED = np.load(make_latents.FILE)
# Of their length, on a machine that wrote none: products are summed in another order there.
ELSEWHERE = 1e-5


@pytest.fixture(scope="module")
def model():
    if CLASSES:  # the library is there before the package looks for it
        load(CLASSES[0])
        native.library.cache_clear()
    return mdx.load()


def apart(drawn, stored):
    """The length of the difference, relative to that of what is stored."""
    return np.linalg.norm(drawn - stored) / np.linalg.norm(stored)


@pytest.mark.parametrize("operators", ["plain", "native"] if CLASSES else ["plain"])
@pytest.mark.parametrize("case", make_latents.CASES)
def test_the_same_latents(model, case, operators):
    """Bit for bit on a machine that wrote them. If they are to change: see make_latents."""
    with lowered(operators):
        drawn = make_latents.draw(model, case)
        own = f"{make_latents.machine()}/{case}"
    if own in STORED:
        assert np.array_equal(drawn, STORED[own]), apart(drawn, STORED[own])
    written = [name for name in STORED if name.endswith(f"/{case}")]
    assert written, f"no golden of {case!r}: python -m tests.goldens.make_latents"
    for name in written:
        assert apart(drawn, STORED[name]) < ELSEWHERE, name
