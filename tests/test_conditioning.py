"""Conditioning as a value: checked, sliced, joined, blended, saved."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mdx import conditioning
from mdx.conditioning import Conditioning

numbers = st.floats(-10, 10, width=32)


def made(seed=0, batch=3, family="made_up"):
    random = np.random.default_rng(seed)
    return conditioning.make(
        family,
        {
            "context": random.standard_normal((batch, 4, 5)).astype(np.float32),
            "pooled": random.standard_normal((batch, 6)),
            "mask": np.ones((batch, 4), np.int64),
        },
    )


def test_arrays_become_the_two_dtypes_and_stay():
    one = made()
    assert {name: str(a.dtype) for name, a in one.arrays.items()} == {
        "context": "float32",
        "pooled": "float32",
        "mask": "int32",
    }
    assert one.batch == 3
    with pytest.raises(ValueError, match="read-only"):
        one.arrays["context"][0] = 1
    with pytest.raises(TypeError, match="does not support item assignment"):
        one.arrays["context"] = 1


def test_an_array_that_was_given_may_change_later():
    own = np.zeros((2, 3), np.float32)
    one = conditioning.make("made_up", {"context": own})
    own += 1
    assert not one.arrays["context"].any()


WRONG = {
    "no family": (("", {"a": np.ones(2)}), "family must be the name of one"),
    "no arrays": (("f", {}), "at least one array"),
    "no dict": (("f", [np.ones(2)]), "at least one array"),
    "batches": (("f", {"a": np.ones(2), "b": np.ones(3)}), r"as many images each.*'a': 2, 'b': 3"),
    "no batch": (("f", {"a": 1.0}), r"a must have shape \(B, \.\.\.\)"),
    "empty": (("f", {"a": np.ones((2, 0))}), "and not be empty"),
    "text": (("f", {"a": ["x"]}), "a must hold real or whole numbers"),
    "NaN": (("f", {"a": [np.nan]}), "a holds NaN or infinity"),
    "beyond float32": (("f", {"a": [1e39]}), "a holds NaN or infinity"),
    "beyond int32": (("f", {"a": [2**40]}), "none in 32 bits"),
    "name": (("f", {1: [1.0]}), "names of a conditioning's arrays are text"),
}


@pytest.mark.parametrize(("arguments", "error"), WRONG.values(), ids=WRONG)
def test_what_is_none_is_refused(arguments, error):
    with pytest.raises((TypeError, ValueError), match=error):
        conditioning.make(*arguments)


def test_values_are_equal_by_their_numbers():
    one, same, other = made(), made(), made(1)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != made(family="another")
    assert one != conditioning.take(one, slice(0, 2))
    assert one != "a conditioning"
    for again in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert again == one
        assert not again.arrays["context"].flags.writeable
    assert repr(one) == "Conditioning(made_up: context (3, 4, 5), pooled (3, 6), mask (3, 4))"
    assert repr(Conditioning("f", None)) == "Conditioning(of arrays that make none)"


@given(st.lists(st.integers(-3, 2), min_size=1, max_size=5))
def test_images_are_taken_by_number(images):
    taken = conditioning.take(made(), images)
    assert taken.batch == len(images)
    for name, array in made().arrays.items():
        assert np.array_equal(taken.arrays[name], array[images])


def test_parts_join_to_the_whole():
    one = made()
    parts = [conditioning.take(one, slice(i, i + 1)) for i in range(3)]
    assert conditioning.concat(*parts) == one
    twice = conditioning.repeat(one, 2)
    assert conditioning.take(twice, slice(0, None, 2)) == one
    assert conditioning.take(twice, slice(1, None, 2)) == one
    for images in (slice(3, 3), []):
        with pytest.raises(ValueError, match="not be empty"):
            conditioning.take(one, images)
    with pytest.raises(ValueError, match="images must be 2 or less, not 3"):
        conditioning.take(one, [3])
    with pytest.raises(ValueError, match="times must be 1 or more"):
        conditioning.repeat(one, 0)
    with pytest.raises(ValueError, match="at least one"):
        conditioning.concat()


@pytest.mark.parametrize("join", [conditioning.concat, lambda a, b: conditioning.blend(a, b, 0.5)])
def test_what_differs_does_not_join(join):
    one = made()
    with pytest.raises(ValueError, match="for made_up and another do not go together"):
        join(one, made(family="another"))
    wide = conditioning.make("made_up", {**one.arrays, "pooled": np.ones((3, 7))})
    with pytest.raises(ValueError, match="of other names or shapes"):
        join(one, wide)
    with pytest.raises(TypeError, match=r"a mdx\.Conditioning is needed"):
        join(one, {"context": 1})


def test_sizes_go_straight_where_vectors_turn():
    a, b = (
        conditioning.make("xl", {"pooled": np.float32([p]), "original": np.float32([size])})
        for p, size in (((1, 0), (1024, 512)), ((0, 1), (512, 1024)))
    )
    found = conditioning.blend(a, b, 0.5, spherical=True).arrays
    np.testing.assert_allclose(found["pooled"], [[np.sqrt(0.5)] * 2], rtol=1e-6)
    assert np.array_equal(found["original"], [[768, 768]])


@pytest.mark.parametrize("spherical", [False, True])
def test_blends_end_where_they_should(spherical):
    a, b = made(), made(1)
    for weight, end in ((0, a), (1, b)):
        found = conditioning.blend(a, b, weight, spherical=spherical)
        for name, array in found.arrays.items():
            np.testing.assert_allclose(array, end.arrays[name], atol=2e-6)
    masked = conditioning.make("made_up", {**b.arrays, "mask": np.zeros((3, 4), np.int32)})
    with pytest.raises(ValueError, match="mask holds whole numbers, and they differ"):
        conditioning.blend(a, masked, 0.5, spherical=spherical)
    with pytest.raises(ValueError, match="of 3 and 2 images"):
        conditioning.blend(a, conditioning.take(b, [0, 1]), 0.5, spherical=spherical)
    with pytest.raises(ValueError, match="weight must be a finite number"):
        conditioning.blend(a, b, np.nan, spherical=spherical)


vectors = arrays(np.float32, (2, 3, 4), elements=numbers)


@given(vectors, vectors, st.floats(0, 1))
@settings(deadline=None)
def test_an_arc_keeps_lengths_on_the_line(begin, end, weight):
    """Lengths change in a straight line wherever there is an arc, and there is no NaN anywhere."""
    a, b = (conditioning.make("made_up", {"context": x}) for x in (begin, end))
    found = conditioning.blend(a, b, weight, spherical=True).arrays["context"]
    assert np.isfinite(found).all()
    norms = [np.linalg.norm(np.float64(x), axis=-1) for x in (begin, end)]
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.sum(np.float64(begin) * end, -1) / norms[0] / norms[1]
    arc = (np.minimum(*norms) > 1e-3) & (np.abs(cosine) < 0.999)
    lengths = (1 - weight) * norms[0] + weight * norms[1]
    got = np.linalg.norm(np.float64(found), axis=-1)
    np.testing.assert_allclose(got[arc], lengths[arc], rtol=1e-4)


def test_an_arc_turns_at_an_even_speed():
    a, b = ([[3.0, 0.0]], [[0.0, 3.0]])
    for weight in np.linspace(-0.5, 1.5, 9):
        one, other = (conditioning.make("made_up", {"pooled": x}) for x in (a, b))
        found = conditioning.blend(one, other, float(weight), spherical=True).arrays["pooled"]
        angle = weight * np.pi / 2
        np.testing.assert_allclose(found, [[3 * np.cos(angle), 3 * np.sin(angle)]], atol=1e-6)


STRAIGHT = {
    "opposite": ([[2.0, 0.0]], [[-2.0, 0.0]], [[1.0, 0.0]]),
    "the same": ([[2.0, 1.0]], [[2.0, 1.0]], [[2.0, 1.0]]),
    "zeros": ([[0.0, 0.0]], [[4.0, 0.0]], [[1.0, 0.0]]),
    "both zeros": ([[0.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]),
}


@pytest.mark.parametrize(("begin", "end", "quarter"), STRAIGHT.values(), ids=STRAIGHT)
def test_where_there_is_no_arc_it_is_the_line(begin, end, quarter):
    a, b = (conditioning.make("made_up", {"pooled": x}) for x in (begin, end))
    found = conditioning.blend(a, b, 0.25, spherical=True)
    np.testing.assert_allclose(found.arrays["pooled"], quarter, atol=1e-7)


def test_saved_and_read_bit_for_bit(tmp_path):
    one = made()
    conditioning.save(one, tmp_path / "prompt.safetensors")
    assert conditioning.load(tmp_path / "prompt.safetensors") == one


def test_other_files_are_no_conditioning(tmp_path):
    from mdx import schedulers
    from mdx.array_files import write

    with pytest.raises(FileNotFoundError, match="no conditioning at"):
        conditioning.load(tmp_path / "none")
    schedulers.save(schedulers.table(schedulers.from_config({}, "ddim"), 2), tmp_path / "table")
    with pytest.raises(ValueError, match="is no conditioning of mdx"):
        conditioning.load(tmp_path / "table")
    said = {**conditioning.FORMAT, "family": "made_up"}
    for error, held in {
        "context must be F32 or I32, not F64": {"context": np.ones((1, 2))},
        "holds NaN": {"context": np.full((1, 2), np.nan, np.float32)},
        "as many images": {"a": np.ones(1, np.float32), "b": np.ones(2, np.float32)},
    }.items():
        write(held, tmp_path / "x", said)
        with pytest.raises(ValueError, match=error):
            conditioning.load(tmp_path / "x")
    write({"a": np.ones(1, np.float32)}, tmp_path / "x", {**said, "version": "9"})
    with pytest.raises(ValueError, match="of version '9', and this mdx reads 1"):
        conditioning.load(tmp_path / "x")


@pytest.mark.parametrize("change", [np.asfortranarray, lambda a: np.broadcast_to(a[:1], a.shape)])
def test_arrays_are_saved_row_by_row_however_they_lie(tmp_path, change):
    one = made()
    other = conditioning.make("made_up", {n: change(np.array(a)) for n, a in one.arrays.items()})
    conditioning.save(other, tmp_path / "prompt")
    assert conditioning.load(tmp_path / "prompt") == other
    masked = conditioning.make("made_up", {"mask": np.array([[True, False]])})
    assert masked.arrays["mask"].tolist() == [[1, 0]]
