"""Every lowering but convolution's against the plain formula, in float64 numpy; odd shapes too."""

import re

import mindspore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mindspore import Tensor

from mdx import kernels
from mdx.kernels import attention_maps, device, own_threads, parts
from mdx.kernels.attention_maps import maps
from mdx.kernels.attention_rows import rows
from tests.lowerings import close, few, randoms, run, sides


def attended(x, context, weights, heads, causal):
    """Multi-head attention as in the paper, in float64."""

    def projected(x, weight, bias=0.0):
        return np.float64(x) @ weight.T + bias

    def split(x):
        return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    query, key, value = (
        split(projected(*pair)) for pair in zip((x, context, context), weights[:3], strict=True)
    )
    scores = query @ key.swapaxes(2, 3) / np.sqrt(query.shape[3])
    if causal:
        scores = np.where(np.tri(*scores.shape[2:]) == 1, scores, -np.inf)
    shares = np.exp(scores - scores.max(3, keepdims=True))
    read = shares / shares.sum(3, keepdims=True) @ value
    return projected(read.transpose(0, 2, 1, 3).reshape(*x.shape[:2], -1), *weights[3:])


def run_attention(lowering, x, context, weights, bias, *constants):
    """A lowering of attention in a graph; a bias at the output alone, and none of others."""

    def function(x, context, query, key, value, out, bias, *constants):
        return lowering(
            x, context, ((query, None), (key, None), (value, None), (out, bias)), *constants
        )

    return run(function, x, context, *weights, bias, *constants)


def attention_arrays(tokens, others, channels, width=7, pictures=2):
    x, context = randoms((pictures, tokens, 5), (pictures, others, width))
    weights = randoms((channels, 5), (channels, width), (channels, width), (5, channels), seed=1)
    return x, context, weights, randoms((5,), seed=2)[0]


@pytest.mark.parametrize("lowering", [maps, rows])
@few
@given(
    tokens=st.integers(1, 12),
    others=st.integers(1, 12),
    heads=st.integers(1, 4),
    size=st.integers(1, 6),
    pictures=st.integers(1, 3),
    causal=st.booleans(),
    upcast=st.booleans(),
    part_bytes=st.integers(1, 2000),
)
def test_attention(lowering, tokens, others, heads, size, pictures, causal, upcast, part_bytes):
    """Whole or in parts, down to one query at a time."""
    others = tokens if causal else others
    x, context, weights, bias = attention_arrays(tokens, others, heads * size, 7, pictures)
    got = run_attention(lowering, x, context, weights, bias, heads, causal, upcast, part_bytes)
    close(got, attended(x, context, (*weights, bias), heads, causal))


@pytest.mark.parametrize("lowering", [maps, rows])
def test_attention_with_biases(lowering):
    x, context, weights, _ = attention_arrays(6, 9, 8)
    biases = randoms((8,), (8,), (8,), seed=3)

    def function(x, context, *arrays):
        pairs = ((arrays[0], arrays[4]), (arrays[1], arrays[5]), (arrays[2], arrays[6]))
        return lowering(x, context, (*pairs, (arrays[3], None)), 2, False, False, 10**6)

    got = run(function, x, context, *weights, *biases)
    wide = [np.hstack([w, b[:, None]]) for w, b in zip(weights, biases, strict=False)]
    ones = [np.concatenate([a, np.ones_like(a[..., :1])], 2) for a in (x, context)]
    close(got, attended(*ones, (*wide, weights[3]), 2, False))


RULES = (
    device.Attention("first", queries=100, half=True),
    device.Attention("second", queries=10),
    device.Attention("last"),
)


@pytest.mark.parametrize(
    ("queries", "flash", "expected"),
    [
        (100, True, "first"),
        (99, True, "second"),
        (100, False, "second"),
        (10, False, "second"),
        (9, False, "last"),
        (9, True, "last"),
    ],
)
def test_the_first_rule_that_fits_counts(queries, flash, expected):
    """Of any table: from its least number of queries on, and in half precision or not."""
    assert device.attention_rule(RULES, queries, flash) == expected


@pytest.mark.parametrize("lowering", [device.ASCEND, device.CPU, device.CPU_AVX512])
@pytest.mark.parametrize("flash", [False, True])
@pytest.mark.parametrize("queries", [1, 511, 512, 2**20])
def test_attention_of_any_shape_has_a_lowering(lowering, queries, flash):
    """One that there is; and flash attention, which has no CPU kernel, on Ascend in half alone."""
    chosen = device.attention_rule(lowering.attention, queries, flash)
    assert chosen in ("flash", "maps", "rows")
    assert (chosen == "flash") == (flash and lowering is device.ASCEND)


@pytest.mark.parametrize("tokens", [511, 512])
def test_attention_of_the_device(tokens):
    x, context, weights, bias = attention_arrays(tokens, 3, 4, pictures=1)
    got = run_attention(kernels.attention, x, context, weights, bias, 2)
    close(got, attended(x, context, (*weights, bias), 2, False))


@pytest.mark.parametrize(("queries", "parts"), [(1024, 1), (1025, 2), (2048, 2), (2049, 3)])
def test_attention_of_maps_keeps_its_scores_in_the_caches(tmp_path, queries, parts):
    """However many may be there at once."""
    query, key = [Tensor(a) for a in randoms((1, 1, queries), (1, 1, 4096))]

    @mindspore.jit
    def graph(query, key):
        return attention_maps.attended(query, key, key, False, 10**9)

    file = tmp_path / "graph.mindir"
    mindspore.export(graph, query, key, file_name=str(file), file_format="MINDIR")
    found = set(re.findall(rb"[\w/-]*Softmax-op\d+", file.read_bytes()))
    assert len(found) == parts


@pytest.fixture
def few_calls():
    """No more than these calls within calls, while a graph is made: a loop's turn takes some."""
    mindspore.set_recursion_limit(220)
    yield
    mindspore.set_recursion_limit(1000)


@pytest.mark.parametrize(("lowering", "queries"), [(maps, 241), (rows, 240)])
def test_attention_in_many_parts(few_calls, lowering, queries):
    """Two queries each, cut evenly and unevenly."""
    x, context, weights, bias = attention_arrays(queries, 5, 4, pictures=1)
    got = run_attention(lowering, x, context, weights, bias, 2, False, False, 2 * 2 * 5 * 4)
    close(got, attended(x, context, (*weights, bias), 2, False))


def test_rows_in_many_parts(few_calls):
    def twice(x):
        return x * 2.0

    @mindspore.jit
    def graph(x):
        return kernels.by_rows(twice, x, 4, 8)

    [x] = randoms((1, 241, 3))
    assert np.array_equal(graph(Tensor(x)).asnumpy(), x * 2)


@given(
    heads=st.integers(1, 40),
    queries=st.integers(1, 20000),
    keys=st.integers(1, 20000),
    part_bytes=st.integers(1, 10**9),
)
def test_parts_keep_within_the_bytes(heads, queries, keys, part_bytes):
    """Scores of a part keep within the bytes asked, or are those of one query; none is missed."""
    size = parts.even_size(queries, heads * keys * 4, part_bytes)
    assert 1 <= size <= queries
    assert size == 1 or size * heads * keys * 4 <= part_bytes
    if heads * queries * keys * 4 <= part_bytes:
        assert size == queries


@few
@given(pictures=st.integers(1, 3), tokens=st.integers(1, 9), part_bytes=st.integers(1, 600))
def test_by_rows(pictures, tokens, part_bytes):
    """A function of rows gives the same whether it sees all of them or one at a time."""
    x, weight = randoms((pictures, tokens, 5), (3, 5))

    def function(x, weight, row_bytes, part_bytes):
        def double(x):
            return kernels.linear(x, weight) * 2.0

        return kernels.by_rows(double, x, row_bytes, part_bytes)

    close(run(function, x, weight, 40, part_bytes), 2 * np.float64(x) @ weight.T)


@pytest.mark.parametrize("lowering", [device.ASCEND, device.CPU])
@few
@given(
    height=sides,
    width=sides,
    groups=st.sampled_from([1, 2, 3]),
    per_group=st.integers(1, 4),
    offset=st.floats(-100, 100),
)
def test_group_norm(lowering, height, width, groups, per_group, offset):
    """A large mean must not drown the variance: E[x^2] - m^2 would."""
    channels = groups * per_group
    x, weight, bias = randoms((2, channels, height, width), (channels,), (channels,))
    x = x + np.float32(offset)
    rows = np.float64(x).reshape(2, groups, -1)
    normed = (rows - rows.mean(2, keepdims=True)) / np.sqrt(rows.var(2, keepdims=True) + 1e-5)
    expected = normed.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "lowering", lambda: lowering)
        got = run(kernels.group_norm, x, weight, bias, groups, 1e-5)
    close(got, expected, 1e-4)


def test_group_norm_keeps_no_statistics():
    """After other inputs, not numbers among them, the same input gives the same bits."""
    x, weight, bias = randoms((2, 6, 5, 7), (6,), (6,))

    @mindspore.jit
    def normed(x, weight, bias):
        return kernels.group_norm(x, weight, bias, 3, 1e-5)

    weight, bias = Tensor(weight), Tensor(bias)
    before = normed(Tensor(x), weight, bias).asnumpy()
    for other in (x + 100.0, np.full_like(x, np.inf), np.full_like(x, np.nan)):
        normed(Tensor(other), weight, bias)
        normed(Tensor(x), weight, Tensor(np.full(6, np.nan, np.float32)))
        assert np.array_equal(before, normed(Tensor(x), weight, bias).asnumpy())


@few
@given(tokens=st.integers(1, 5), channels=st.integers(2, 9))
def test_layer_norm(tokens, channels):
    x, weight, bias = randoms((2, tokens, channels), (channels,), (channels,))
    wide = np.float64(x)
    normed = (wide - wide.mean(2, keepdims=True)) / np.sqrt(wide.var(2, keepdims=True) + 1e-3)
    got = run(kernels.layer_norm, x, weight, bias, 1e-3)
    close(got, normed * weight + bias, 1e-4)


@few
@given(tokens=st.integers(1, 4), inputs=st.integers(1, 6), outputs=st.integers(1, 6))
def test_linear(tokens, inputs, outputs):
    x, weight, bias = randoms((2, tokens, inputs), (outputs, inputs), (outputs,))
    close(run(kernels.linear, x, weight, bias), np.float64(x) @ weight.T + bias)
    close(run(kernels.linear, x, weight), np.float64(x) @ weight.T)


@pytest.mark.parametrize("lowering", [device.ASCEND, device.CPU._replace(products_from=0)])
@few
@given(
    height=sides,
    width=sides,
    pictures=st.integers(1, 3),
    inputs=st.integers(1, 6),
    outputs=st.integers(1, 6),
)
def test_linear_between_maps_and_tokens(lowering, height, width, pictures, inputs, outputs):
    x, weight, bias = randoms((pictures, inputs, height, width), (outputs, inputs), (outputs,))
    pixels = np.float64(x).reshape(pictures, inputs, -1).transpose(0, 2, 1)
    expected = pixels @ weight.T + bias
    [rows] = randoms((pictures, height * width, inputs), seed=1)
    as_maps = (np.float64(rows) @ weight.T + bias).transpose(0, 2, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "lowering", lambda: lowering)
        close(run(kernels.linear_to_tokens, x, weight, bias), expected)
        got = run(kernels.linear_from_tokens, rows, weight, bias, height, width)
    close(got, as_maps.reshape(pictures, outputs, height, width))


def test_channel_arithmetic_and_tokens():
    x, by_channel = randoms((2, 3, 4, 5), (2, 3))
    wide = by_channel[:, :, None, None]
    assert np.array_equal(run(kernels.add_to_channels, x, by_channel), x + wide)
    assert np.array_equal(run(kernels.scale_channels, x, by_channel), x * wide)
    got = run(kernels.to_tokens, x)
    assert np.array_equal(got, x.reshape(2, 3, 20).transpose(0, 2, 1))
    assert np.array_equal(run(kernels.from_tokens, got, 4, 5), x)


@pytest.mark.parametrize(
    ("target", "cpu", "most", "expected"),
    [
        ("Ascend", "", None, device.ASCEND),
        ("CPU", "flags : avx2 avx512f avx512bw", None, device.CPU_AVX512),
        ("CPU", "flags : avx2 avx512f avx512bw", "AVX2", device.CPU),
        ("CPU", "flags : avx2 fma", None, device.CPU),
        ("CPU", None, None, device.CPU),
    ],
)
def test_lowering_follows_the_device(monkeypatch, tmp_path, target, cpu, most, expected):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if most is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    if cpu is not None:
        (tmp_path / "cpuinfo").write_text(cpu)
    monkeypatch.setattr(device, "CPU_FEATURES", tmp_path / "cpuinfo")
    monkeypatch.setattr(mindspore, "get_context", lambda key: target)
    with device.lowered("plain"):
        assert device.lowering() == expected


@pytest.mark.parametrize(
    ("features", "asked", "expected"),
    [
        ("vendor_id : AuthenticAMD", None, "AVX2"),
        ("", None, "AVX2"),
        ("vendor_id : AuthenticAMD", "AVX512_CORE", "AVX512_CORE"),
        ("vendor_id : GenuineIntel", None, None),
        ("vendor_id : GenuineIntel", "AVX2", "AVX2"),
    ],
)
def test_what_onednn_is_kept_to(features, asked, expected):
    environment = {} if asked is None else {"ONEDNN_MAX_CPU_ISA": asked}
    device.keep_to_avx2(environment, features)
    assert environment.get("ONEDNN_MAX_CPU_ISA") == expected


@pytest.mark.parametrize("operators", [0, 60, 200])
def test_a_graph_for_mindspore_s_own_threads(monkeypatch, tmp_path, operators):
    """It gives the same, and on a CPU has the operators that are wanting, elsewhere none."""
    [x] = randoms((3, 4))
    some = Tensor(x), Tensor(0.5, mindspore.float32)
    for name, lowering in (("ascend", device.ASCEND), ("cpu", device.CPU)):
        monkeypatch.setattr(device, "lowering", lambda kept=lowering: kept)

        @mindspore.jit
        def graph(x, scalar):
            return kernels.on_own_threads(x, scalar, operators)

        assert np.array_equal(graph(*some).asnumpy(), x)
        file = tmp_path / f"{name}.mindir"
        mindspore.export(graph, *some, file_name=str(file), file_format="MINDIR")
        wanting = max(0, own_threads.ON_CALLER + 1 - operators) if name == "cpu" else 0
        added = file.read_bytes().count(b"Sin")
        assert added >= wanting
        assert wanting or not added
