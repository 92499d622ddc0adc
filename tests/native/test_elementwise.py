"""Norms, activations and rotary embedding against numpy."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mdx.kernels.native import calls
from tests.native import operators, references
from tests.native.libraries import CLASSES, load
from tests.native.test_linear import ACTIVATIONS, GATES, LAYOUTS, SIZES, norms


@pytest.mark.parametrize("kind", CLASSES)
@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2**32 - 1), SIZES, st.one_of(SIZES, st.just(5000)), LAYOUTS)
def test_norms_equal_numpys(kind, data, seed, channels, places, layout):
    assume(2 * places * channels >= references.ENOUGH)
    rng = np.random.default_rng(seed)
    kinds = [calls.NO_NORM, calls.LAYER_NORM, calls.RMS_NORM]
    if layout == calls.MAPS:
        kinds.append(calls.GROUP_NORM)
    norm = data.draw(norms(rng, channels, kinds))
    # Numbers that differ little from their mean show how exact that is.
    spread = data.draw(st.sampled_from([1.0, 0.01]))
    x = references.in_layout(3 + spread * rng.standard_normal((2, places, channels)), layout)
    found = references.rows_of(operators.normalise(load(kind), x, norm, layout), layout)
    expected = references.normalised(references.rows_of(x, layout), norm)
    assert references.apart(found, expected) < 2e-6


@pytest.mark.parametrize("kind", CLASSES)
@settings(max_examples=40, deadline=None)
@given(SIZES, SIZES, LAYOUTS, ACTIVATIONS, GATES, st.sampled_from([1e-3, 1.0, 30.0]))
def test_activations_equal_numpys(kind, channels, places, layout, activation, gate, size):
    assume(2 * places * channels >= references.ENOUGH)
    rng = np.random.default_rng(channels)
    width = channels * (1 if gate == calls.NO_GATE else 2)
    x = references.in_layout(size * rng.standard_normal((2, places, width)), layout)
    shape = (2, places, channels) if layout == calls.ROWS else (2, channels, places)
    found = operators.activate(load(kind), x, shape, layout, activation, gate)
    rows = references.rows_of(x, layout).astype(np.float64)
    expected = references.gated(rows, activation, gate)
    assert references.apart(references.rows_of(found, layout), expected) < 2e-6


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("activation", list(references.ACTIVATIONS))
def test_activations_of_extremes(kind, activation):
    x = np.array([[-1e30, -200, -90, -1e-30, 0, 1e-30, 90, 200, 1e30, np.nan]], np.float32)
    found = operators.activate(load(kind), x, x.shape, calls.ROWS, activation, calls.NO_GATE)
    assert np.isnan(found[0, -1])
    with np.errstate(over="ignore"):
        expected = references.ACTIVATIONS[activation](x[:, :-1].astype(np.float64))
    assert np.abs((found[:, :-1] - expected) / np.maximum(np.abs(expected), 1)).max() < 2e-6


@pytest.mark.parametrize("kind", CLASSES)
@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 3), SIZES, SIZES, LAYOUTS, st.booleans())
def test_rotary_embedding_equals_numpys(kind, data, heads, places, size, layout, interleaved):
    pairs = data.draw(st.integers(0, size // 2))
    assume(2 * heads * places * size >= references.ENOUGH)
    rng = np.random.default_rng(size)
    angles = rng.standard_normal((places, pairs))
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    rows = rng.standard_normal((2, places, heads * size)).astype(np.float32)
    x = references.in_layout(rows, layout)
    found = operators.rotate(load(kind), x, cos, sin, layout, heads, interleaved)
    by_heads = rows.reshape(2, places, heads, size).astype(np.float64)
    expected = references.rotated(by_heads, cos, sin, interleaved).reshape(rows.shape)
    assert references.apart(references.rows_of(found, layout), expected) < 2e-6
