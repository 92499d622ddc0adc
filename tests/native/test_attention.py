"""Attention against numpy: sizes, layouts, masks, grouped queries."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mdx.kernels.native import calls
from tests.native import operators, references
from tests.native.libraries import CLASSES, load

SIZES = st.integers(1, 70)
LENGTHS = st.one_of(SIZES, st.integers(100, 300))


@st.composite
def readings(draw):
    """Arguments of `attention` below."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch, key_heads, readers = (draw(st.integers(1, 2)) for _ in range(3))
    queries, keys, size, value_size = draw(LENGTHS), draw(LENGTHS), draw(SIZES), draw(SIZES)
    assume(batch * key_heads * readers * queries * value_size >= references.ENOUGH)
    q = rng.standard_normal((batch, key_heads * readers, queries, size), np.float32)
    k = rng.standard_normal((batch, key_heads, keys, size), np.float32)
    v = rng.standard_normal((batch, key_heads, keys, value_size), np.float32)
    mask = None
    if draw(st.booleans()):
        mask = (rng.random((batch, keys)) < draw(st.sampled_from([0.0, 0.1, 0.9]))) * np.float32(1)
    layouts = [draw(st.sampled_from([calls.MAPS, calls.ROWS])) for _ in range(4)]
    return q, k, v, size**-0.5, draw(st.booleans()), mask, layouts


def joined(x, layout):
    """Heads (B, H, T, c) as an array in a layout."""
    batch, heads, places, size = x.shape
    rows = x.transpose(0, 2, 1, 3).reshape(batch, places, heads * size)
    return references.in_layout(rows, layout)


def parted(x, layout, heads):
    """An array in a layout as heads (B, H, T, c)."""
    rows = references.rows_of(x, layout)
    return rows.reshape(*rows.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def attention(library, q, k, v, scale, causal, mask, layouts, **options):
    heads, out_layout = q.shape[1], layouts[3]
    shape = joined(np.zeros((*q.shape[:3], v.shape[3])), out_layout).shape
    arrays = [joined(x, layout) for x, layout in zip((q, k, v), layouts, strict=False)]
    found = operators.attention(
        library, *arrays, shape, heads, k.shape[1], scale=scale, causal=causal, mask=mask,
        q_layout=layouts[0], k_layout=layouts[1], v_layout=layouts[2], out_layout=out_layout,
        **options,
    )  # fmt: skip
    return parted(found, out_layout, heads)


def exact(q, k, v, scale, causal, mask):
    arrays = (x.astype(np.float64) for x in (q, k, v))
    return references.attention(*arrays, scale, causal, mask)


@pytest.mark.parametrize("kind", CLASSES)
@settings(max_examples=60, deadline=None)
@given(readings())
def test_attention_equals_numpys(kind, reading):
    *arguments, _ = reading
    found, expected = attention(load(kind), *reading), exact(*arguments)
    assert references.apart(found, expected) < 2e-6


@pytest.mark.parametrize("kind", CLASSES)
@settings(max_examples=25, deadline=None)
@given(readings())
def test_attention_of_bfloat16_products_is_within_its_bound(kind, reading):
    *arguments, _ = reading
    found, expected = attention(load(kind), *reading, bfloat16=1), exact(*arguments)
    # What is read is a mean of values: it is off by a share of them, not of what is left of them.
    bound = 1e-2 if kind == "avx512-bf16" else 2e-6
    assert references.apart(found, expected, arguments[2]) < bound


@pytest.mark.parametrize("kind", CLASSES)
def test_scores_far_apart_neither_overflow_nor_vanish(kind):
    rng = np.random.default_rng(0)
    q, k = 100 * rng.standard_normal((2, 1, 2, 130, 16), np.float32)
    v = rng.standard_normal((1, 2, 130, 16), np.float32)
    layouts = [calls.ROWS] * 4
    found = attention(load(kind), q, k, v, 1.0, False, None, layouts)
    # Scores are 1e5, whose float32 neighbours are 1/128 apart: weights differ by as much.
    assert references.apart(found, exact(q, k, v, 1.0, False, None)) < 2e-2


@pytest.mark.parametrize("kind", CLASSES)
def test_what_is_not_a_number_is_read_as_such(kind):
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, 1, 1, 70, 8), np.float32)
    q[0, 0, 3, 2] = np.nan
    found = attention(load(kind), q, k, v, 1.0, False, None, [calls.MAPS] * 4)
    assert np.isnan(found[0, 0, 3]).all()
    assert np.isnan(found).sum() == 8
