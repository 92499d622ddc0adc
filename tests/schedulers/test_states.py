"""A trajectory is a value: kept in a file, gone on with, forked, handed to another sampler."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from mdx import schedulers
from mdx.schedulers import files
from tests.schedulers.devicerun import SLOTS, fresh_noise, pictures, run
from tests.schedulers.member import unasked
from tests.schedulers.members import IDS, MEMBERS, SD

every_member = pytest.mark.parametrize("member", MEMBERS, ids=IDS)


def same(a, b):
    """Bitwise, and at the same row."""
    return a.index == b.index and a.slots.asnumpy().tobytes() == b.slots.asnumpy().tobytes()


@every_member
def test_resume_is_bitwise(member, tmp_path):
    """Stopped after any row, written to a file and read again, a run goes on as if never stopped.

    Each state that is read again is the one that was written, and its next row leads to the state
    that the whole run came to; so the ends are the same, too, as one run to the end shows.
    """
    t = schedulers.pad(schedulers.table(member.scheduler(), 4), SLOTS)
    fresh = fresh_noise(t)
    states = [run(t, pictures(), fresh, rows=0)[0]]
    while states[-1].index < t.rows:
        states.append(run(t, None, fresh, rows=states[-1].index + 1, state=states[-1])[0])
    assert same(states[-1], run(t, pictures(), fresh)[0])
    for i, stopped in enumerate(states):
        schedulers.save_state(stopped, tmp_path / "state")
        stored = schedulers.load_state(tmp_path / "state")
        assert same(stored, stopped)
        if i < t.rows:
            assert same(run(t, None, fresh, rows=i + 1, state=stored)[0], states[i + 1])
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


@every_member
def test_fork(member):
    """Two runs from one state are two runs; the state they began with is left as it was.

    Equal noise makes them equal; other noise tells them apart if the sampler adds any.
    """
    t = schedulers.pad(schedulers.table(member.scheduler(), 4), SLOTS)
    fresh = fresh_noise(t)
    middle, _ = run(t, pictures(), fresh, rows=2)
    before = middle.slots.asnumpy().tobytes()
    one, _ = run(t, None, fresh, state=middle)
    two, _ = run(t, None, -fresh, state=middle)
    again, _ = run(t, None, fresh, state=middle)
    assert same(one, again)
    assert same(one, two) == (not any(t.needs_noise(i) for i in range(2, t.rows)))
    assert middle.slots.asnumpy().tobytes() == before


@every_member
def test_swap_half_way(member):
    """Any member goes on where PNDM stops, by a joined table or by a run begun from the sample."""
    late = schedulers.pad(schedulers.table(member.scheduler(), 8, start=4), SLOTS)
    ratio = late.sigma[0] / late.alpha[0]
    early = schedulers.table(schedulers.from_config(SD), sigmas=[4 * ratio, 2 * ratio, ratio])
    if not member.preserves_variance:
        with pytest.raises(ValueError, match="cannot go on at"):
            schedulers.concat(early, late)
        return
    # What the rows read is told to each in its own words here.
    chain = schedulers.concat(unasked(early), unasked(late))
    np.testing.assert_array_equal(chain.mix[early.rows :], late.mix)
    fresh = fresh_noise(chain)
    whole, _ = run(chain, pictures(), fresh)
    half, _ = run(chain, pictures(), fresh, rows=early.rows)
    begun = schedulers.begin(late, half.slots[0])._replace(index=early.rows)
    after, _ = run(chain, None, fresh, state=begun)
    np.testing.assert_array_equal(after.slots.asnumpy()[0], whole.slots.asnumpy()[0])


T = schedulers.table(schedulers.from_config(SD, "ddim"), 3)
SLOTS_OF = np.zeros((1, 2, 4, 3, 3), np.float32)


def written(path, slots=SLOTS_OF, index=0, metadata=files.STATE, **more):
    save_file({"slots": slots, "index": np.asarray(index), **more}, path, metadata)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"no"), "no safetensors file"),
        (lambda path: schedulers.save(T, path), "no state of mdx: .*schedulers.table"),
        (lambda path: written(path, metadata=None), "no state of mdx: no metadata"),
        (
            lambda path: written(path, metadata={**files.STATE, "version": "3"}),
            "of version '3', and this mdx reads 1, 2",
        ),
        (lambda path: written(path, more=SLOTS_OF), "no state of mdx"),
        (lambda path: written(path, slots=SLOTS_OF.ravel()), "slots must have shape"),
        (lambda path: written(path, slots=SLOTS_OF[None, None, None]), "slots must have shape"),
        (lambda path: written(path, slots=SLOTS_OF[:, :0]), "slots must have shape"),
        (lambda path: written(path, slots=SLOTS_OF.astype(float)), "slots must be F32, not F64"),
        (lambda path: written(path, slots=SLOTS_OF * np.float32(np.nan)), "hold NaN or infinity"),
        (lambda path: written(path, index=-1), "index must be a row, not -1"),
        (lambda path: written(path, index=[1]), "index must be a row"),
        (lambda path: written(path, index=1.0), "index must be I64, not F64"),
        (lambda path: written(path, index=np.uint64(2**63)), "index must be I64, not U64"),
    ],
)
def test_a_file_that_is_no_state(tmp_path, make, words):
    make(tmp_path / "x")
    with pytest.raises(ValueError, match=words):
        schedulers.load_state(tmp_path / "x")


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no state at"):
        schedulers.load_state(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match=r"cannot write .*x: No such file"):
        schedulers.save_state(schedulers.init(T, pictures()), tmp_path / "missing" / "x")


def test_a_state_is_no_table(tmp_path):
    schedulers.save_state(schedulers.init(T, pictures()), tmp_path / "x")
    with pytest.raises(ValueError, match=r"no table of mdx: .*schedulers\.state"):
        schedulers.load(tmp_path / "x")


@pytest.mark.parametrize("slots", [0, None, "x", np.zeros((2, 1, 3))])
def test_a_state_of_something_else_is_named(slots, tmp_path):
    """Neither a step nor a file is made of it."""
    made = schedulers.table(schedulers.from_config({}, "ddim"), 2)
    with pytest.raises(TypeError, match="a state's slots must be a Tensor, not"):
        schedulers.step(made, schedulers.State(slots, 0), np.zeros((1, 3)))
    with pytest.raises(TypeError, match="a state's slots must be a Tensor, not"):
        schedulers.save_state(schedulers.State(slots, 0), tmp_path / "state")
    for index in ([], " ", 1.5, np.array([]), True):
        state = schedulers.init(made, np.zeros((1, 3)))._replace(index=index)
        with pytest.raises(ValueError, match="a state's index must be a row of its table, not"):
            schedulers.save_state(state, tmp_path / "state")


@pytest.mark.parametrize("join", [schedulers.stack, lambda tables: schedulers.concat(*tables)])
def test_what_is_no_table_cannot_be_joined(join):
    """Fields of other types and shapes are named before anything is made of them."""
    made = schedulers.table(schedulers.from_config({}, "ddim"), 2)
    for change in ({"clip": 51}, {"scale": np.zeros((1, 4, 0, 0))}, {"mix": np.array([-1.0])}):
        [name] = change
        with pytest.raises(ValueError, match=rf"table\.{name} must be float64"):
            join([made, made._replace(**change)])
    with pytest.raises(ValueError, match=r"a table is what schedulers\.table makes, not 3"):
        join([made, 3])


@pytest.mark.parametrize("carry", [3, np.zeros(3), {1: np.zeros(1)}, "x", [()]])
def test_what_is_no_carry_is_refused(tmp_path, carry):
    state = schedulers.init(T, pictures())._replace(carry=carry)
    with pytest.raises(TypeError, match="a state's carry must be a dict of arrays or None"):
        schedulers.save_state(state, tmp_path / "x")


def test_what_is_saved_is_read_row_by_row_however_it_lies(tmp_path):
    """Files hold numbers row by row; an array may lie by columns, or be a view."""
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    carry = {"columns": np.asfortranarray(numbers), "view": numbers.T}
    state = schedulers.init(T, pictures())._replace(carry=carry)
    schedulers.save_state(state, tmp_path / "state")
    back = schedulers.load_state(tmp_path / "state").carry
    assert np.array_equal(back["columns"].asnumpy(), numbers)
    assert np.array_equal(back["view"].asnumpy(), numbers.T)
    turned = T._replace(mix=np.asfortranarray(T.mix))
    schedulers.save(turned, tmp_path / "table")
    assert schedulers.load(tmp_path / "table") == T
