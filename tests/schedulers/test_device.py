"""The compiled step: it is pure, it is what the host says, and one graph serves all."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import testbed
from mdx.schedulers.record import ARRAYS
from tests.compiles import counted
from tests.schedulers.devicerun import SHAPE, SLOTS, fresh_noise, host_run, pictures, run, told
from tests.schedulers.member import unasked
from tests.schedulers.members import IDS, MEMBERS, SD

every_member = pytest.mark.parametrize("member", MEMBERS, ids=IDS)


@every_member
def test_device_is_host(member):
    """float32 on the device against float64 in numpy: bounds and learned variances included.

    Two-call methods let this model drive the samples to 30: roundings are of that size.
    """
    t = schedulers.pad(schedulers.table(member.scheduler(), 6), SLOTS)
    noise, fresh = pictures(), fresh_noise(t)
    state, info = run(t, noise, fresh)
    path = host_run(t, noise, fresh)
    rounding = 3e-6 * max(np.abs(sample).max() for sample in path)
    atol = max(2e-5, rounding)
    np.testing.assert_allclose(state.slots.asnumpy()[0], path[-1], atol=atol)
    assert state.slots.shape == (SLOTS, *SHAPE)
    assert info.x0.shape == SHAPE
    assert np.abs(info.x0.asnumpy()).max() <= (1 if t.quantile[-1] else t.clip[-1])


def compiles_of(members, steps, rows, shape, channels=1):
    """Graphs compiled for the first rows of every member's tables, padded to the same slots."""
    with counted() as compiles:
        for member in members:
            for count in steps:
                t = schedulers.pad(schedulers.table(member.scheduler(), count), SLOTS)
                state = schedulers.init(t, pictures(shape=shape))
                for i in range(min(rows, t.rows)):
                    dtype = (np.float32, np.float64, np.float16)[i % 3]
                    noise = pictures(i, shape) if t.needs_noise(i) or i % 2 else None
                    out = np.concatenate([pictures(i, shape)] * channels, axis=1).astype(dtype)
                    state, _ = schedulers.step(t, state, out, noise)
    return compiles.count


LEARNED = [member for member in MEMBERS if member.learned]


def test_one_compile_for_all():
    """Every sampler, step count, dtype and noise given or not: one graph for one shape.

    Thresholding is a branch of it. A model that learned its variance returns another shape, and
    that is one graph more.
    """
    plain = [member for member in MEMBERS if not member.learned]
    assert compiles_of(plain, (3,), 99, (2, 4, 3, 3)) == 1
    assert compiles_of(plain, (20,), 1, (2, 4, 3, 3)) == 0
    assert compiles_of(LEARNED, (2, 10, 20, 50), 9, (2, 4, 3, 3), channels=2) == 1
    assert compiles_of(MEMBERS, (2,), 99, (2, 4, 3, 3), channels=2) == 0


def test_three_compiles_without_padding_to_the_most():
    """Over the whole set and 10, 20, 50 steps, with slots rounded up to 2, 4 or more."""
    shape, plain = (2, 4, 3, 5), [member for member in MEMBERS if not member.learned]
    with counted() as compiles:
        for i, member in enumerate(plain):
            t = schedulers.table(member.scheduler(), (10, 20, 50)[i % 3])
            t = schedulers.pad(t, next(k for k in (2, 4, SLOTS) if k >= t.slots))
            state = schedulers.init(t, pictures(shape=shape))
            schedulers.step(t, state, pictures(shape=shape), pictures(shape=shape))
    assert compiles.count == 3


def test_a_half_of_channels_that_no_row_wants():
    """Models that learned their variance run under any sampler: the second half is left alone."""
    t = schedulers.table(MEMBERS[0].scheduler(), 2)
    state, out = schedulers.init(t, pictures()), pictures(5)
    plain, _ = schedulers.step(t, state, out)
    doubled, _ = schedulers.step(t, state, np.concatenate([out, pictures(6)], axis=1))
    np.testing.assert_array_equal(plain.slots.asnumpy(), doubled.slots.asnumpy())


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0.01, 1), most=st.floats(1, 4), seed=st.integers(0, 99))
def test_quantile_is_that_of_numpy(share, most, seed):
    """x0 of each picture over its own quantile, at least 1 and at most `most`."""
    own = {"thresholding": True, "dynamic_thresholding_ratio": share, "sample_max_value": most}
    s = schedulers.from_config(SD, "ddim", prediction_type="sample", **own)
    t = schedulers.table(s, 2)
    out = 2 * pictures(seed)
    _, info = schedulers.step(t, schedulers.init(t, pictures()), out)
    for x0, got in zip(out, info.x0.asnumpy(), strict=True):
        bound = np.clip(np.quantile(np.abs(x0), share), 1, most)
        np.testing.assert_allclose(got, np.clip(x0, -bound, bound) / bound, atol=1e-5)


def test_one_compile_serves_a_stack():
    shape = (2, 4, 3, 7)
    with counted() as compiles:
        solo = schedulers.table(MEMBERS[3].scheduler(), 3)
        mixed = schedulers.stack([solo, schedulers.table(MEMBERS[0].scheduler(), 2)])
        for t in (solo, mixed):
            state = schedulers.init(t, pictures(shape=shape))
            for _ in range(t.rows):
                state, _ = schedulers.step(t, state, pictures(shape=shape))
    assert compiles.count == 1


def test_the_counter_counts():
    with counted() as compiles:
        for width in (11, 12, 11):
            shape = (1, 1, 1, width)
            t = schedulers.table(MEMBERS[0].scheduler(), 1)
            schedulers.step(t, schedulers.init(t, pictures(shape=shape)), pictures(shape=shape))
    assert compiles.count == 2


@every_member
def test_pure(member):
    """Inputs stay bytewise as they were; repeated calls are equal; the batch order commutes."""
    t = schedulers.pad(schedulers.table(member.scheduler(), 4), SLOTS)
    noise, fresh = pictures(), fresh_noise(t)
    state, _ = run(t, noise, fresh, rows=1)
    out = told(t, 1, pictures(5))
    inputs = [*t, noise, out, fresh[1], state.slots.asnumpy()]
    before = [np.array(a).tobytes() for a in inputs]
    one, _ = schedulers.step(t, state, out, fresh[1])
    two, _ = schedulers.step(t, state, out, fresh[1])
    inputs[-1] = state.slots.asnumpy()
    assert [np.array(a).tobytes() for a in inputs] == before
    assert one.slots.asnumpy().tobytes() == two.slots.asnumpy().tobytes()
    assert state.index == 1
    assert one.index == 2
    order = [2, 0, 1]
    swapped = run(t, noise[order], fresh[:, order])[0].slots.asnumpy()
    np.testing.assert_array_equal(swapped, run(t, noise, fresh)[0].slots.asnumpy()[:, order])


@every_member
def test_alone_or_in_a_batch(member):
    t = schedulers.pad(schedulers.table(member.scheduler(), 4), SLOTS)
    noise, fresh = pictures(), fresh_noise(t)
    together = run(t, noise, fresh)[0].slots.asnumpy()[0]
    alone = run(t, noise[1:2], fresh[:, 1:2])[0].slots.asnumpy()[0]
    np.testing.assert_allclose(alone[0], together[1], atol=1e-6)


@every_member
def test_arrays_are_read_only(member):
    t = schedulers.table(member.scheduler(), 4)
    for name in ARRAYS:
        assert not getattr(t, name).flags.writeable
        assert getattr(t, name).dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        t.mix[0] = 0


def test_a_batch_of_all_samplers():
    """One sampler per batch row, of unequal length: each row is its solo run."""
    tables = [unasked(schedulers.table(m.scheduler(), 3 + i % 4)) for i, m in enumerate(MEMBERS)]
    t = schedulers.stack(tables)
    shape = (len(tables), 2, 3, 3)
    noise, fresh = pictures(0, shape), np.random.default_rng(1).normal(size=(t.rows, *shape))
    state, info = run(t, noise, fresh)
    for b, own in enumerate(tables):
        draws = [own.needs_noise(i) for i in range(own.rows)] + [False] * (t.rows - own.rows)
        assert [bool(t.draws(i)[b]) for i in range(t.rows)] == draws
        own = schedulers.pad(own, SLOTS)
        last, solo_info = run(own, noise[b : b + 1], fresh[:, b : b + 1])
        np.testing.assert_allclose(
            state.slots.asnumpy()[0, b], last.slots.asnumpy()[0, 0], atol=2e-6
        )
        if own.rows == t.rows:
            np.testing.assert_allclose(info.x0.asnumpy()[b], solo_info.x0.asnumpy()[0], atol=2e-6)


def test_threads_share_the_step():
    t = schedulers.table(MEMBERS[3].scheduler(), 6)
    alone = [run(t, pictures(i))[0].slots.asnumpy() for i in range(2)]
    results = {}

    def work(i):
        results[i] = run(t, pictures(i))[0].slots.asnumpy()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        np.testing.assert_array_equal(results[i], alone[i])


@settings(max_examples=10, deadline=None)
@given(i=st.integers(0, 10), seed=st.integers(0, 99))
def test_add_noise(i, seed):
    t = schedulers.table(MEMBERS[0].scheduler(), 10)
    x0, noise = pictures(seed), pictures(seed + 1)
    got = schedulers.add_noise(t, i, x0, noise).asnumpy()
    np.testing.assert_allclose(got, t.alpha[i] * x0 + t.sigma[i] * noise, atol=1e-6)


def test_add_noise_of_a_stack():
    tables = [schedulers.table(MEMBERS[0].scheduler(), n) for n in (3, 5, 8)]
    got = schedulers.add_noise(schedulers.stack(tables), 2, pictures(0), pictures(1)).asnumpy()
    for b, t in enumerate(tables):
        solo = schedulers.add_noise(t, 2, pictures(0)[b : b + 1], pictures(1)[b : b + 1])
        np.testing.assert_array_equal(got[b], solo.asnumpy()[0])


def test_start_from_a_picture():
    """A perfect denoiser brings back the noised picture, from any start index."""
    x0, noise = np.tanh(pictures(0)), pictures(1)  # within all bounds
    for member in MEMBERS:
        if not member.stochastic:
            t = schedulers.table(member.scheduler(), 10, start=6)
            state = schedulers.begin(t, schedulers.add_noise(t, 0, x0, noise))
            for i in range(t.rows):
                level = t.alpha[i], t.sigma[i]
                out = testbed.to_prediction(member.predictions[0], *level, x0, noise, t.scale[i])
                state, info = schedulers.step(t, state, out)
            end = t.alpha[-1] * x0 + t.sigma[-1] * noise
            np.testing.assert_allclose(state.slots.asnumpy()[0], end, atol=1e-5)
            np.testing.assert_allclose(info.x0.asnumpy(), x0, atol=1e-5)


T = schedulers.table(MEMBERS[0].scheduler(), 3)
NOISY = schedulers.table(MEMBERS[1].scheduler(), 3)
SAYS = schedulers.table(LEARNED[0].scheduler(), 3)


def first_state(table=T):
    return schedulers.init(table, pictures())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: schedulers.init(T, np.zeros((1,) * 7)), "must have shape"),
        (lambda: schedulers.init(schedulers.stack([T, T]), pictures()), "must have shape .2,"),
        (lambda: schedulers.step(T, first_state(), np.zeros((3, 4, 4, 4))), "model_output has"),
        (lambda: schedulers.step(NOISY, first_state(), pictures()), "none was given"),
        (lambda: schedulers.step(SAYS, first_state(), pictures()), "reads the variance"),
        (lambda: schedulers.step(NOISY, first_state(), pictures(), np.zeros(3)), "noise has"),
        (lambda: schedulers.step(T, first_state()._replace(index=3), pictures()), "no row 3"),
        (lambda: schedulers.step(T, first_state()._replace(index=-1), pictures()), "no row -1"),
        (lambda: schedulers.step(schedulers.pad(T, 2), first_state(), pictures()), "see pad"),
        (lambda: schedulers.add_noise(T, 4, pictures(), pictures()), "no level 4"),
        (lambda: schedulers.add_noise(T, 0, pictures(), pictures()[:1]), "x0 has shape"),
    ],
)
def test_bad_calls(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_import_leaves_mindspore_alone():
    """Tables are made without MindSpore, and importing the package is quick.

    Seconds of computing, the best of three, as other work may share the machine.
    """
    code = (
        "import numpy, time, sys; t = time.process_time(); from mdx import schedulers as s;"
        "t = time.process_time() - t; s.table(s.from_config({}, 'ddim'), 5);"
        "assert 'mindspore' not in sys.modules; print(t)"
    )
    command = [sys.executable, "-c", code]
    seconds = [
        float(subprocess.run(command, check=True, timeout=60, capture_output=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) < 0.3, seconds
