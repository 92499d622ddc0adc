"""States of any rank: a sampler knows numbers, not what their axes mean."""

import numpy as np
import pytest

from mdx import schedulers, step_noise
from mdx.schedulers import State, testbed
from mdx.schedulers.brownian import increments
from tests.compiles import counted
from tests.schedulers.member import THRESHOLD
from tests.schedulers.members import SD

PICTURE = (2, 6, 4, 5)
# Numbers, points, and volumes in time, of as many numbers as the pictures. Each is a graph or two:
# sequences are below, and videos lie between.
every_shape = pytest.mark.parametrize("shape", [(240,), (2, 120), (2, 6, 2, 2, 5, 1)], ids=str)


def table(name, **options):
    s = schedulers.from_config(SD, name, **options)
    return schedulers.pad(schedulers.table(s, 3), 2)


TABLES = {
    "euler_a": table("euler_a"),
    "dpmpp_2m": table("dpmpp_2m"),
    "thresholded": table("ddim", **THRESHOLD),
    "learned": table("ddpm", variance_type="learned_range"),
}


def numbers(seed, shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def run(t, shape, double):
    """States of a run whose numbers are the pictures' in another shape."""
    count = shape[0]
    state = schedulers.init(t, numbers(0, PICTURE).reshape(shape))
    for i in range(t.rows):
        x = state.slots.asnumpy()[0].reshape(PICTURE)
        out = np.tanh(x + 0.1 * i)
        out = np.concatenate([out, np.sin(x)], axis=1) if double else out
        wide = (count, 2 * shape[1], *shape[2:]) if double else shape
        fresh = numbers(1 + i, PICTURE).reshape(shape)
        state, info = schedulers.step(t, state, out.reshape(wide), fresh)
        assert info.x0.shape == shape
        yield state.slots.asnumpy(), info.x0.asnumpy()


@every_shape
@pytest.mark.parametrize("name", TABLES)
def test_numbers_do_not_depend_on_their_axes(name, shape):
    """Bit for bit those of pictures: bounds are those of a sample, variances are axis 1's half.

    Numbers (B,) are each a sample of their own; they have no axis 1.
    """
    t, double, alone = TABLES[name], name == "learned", len(shape) == 1
    if double and alone:
        with pytest.raises(ValueError, match=r"variance .*samples \(B,\) have none"):
            list(run(t, shape, False))
        return
    if name == "thresholded" and alone:
        for _, x0 in run(t, shape, False):
            # A sample's quantile is its one number: what is above 1 becomes 1.
            assert np.abs(x0).max() <= 1
        return
    for (slots, x0), (flat, plain) in zip(
        run(t, shape, double), run(t, PICTURE, double), strict=True
    ):
        assert slots.shape == (2, *shape)
        assert slots.tobytes() == flat.tobytes()
        assert x0.tobytes() == plain.tobytes()


def test_a_shape_is_compiled_once():
    """Ranks are shapes like others: one graph for all samplers and rows."""
    with counted() as compiles:
        for t in (TABLES["euler_a"], TABLES["dpmpp_2m"], TABLES["thresholded"]):
            list(run(t, (2, 3, 40), False))
    assert compiles.count == 1


@every_shape
def test_a_stack_of_any_rank(shape):
    """Each sample by its own sampler, whatever it is made of."""
    own = [TABLES["euler_a"], TABLES["dpmpp_2m"]] * (shape[0] // 2)
    t = schedulers.stack(own)
    x, out, fresh = (numbers(seed, shape) for seed in range(3))
    state, _ = schedulers.step(t, schedulers.init(t, x), out, fresh)
    for b, alone in enumerate(own[:2]):
        solo, _ = schedulers.step(alone, schedulers.init(alone, x), out, fresh)
        np.testing.assert_array_equal(state.slots.asnumpy()[:, b], solo.slots.asnumpy()[:, b])


@every_shape
def test_device_is_testbed(shape):
    """float32 on the device against float64 on the host."""
    t = TABLES["euler_a"]
    x, fresh = numbers(0, shape), numbers(1, (t.rows, *shape))
    model = lambda i, x: np.tanh(x + 0.1 * i)  # noqa: E731
    path = testbed.run(t, model, x * t.init_noise_scale, fresh)
    state = schedulers.init(t, x)
    for i in range(t.rows):
        state, _ = schedulers.step(t, state, model(i, state.slots.asnumpy()[0]), fresh[i])
    np.testing.assert_allclose(state.slots.asnumpy()[0], path[-1], atol=2e-5)


@every_shape
def test_noised_and_begun(shape):
    t, x0, noise = TABLES["dpmpp_2m"], numbers(0, shape), numbers(1, shape)
    for i in range(t.rows + 1):
        got = schedulers.add_noise(t, i, x0, noise).asnumpy()
        np.testing.assert_allclose(got, t.alpha[i] * x0 + t.sigma[i] * noise, atol=1e-6)
        assert got.shape == shape
    np.testing.assert_array_equal(schedulers.begin(t, x0).slots.asnumpy(), [x0, 0 * x0])


@every_shape
def test_corrected(shape):
    """A Langevin step of a sample depends on its numbers alone, and not on their axes."""
    t, alone = TABLES["dpmpp_2m"], len(shape) == 1
    as_shape = (240, 1) if alone else PICTURE
    states = []
    for own in (shape, as_shape):
        x, out, fresh = (numbers(seed, PICTURE).reshape(own) for seed in range(3))
        states.append(schedulers.correct(t, schedulers.begin(t, x), out, fresh).slots.asnumpy())
    assert states[0].shape == (2, *shape)
    assert states[0].tobytes() == states[1].tobytes()


@every_shape
def test_kept_in_a_file(shape, tmp_path):
    t = TABLES["euler_a"]
    state = schedulers.init(t, numbers(0, shape))._replace(index=2)
    schedulers.save_state(state, tmp_path / "state")
    back = schedulers.load_state(tmp_path / "state")
    assert back.index == 2
    assert back.slots.shape == (2, *shape)
    assert back.slots.asnumpy().tobytes() == state.slots.asnumpy().tobytes()


@every_shape
@pytest.mark.parametrize("kind", step_noise.KINDS)
def test_noise_on_the_way(shape, kind):
    """Fresh or on one path: as many numbers, and the same whatever their axes."""
    t, (count, *rest) = TABLES["euler_a"], shape[:1] and (2, *shape[1:])
    rows = {}
    for own in (tuple(rest), (int(np.prod(rest)),)):
        generators = [np.random.default_rng(seed) for seed in range(count)]
        rows[own] = [
            one for one in step_noise.rows(t, generators, own, [kind] * count) if one is not None
        ]
        assert all(one.shape == (count, *own) for one in rows[own])
    one, two = rows[tuple(rest)], rows[(int(np.prod(rest)),)]
    assert [a.tobytes() for a in one] == [b.tobytes() for b in two]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1, 2, 3, 2, 2)])
def test_one_path_of_any_rank(shape):
    got = increments(5, [3.0, 2.0, 0.5], shape, span=(0.0, 4.0))
    flat = increments(5, [3.0, 2.0, 0.5], (int(np.prod(shape)),), span=(0.0, 4.0))
    assert got.shape == (2, *shape)
    assert got.tobytes() == flat.tobytes()


T, STACKED = TABLES["dpmpp_2m"], schedulers.stack([TABLES["dpmpp_2m"]] * 3)
LEARNED = TABLES["learned"]


def begun(shape, t=T):
    return schedulers.begin(t, numbers(0, shape))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: schedulers.init(T, np.float32(1)), r"noise must have shape \(B, ...\), of 1 to 6"),
        (lambda: schedulers.init(T, np.ones((1,) * 7)), r"noise must have shape \(B, ...\)"),
        (lambda: schedulers.init(T, np.ones((2, 0))), r"none of them empty, not \(2, 0\)"),
        (lambda: schedulers.init(STACKED, np.ones((2, 5))), r"must have shape \(3, ...\)"),
        (lambda: schedulers.init(T, np.ones(3) * np.nan), "noise holds numbers that are not fin"),
        (lambda: schedulers.init(T, np.full(3, 1e300)), "not finite in float32"),
        (lambda: schedulers.init(T, ["1", "2"]), "noise must be an array of real numbers, not li"),
        (lambda: schedulers.init(T, np.ones(3) * 1j), "real numbers, not complex128"),
        (lambda: schedulers.init(T, None), "real numbers, not NoneType"),
        (lambda: schedulers.begin(T, np.ones((1,) * 7)), "sample must have shape"),
        (lambda: schedulers.add_noise(T, 1.0, np.ones(3), np.ones(3)), "no level 1.0"),
        (lambda: schedulers.add_noise(T, True, np.ones(3), np.ones(3)), "no level True"),
        (lambda: schedulers.add_noise(T, 2**63, np.ones(3), np.ones(3)), "no level 9223372036854"),
        (lambda: schedulers.add_noise(T, 0, np.ones(3), np.ones((3, 1))), "x0 has shape .3,., noi"),
        (lambda: schedulers.step(T, begun((2, 3)), np.ones((2, 6))[:, :5]), "model_output has sha"),
        (lambda: schedulers.step(T, begun((4,)), np.ones(8)), "model_output has shape .8,."),
        (lambda: schedulers.step(T, begun((2, 3)), [["a"] * 3] * 2), "model_output must be"),
        (lambda: schedulers.step(T, begun((2, 3))._replace(index=2**63), 0), "no row 92233720368"),
        (lambda: schedulers.step(T, begun((2, 3))._replace(index=1.0), 0), "no row 1.0"),
        (lambda: schedulers.step(T, begun((2, 3))._replace(index="1"), 0), "no row '1'"),
        (lambda: schedulers.step(LEARNED, begun((4,)), np.ones(4), np.ones(4)), "have none, not"),
        (lambda: schedulers.step(LEARNED, begun((4, 2)), np.ones((4, 2)), 0), r"shape \(4, 4\)"),
        (lambda: schedulers.save_state(begun((4,))._replace(index=2**63), "x"), "must be a row"),
        (lambda: schedulers.save_state(begun((4,))._replace(index=-1), "x"), "must be a row"),
    ],
)
def test_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_state_without_axes():
    from mindspore import Tensor

    with pytest.raises(ValueError, match="the state has 0 slots"):
        schedulers.step(T, State(Tensor(np.float32(1)), 0), np.ones(1))
