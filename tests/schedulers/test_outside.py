"""A sampler that is not in the package, written with its public names alone.

Ralston's method of order 2 (1962): the slope at two thirds of a step counts for three quarters of
it. In y = x / alpha over r = sigma / alpha the slope is eps. Slots: the sample; what the step has
of its end once it has its beginning.
"""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from mdx.schedulers import Call, Method, begin, levels, noise, step, testbed, trace

KEPT = noise.alphas_cumprod(noise.betas("scaled_linear", 1000, 0.00085, 0.012))


def first(v, now, middle, to, weight):
    """Euler to two thirds of the step."""
    y, h = v.x / now.alpha, to.sigma / to.alpha - now.sigma / now.alpha
    return middle.alpha * (y + 2 / 3 * h * v.eps), y + weight * h * v.eps


def second(v, now, to, weight):
    """The whole step."""
    h = to.sigma / to.alpha - now.sigma / now.alpha
    return to.alpha * (v.slots[1] + weight * h * v.eps), 0 * v.x


def ralston(ratios, early=1 / 4, late=3 / 4):
    """The method over noise ratios sigma / alpha, from noisy to clean."""
    ends = levels.unpack(levels.at_ratios(KEPT, ratios))
    middles = levels.unpack(levels.at_ratios(KEPT, ratios[:-1] + 2 / 3 * np.diff(ratios)))
    calls = []
    for (now, to), middle in zip(pairwise(ends), middles, strict=True):
        calls.append(Call(now, middle, partial(first, now=now, middle=middle, to=to, weight=early)))
        calls.append(Call(middle, to, partial(second, now=now, to=to, weight=late)))
    return Method(2, calls)


def table(ratios, prediction="epsilon"):
    return trace(ralston(ratios), prediction)


@pytest.mark.parametrize("data", [testbed.NORMAL, testbed.MIXTURE], ids=["normal", "mixture"])
@pytest.mark.parametrize("ramp", [levels.exponential, testbed.crowded])
def test_it_has_the_order_of_the_paper(data, ramp):
    assert abs(testbed.order(table, data, ramp) - 2) < 0.1


def test_it_runs():
    """Points (B, D) on the device, with the model that knows their mixture: the testbed's ends."""
    t = table(np.append(levels.karras(10.0, 0.05, 8), 0.0), "v_prediction")
    assert (t.rows, t.slots, t.stochastic, t.prediction) == (16, 2, False, "v_prediction")
    data = testbed.normals([[-1.0, 0.5], [1.5, 0.0]], [0.4, 0.8])
    sample = np.random.default_rng(0).normal(size=(64, 2)) * t.sigma[0]
    model = testbed.exact_model(t, data)
    state = begin(t, sample)
    for i in range(t.rows):
        state, _ = step(t, state, model(i, state.slots.asnumpy()[0].astype(np.float64)))
    ends = state.slots.asnumpy()[0]
    np.testing.assert_allclose(ends, testbed.run(t, model, sample)[-1], atol=1e-4)
    assert testbed.error(t, data, sample) < 0.05


def test_its_mistakes_are_found():
    """With the two slopes exchanged a step still ends on its level, and the order shows it. Weights
    that do not add up to 1 leave noise of another size.
    """
    order = testbed.order(lambda ratios: trace(ralston(ratios, 3 / 4, 1 / 4), "epsilon"))
    assert abs(order - 1) < 0.1
    with pytest.raises(ValueError, match="row 1 misses its level: the sample's noise is"):
        trace(ralston(np.array([10.0, 1.0, 0.1]), 1 / 4, 1 / 4), "epsilon")
