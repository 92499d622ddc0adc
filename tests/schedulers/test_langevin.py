"""The corrector beside `step`: it leaves the data's distribution alone and mends what is off."""

import numpy as np
import pytest

from mdx import schedulers
from mdx.schedulers import State, testbed
from mdx.schedulers.sde_ve import corrected
from tests.schedulers.members import SD

TABLES = {
    "sde_ve": schedulers.table(schedulers.from_config({"sigma_max": 5.0}, "sde_ve"), 6),
    "ddim": schedulers.table(schedulers.from_config(SD, "ddim"), 6),
    "flow_euler": schedulers.table(schedulers.from_config({}, "flow_euler", shift=3.0), 6),
    "pndm": schedulers.table(schedulers.from_config(SD), 6),
}
ROW = 3
every_table = pytest.mark.parametrize("name", TABLES)


def samples(table, seed=0):
    """Two pictures whose pixels are the mixture's, noised to the level before ROW."""
    rng, data = np.random.default_rng(seed), testbed.MIXTURE
    which = rng.choice(len(data.weights), size=(2, 4, 32, 32), p=data.weights)
    x0 = data.means[which, 0] + data.stds[which] * rng.normal(size=which.shape)
    return table.alpha[ROW] * x0 + table.sigma[ROW] * rng.normal(size=which.shape)


def at_row(table, sample):
    return schedulers.begin(table, sample)._replace(index=ROW)


def model(table, state):
    """What the perfect model returns for each pixel of a state."""
    x = state.slots.asnumpy()[0].astype(np.float64)
    return testbed.exact_model(table, testbed.MIXTURE)(ROW, x[..., None])[..., 0]


@every_table
def test_one_step_is_the_equation(name):
    """Each image by itself, in the score that the table reads off the model's words."""
    table = TABLES[name]
    state = at_row(table, samples(table))
    noise = np.random.default_rng(1).normal(size=(2, 4, 32, 32))
    got = schedulers.correct(table, state, model(table, state), noise, snr=0.2)
    assert got.index == ROW
    x = state.slots.asnumpy()[0].astype(np.float64)
    alpha, sigma = table.alpha[ROW], table.sigma[ROW]
    score = testbed.score(testbed.MIXTURE, alpha, sigma, x[..., None])[..., 0]
    for b in range(2):
        one = corrected(x[b][None], score[b][None], noise[b][None], snr=0.2)[0]
        np.testing.assert_allclose(got.slots.asnumpy()[0, b], one, atol=2e-4 * np.abs(one).max())
    assert np.array_equal(got.slots.asnumpy()[1:], state.slots.asnumpy()[1:])


@every_table
def test_an_image_does_not_depend_on_its_batch(name):
    table = TABLES[name]
    both = samples(table)
    noise = np.random.default_rng(1).normal(size=both.shape)
    state = at_row(table, both)
    out = model(table, state)
    together = schedulers.correct(table, state, out, noise).slots.asnumpy()
    alone = schedulers.correct(table, at_row(table, both[1:]), out[1:], noise[1:])
    assert np.array_equal(together[:, 1:], alone.slots.asnumpy())


def off(table, state):
    """How far the pixels are from the distribution at the level: the largest gap of its moments."""
    x, data = state.slots.asnumpy()[0], testbed.MIXTURE
    variance = (table.alpha[ROW] * data.stds) ** 2 + table.sigma[ROW] ** 2
    means = table.alpha[ROW] * data.means[:, 0]
    mean = data.weights @ means
    second = data.weights @ (variance + means**2)
    return max(abs(x.mean() - mean), abs((x**2).mean() / second - 1) / 2)


@every_table
def test_it_keeps_what_is_right_and_mends_what_is_not(name):
    """Sixty short steps: samples of the level stay so, displaced and stretched ones come back."""
    table, rng = TABLES[name], np.random.default_rng(2)
    right = at_row(table, samples(table))
    wrong = at_row(table, 1.4 * samples(table) + 0.3 * table.sigma[ROW])
    before = off(table, wrong)
    for _ in range(60):
        noise = rng.normal(size=(2, 4, 32, 32))
        right, wrong = (
            schedulers.correct(table, s, model(table, s), noise, snr=0.15) for s in (right, wrong)
        )
    assert off(table, right) < 0.03
    assert off(table, wrong) < 0.08 < 0.4 < before


T = TABLES["ddim"]
STATE = State(schedulers.begin(T, np.zeros((1, 4, 3, 3))).slots, 0)
ONE = np.zeros((1, 4, 3, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: schedulers.correct(T, STATE, ONE, ONE, snr=0), "snr must be more than 0, not 0"),
        (lambda: schedulers.correct(T, STATE._replace(index=6), ONE, ONE), "there is no row 6"),
        (lambda: schedulers.correct(T, STATE, ONE[:, :2], ONE), "model_output has shape"),
        (lambda: schedulers.correct(T, STATE, ONE, ONE[:, :2]), "noise has shape"),
        (lambda: schedulers.correct(T, STATE, ONE, ONE[0]), "noise has shape"),
        (lambda: schedulers.correct(T, STATE, ONE, ONE[..., None, None, None]), "noise must have"),
        (
            lambda: schedulers.correct(
                schedulers.table(schedulers.from_config(SD, "ddim"), sigmas=[1, 0.5])._replace(
                    sigma=np.zeros(2)
                ),
                STATE,
                ONE,
                ONE,
            ),
            "the level before row 0 has no noise",
        ),
    ],
)
def test_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
