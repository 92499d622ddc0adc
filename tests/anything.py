"""Values of every kind that somebody may give for an argument, most of them wrong."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from mindspore import Tensor
from PIL import Image

import mdx
from mdx import schedulers
from mdx.families import StableDiffusion
from mdx.net import Net

NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([2**31, 2**63, -(2**63), 10**400, -(10**5000), 10**5000]),
    st.floats(),
    st.complex_numbers(),
    st.fractions() | st.just(Fraction(1, 3)),
    st.decimals() | st.just(Decimal("sNaN")),
    st.sampled_from([np.float16("inf"), np.int8(-1), np.uint64(2**64 - 1), np.complex64(1j)]),
    st.sampled_from([np.bool_(True), np.str_("a"), np.datetime64("now"), np.longdouble("1e4000")]),
)
SHAPES = st.sampled_from([(), (0,), (1,), (3,), (2, 2), (1, 8, 8, 3), (1, 4, 8, 8), (0, 4, 8, 8)])
DTYPES = st.sampled_from(["f2", "f4", "f8", "i8", "u1", "?", "c8", "O", "U2", "M8[s]", "V4"])
ARRAYS = st.builds(np.zeros, SHAPES, DTYPES)
SINGLE = st.one_of(
    *(st.none(), st.booleans(), NUMBERS, st.text(max_size=20), st.binary(max_size=5), ARRAYS),
    st.sampled_from(
        [object(), print, int, ..., NotImplemented, np, range(3), slice(2), "x" * 10**5]
    ),
    st.builds(Tensor, st.just(np.zeros((1, 4, 8, 8), np.float32))),
    st.builds(Image.new, st.sampled_from(["L", "F", "RGBA"]), st.sampled_from([(8, 8), (0, 8)])),
    st.builds(np.random.default_rng, st.just(0)),
    st.builds(iter, st.just(())),
)
RECORDS = (
    mdx.Memory,
    StableDiffusion,
    Net,
    schedulers.Scheduler,
    schedulers.State,
    schedulers.Table,
)
NONSENSE = st.sampled_from(RECORDS).flatmap(
    lambda record: st.lists(SINGLE, min_size=len(record._fields), max_size=len(record._fields)).map(
        record._make
    )
)
ANYTHING = st.one_of(
    SINGLE,
    NONSENSE,
    st.lists(SINGLE, max_size=3),
    st.lists(SINGLE, max_size=2).map(tuple),
    st.dictionaries(st.text(max_size=3), SINGLE, max_size=2),
    st.frozensets(st.integers(), max_size=2),
)


def refused(name, call, *also):
    """Whether a call refuses its arguments, by one of these names; other errors are let through."""
    try:
        call()
    except (TypeError, ValueError, MemoryError) as error:
        words = str(error).replace("_", " ").lower()
    else:
        return False
    assert any(one.replace("_", " ") in words for one in (name, *also)), f"{name} is in no {words}"
    assert len(words) < 1300, "the whole value is in the error"
    assert "\n" not in words or "the least is" in words, "more than one line, and no plan"
    return True
