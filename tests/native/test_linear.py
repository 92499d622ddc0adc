"""Linear layers against numpy: every tail, layout and type of weight, and what is fused to them."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mdx.kernels.native import calls
from tests.native import operators, references
from tests.native.libraries import CLASSES, load
from tests.native.operators import Norm, stored, value

SIZES = st.integers(1, 70)
LAYOUTS = st.sampled_from([calls.MAPS, calls.ROWS])
TYPES = st.sampled_from(list(operators.TYPES))
ACTIVATIONS = st.sampled_from(list(references.ACTIVATIONS))
GATES = st.sampled_from([calls.NO_GATE, calls.GATE_LAST, calls.GATE_FIRST])


@st.composite
def norms(draw, rng, channels, kinds):
    """A norm of so many channels; its parameters may be absent."""
    kind = draw(st.sampled_from(kinds))
    groups = [n for n in range(1, channels + 1) if channels % n == 0]
    weight = stored(1 + rng.standard_normal(channels), draw(TYPES)) if draw(st.booleans()) else None
    bias = stored(rng.standard_normal(channels), draw(TYPES)) if draw(st.booleans()) else None
    activation = draw(st.sampled_from([calls.IDENTITY, calls.SILU]))
    return Norm(kind, 1e-3, draw(st.sampled_from(groups)), weight, bias, activation)


@st.composite
def layers(draw):
    """Arguments of `operators.linear` without the library, the result, and its sums."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch, tokens = draw(st.integers(1, 3)), draw(SIZES)
    inputs, outputs = draw(st.one_of(SIZES, st.just(800))), draw(SIZES)
    assume(batch * tokens * outputs >= references.ENOUGH)
    x_layout, out_layout, gate = draw(LAYOUTS), draw(LAYOUTS), draw(GATES)
    rows = rng.standard_normal((batch, tokens, inputs)) + 1
    weights = outputs * (1 if gate == calls.NO_GATE else 2)
    weight = stored(rng.standard_normal((weights, inputs)) / inputs**0.5, draw(TYPES))
    bias = stored(rng.standard_normal(weights), draw(TYPES)) if draw(st.booleans()) else None
    residual = rng.standard_normal((batch, tokens, outputs)) if draw(st.booleans()) else None
    kinds = [calls.NO_NORM, calls.LAYER_NORM, calls.RMS_NORM]
    if x_layout == calls.MAPS:
        kinds.append(calls.GROUP_NORM)
    norm = draw(norms(rng, inputs, kinds))
    activation = draw(ACTIVATIONS)
    x = references.in_layout(rows, x_layout)
    read = references.normalised(references.rows_of(x, x_layout), norm)
    sums = read @ value(weight).T + (0 if bias is None else value(bias))
    expected = references.gated(sums, activation, gate)
    options = {
        "x_layout": x_layout, "out_layout": out_layout, "activation": activation, "gate": gate,
        "bias": bias, "norm": norm,
    }  # fmt: skip
    if residual is not None:
        options["residual"] = references.in_layout(residual, out_layout)
        expected = expected + references.rows_of(options["residual"], out_layout)
    return (x, weight, references.rows_of(expected, out_layout).shape, options), expected, sums


@pytest.mark.parametrize("kind", CLASSES)
@settings(max_examples=80, deadline=None)
@given(layers())
def test_linear_layers_equal_numpys(kind, layer):
    (x, weight, shape, options), expected, sums = layer
    found = operators.linear(load(kind), x, weight, shape, **options)
    found = references.rows_of(found, options["out_layout"])
    assert references.apart(found, expected, sums) < 2e-6


@pytest.mark.parametrize("kind", CLASSES)
@settings(max_examples=25, deadline=None)
@given(SIZES, st.one_of(SIZES, st.just(801)), SIZES, LAYOUTS, LAYOUTS, TYPES)
def test_products_of_bfloat16_are_those_of_rounded_numbers(
    kind, tokens, inputs, outputs, x_layout, out_layout, stored_as
):
    assume(2 * tokens * outputs >= references.ENOUGH)
    rng = np.random.default_rng(inputs)
    rows = rng.standard_normal((2, tokens, inputs)).astype(np.float32)
    weight = stored(rng.standard_normal((outputs, inputs)), stored_as)
    x = references.in_layout(rows, x_layout)
    shape = (2, tokens, outputs) if out_layout == calls.ROWS else (2, outputs, tokens)
    options = {"x_layout": x_layout, "out_layout": out_layout, "bfloat16": 1}
    found = references.rows_of(
        operators.linear(load(kind), x, weight, shape, **options), out_layout
    )
    exact = rows.astype(np.float64) @ value(weight).T
    if kind != "avx512-bf16":  # others compute with what they have
        assert references.apart(found, exact) < 2e-6
        return
    rounded = references.as_bfloat16(rows) @ references.as_bfloat16(value(weight)).T
    assert references.apart(found, rounded) < 2e-6
    assert references.apart(found, exact) < 1e-2
