"""What `trace` refuses: updates that are no sums, and rows that miss their level."""

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import Bound, Call, Level, Method, tables, trace
from tests.schedulers.members import IDS, MEMBERS, SD

every_member = pytest.mark.parametrize("member", MEMBERS, ids=IDS)

LEVELS = [
    Level(900.0, 0.2, np.sqrt(0.96)),
    Level(600.0, 0.6, 0.8),
    Level(300.0, 0.8, 0.6),
    Level(-1.0, 1.0, 0.0),
]


def right(v, now, to):
    """DDIM, and a slot that keeps eps."""
    return to.alpha * v.x0 + to.sigma * v.eps, v.eps


def method(update, row=1, **more):
    """A sampler whose update in one row is another one."""
    calls = [
        Call(now, to, partial(update if i == row else right, now=now, to=to))
        for i, (now, to) in enumerate(itertools.pairwise(LEVELS))
    ]
    return Method(2, calls, **more)


def traced(update, row=1, **more):
    return trace(method(update, row, **more), "epsilon")


def test_what_is_right_is_taken():
    t = traced(right)
    np.testing.assert_allclose(t.mix[1, 0], [0, 0, 0.6, 0.8, 0], atol=1e-15)
    assert t.prediction == "epsilon"


# 1. Sums. Each gives for basis vectors what a sum would give, or something near it.


def instead(change):
    """The right update with something else for x0."""

    def update(v, now, to):
        return right(v._replace(x0=change(v.x0)), now, to)

    return update


def added(change):
    """The right update and something more in slot 0."""

    def update(v, now, to):
        new, kept = right(v, now, to)
        return new + change(v), kept

    return update


def counting(v, now, to, seen=[]):  # noqa: B006  what it remembers is its fault
    seen.append(0)
    return right(v, now, to) if len(seen) == 1 else right(v._replace(x0=2 * v.x0), now, to)


SINGLE = np.float32(1)
CURVED = {
    "a square": instead(lambda x: x**2),
    "a root": instead(lambda x: np.sign(x) * np.sqrt(np.abs(x))),
    "a length made 1": instead(lambda x: x / np.linalg.norm(x)),
    "a largest made 1": instead(lambda x: x / np.abs(x).max()),
    "a variance made 1": instead(lambda x: x / x.std()),
    "sizes": instead(np.abs),
    "a positive part": instead(lambda x: np.maximum(x, 0)),
    "a clip at 1": instead(lambda x: np.clip(x, -1, 1)),
    "a clip at 1e6": instead(lambda x: np.clip(x, -1e6, 1e6)),
    "nothing below 1e-6": instead(lambda x: np.where(np.abs(x) < 1e-6, 0, x)),
    "a tanh": instead(np.tanh),
    "a rounding": instead(np.round),
    "float32": instead(lambda x: (x * SINGLE).astype(np.float32).astype(float)),
    "a sort": instead(np.sort),
    "another order": instead(lambda x: np.roll(x, 1, axis=-1)),
    "no mean": instead(lambda x: x - x.mean()),
    "a running sum": instead(lambda x: np.cumsum(x, axis=-1)),
    "the length of an array": instead(lambda x: x * (1 + len(x) / 1e3)),
    "the size of an array": instead(lambda x: x * (1 + x.size / 1e3)),
    "the rank of an array": instead(lambda x: x * x.ndim),
    "the sign of a mean": instead(lambda x: x if x.mean() > 0 else 0.9 * x),
    "the sign of a number": instead(lambda x: x if x.ravel()[0] >= 0 else 0.9 * x),
    "a large array": instead(lambda x: x if np.linalg.norm(x) < 100 else 0.9 * x),
    "a small array": instead(lambda x: x if np.linalg.norm(x) > 0.1 else 0.9 * x),
    "a product with the noise": added(lambda v: v.x0 * v.noise),
    "a product with the past": added(lambda v: v.x0 * v.slots[1]),
    "a quotient": added(lambda v: v.x0 * v.noise / (1 + np.abs(v.out))),
    "a constant": added(lambda v: 0.3),
    "a small constant": added(lambda v: 1e-6),
    "chance": added(lambda v: 1e-3 * np.random.default_rng().normal(size=v.x.shape)),
    "noise that is not there": added(lambda v: 0 if v.noise.any() else 1e-6 * v.x0),
    "a past that is not there": added(lambda v: 0 if v.slots[1].any() else 1e-6 * v.x0),
    "what it remembers": counting,
}


@pytest.mark.parametrize("name", CURVED)
def test_no_sum(name):
    """Refused by row and slot, whatever its values on basis vectors are."""
    with pytest.raises(ValueError, match=r"row 1 is not linear: .*slot 0 becomes"):
        traced(CURVED[name])


@pytest.mark.parametrize(("row", "slot"), [(0, 1), (2, 1), (2, 0)])
def test_the_row_and_the_slot_are_named(row, slot):
    def update(v, now, to):
        new = list(right(v, now, to))
        new[slot] = new[slot] + v.eps * np.abs(v.out)
        return tuple(new)

    with pytest.raises(ValueError, match=rf"row {row} is not linear: .* slot {slot} becomes"):
        traced(update, row)


def test_a_bound_belongs_to_the_table():
    t = trace(method(right), "epsilon", Bound(1.0))
    assert t.clip.tolist() == [1, 1, 1]


def test_values_are_closed():
    def update(v, now, to):
        v.x0[...] = 0
        return right(v, now, to)

    with pytest.raises(ValueError, match="read-only"):
        traced(update)


WEIGHTS = st.floats(-1e6, 1e6).filter(lambda w: w == 0 or abs(w) > 1e-6)
BENDS = st.sampled_from([np.abs, np.square, np.tanh, np.floor, lambda x: np.clip(x, -1, 1)])


@settings(max_examples=40, deadline=None)
@given(eps=WEIGHTS, past=WEIGHTS, noise=WEIGHTS, bend=BENDS, part=st.floats(1e-6, 1e3))
def test_any_sum_is_taken_and_none_that_bends(eps, past, noise, bend, part):
    """Whatever its weights; and a part of it that bends is found beside the largest."""

    def update(v, now, to):
        new = to.alpha * v.x0 + eps * v.eps + past * v.slots[1] + noise * v.noise
        return new, v.eps

    t = traced(update, keeps_variance=False)
    np.testing.assert_allclose(t.mix[1, 0], [0, past, eps, 0.8, noise], rtol=1e-12, atol=1e-12)

    size = part * max(1.0, abs(eps), abs(past), abs(noise))
    with pytest.raises(ValueError, match="row 1 is not linear"):
        traced(lambda v, now, to: (update(v, now, to)[0] + size * bend(v.noise), v.eps))


# 2. Levels


def noised(share, size):
    """DDIM with less eps and more noise."""

    def update(v, now, to):
        return to.alpha * v.x0 + to.sigma * (share * v.eps + size * v.noise), v.eps

    return update


MISSES = {
    "half the eps": (noised(0.5, 0.0), "row 1 misses its level: the sample's noise is 0.3 where"),
    "no eps": (noised(0.0, 0.0), "row 1 misses its level: the sample's noise is 0 where sigma is"),
    "minus eps": (noised(-1.0, 0.0), "the sample's noise is -0.6 where sigma is 0.6"),
    "noise beside eps": (noised(1.0, 0.5), "row 1 misses its level: the sample's noise is 0.67"),
    "too little noise": (noised(0.6, 0.7), "row 1 misses its level: the sample's noise is 0.55"),
    "minus eps, and noise": (noised(-0.6, 0.8), "row 1 turns the noise of the sample about"),
    "half of x0": (instead(lambda x: x / 2), "row 1 misses its level: the signal is off by 0.4"),
}


@pytest.mark.parametrize("name", MISSES)
def test_a_level_is_missed(name):
    update, words = MISSES[name]
    with pytest.raises(ValueError, match=words):
        traced(update)


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_a_level_is_met_by_eps_and_noise_together(share):
    assert traced(noised(share, np.sqrt(1 - share**2))).stochastic == (share < 1)


def test_another_variance_is_said():
    """A paper's own variance is the method's word, not the table's."""
    t = traced(noised(0.5, 0.0), keeps_variance=False)
    assert t.mix[1, 0].tolist() == [0, 0, 0.3, 0.8, 0]


@every_member
def test_who_keeps_the_variance(member, monkeypatch):
    """The methods that say they do not are those of the list, and no others."""
    seen = []

    def spy(one, *arguments, **options):
        seen.append(one)
        return trace(one, *arguments, **options)

    monkeypatch.setattr(tables, "trace", spy)
    schedulers.table(member.scheduler(), 10)
    assert seen[0].keeps_variance == member.keeps_variance


COSINE = {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing"}


@pytest.mark.parametrize(("name", "end"), [("euler", 0.2), ("euler", 0.4), ("euler_a", 0.2)])
def test_roundings_are_no_faults(name, end):
    """Steps out of hardly any signal divide by it: their terms cancel, and a term of theirs is lost
    beside others. A sampler that the model sets right is made all the same.
    """
    t = schedulers.table(schedulers.from_config({}, name, beta_end=end), 10)
    assert t.alpha[0] < 1e-20


@pytest.mark.parametrize(
    ("name", "options"),
    [("pndm", COSINE), ("deis", {"beta_end": 0.4}), ("heun", {"beta_end": 0.4})],
)
def test_roundings_that_spoil_a_run(name, options):
    """PNDM's Runge-Kutta on the cosine schedule misses by 4e-4 in float64, by 1e6 on the device."""
    s = schedulers.from_config({}, name, **options)
    with pytest.raises(
        ValueError, match=r"misses its level, for roundings: .* as little signal as"
    ):
        schedulers.table(s, 10)


OWN_NOISE = {
    "euler": {"s_churn": 3.0},
    "heun": {"s_churn": 3.0},
    "flow_euler": {"s_churn": 3.0},
    "flow_heun": {"s_churn": 3.0},
    "edm_euler": {"s_churn": 3.0},
    "dpmpp_sde": {},
    "cm": {},
}


@pytest.mark.parametrize("name", OWN_NOISE)
@pytest.mark.parametrize("strength", [0.0, 0.9, 1.0, 1.1])
def test_noise_of_a_strength_of_ones_own(name, strength):
    """s_noise is the caller's: tables with more or less noise than the level has are made."""
    s = schedulers.from_config({}, name, **OWN_NOISE[name], s_noise=strength)
    assert schedulers.table(s, 6).stochastic == (strength > 0)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_tcd_below_the_trained_levels(eta):
    """It goes down to a trained level, unless the level asked for is below all of them.

    There it used to arrive with the noise of the lowest trained one, 0.029, which the model was
    not told of; the reference has no levels of one's own.
    """
    s = schedulers.from_config(SD, "tcd", eta=eta)
    t = schedulers.table(s, sigmas=[10.0, 1.0, 0.02, 0.01, 0.0])
    assert [t.needs_noise(i) for i in range(4)] == [eta > 0, False, False, False]
    np.testing.assert_allclose(t.sigma[-3:-1], [0.02, 0.01], rtol=1e-3)


# 3. What a method is


def wrong(returned):
    return lambda v, now, to: returned(v)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: traced(wrong(lambda v: (v.x,))), "row 1 returns 1 slots where the method has 2"),
        (lambda: traced(wrong(lambda v: (v.x,) * 3)), "row 1 returns 3 slots where the method has"),
        (lambda: traced(wrong(lambda v: v.x)), "must return a tuple of 2 arrays, .*not ndarray"),
        (lambda: traced(wrong(lambda v: None)), "must return a tuple of 2 arrays, .*not NoneType"),
        (
            lambda: traced(wrong(lambda v: (v.x, 0.0))),
            r"for slot 1 float \(\) where its values",
        ),
        (lambda: traced(wrong(lambda v: (v.x, None))), r"for slot 1 NoneType \(\) where"),
        (lambda: traced(wrong(lambda v: (v.x, v.x[:2]))), r"row 1 returns for slot 1 .*\(2,\)"),
        (lambda: traced(wrong(lambda v: (v.x, v.x * 1j))), "slot 1 complex128"),
        (lambda: traced(wrong(lambda v: (v.x, v.x.astype(str)))), "slot 1 <U"),
        (lambda: trace(Method(2, []), "epsilon"), "at least one call"),
        (lambda: trace(Method(0, method(right).calls), "epsilon"), "slots must be .*not 0"),
        (lambda: trace(Method(1.5, method(right).calls), "epsilon"), "slots must be .*not 1.5"),
        (lambda: trace(Method(True, method(right).calls), "epsilon"), "slots must be .*not True"),
        (lambda: trace(method(right), "noise"), "'noise' is not one of epsilon, sample"),
        (lambda: trace(method(right), None), "None is not one of epsilon"),
        (
            lambda: trace(Method(2, method(right).calls[::2]), "epsilon"),
            "row 0 ends at alpha 0.6, sigma 0.8, but row 1 begins at alpha 0.8, sigma 0.6",
        ),
    ],
)
def test_what_is_no_method(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_calls_with_their_own_reading_are_told_nothing():
    """The prediction is then only a word, or none at all."""
    calls = [call._replace(reads=(0.0, 1.0)) for call in method(right).calls]
    for word in (None, "clean pictures"):
        assert trace(Method(2, calls), word).prediction == word
