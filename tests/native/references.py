"""The operators in numpy and float64, as their papers have them."""

import math

import numpy as np

from mdx.kernels.native import calls
from tests.native.operators import value

ROOT = math.sqrt(2 / math.pi)
_erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x):
    """Without overflow where x is far below 0."""
    return np.exp(-np.logaddexp(0, -x))


ACTIVATIONS = {
    calls.IDENTITY: lambda x: x,
    calls.SILU: lambda x: x * sigmoid(x),
    calls.GELU: lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2,
    calls.GELU_TANH: lambda x: (
        x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    ),
    calls.GELU_QUICK: lambda x: x * sigmoid(1.702 * x),
}


def rows_of(x, layout):
    """An array in a layout as rows (B, T, C)."""
    return x if layout == calls.ROWS else np.swapaxes(x, 1, 2)


def in_layout(x, layout):
    """Rows (B, T, C) as a float32 array in a layout."""
    return np.ascontiguousarray(rows_of(x, layout), np.float32)


def normalised(x, norm):
    """Rows (B, T, C), float64."""
    x = x.astype(np.float64)
    batch, tokens, channels = x.shape
    if norm.kind == calls.GROUP_NORM:
        grouped = x.reshape(batch, tokens, norm.groups, channels // norm.groups)
        mean = grouped.mean((1, 3), keepdims=True)
        variance = grouped.var((1, 3), keepdims=True)
        x = ((grouped - mean) / np.sqrt(variance + norm.epsilon)).reshape(x.shape)
    elif norm.kind == calls.LAYER_NORM:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + norm.epsilon)
    elif norm.kind == calls.RMS_NORM:
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + norm.epsilon)
    if norm.kind != calls.NO_NORM:
        x = x * (1 if norm.weight is None else value(norm.weight))
        x = x + (0 if norm.bias is None else value(norm.bias))
    return ACTIVATIONS[norm.activation](x)


def gated(x, activation, gate):
    """Activated rows, or a half of their channels times what the other half activates to."""
    if gate == calls.NO_GATE:
        return ACTIVATIONS[activation](x)
    first, second = np.split(x, 2, axis=-1)
    passed, gates = (second, first) if gate == calls.GATE_FIRST else (first, second)
    return passed * ACTIVATIONS[activation](gates)


def convolved(x, weight, stride, padding):
    """x (B, I, H, W), weight (O, I, h, w); padding (top, left, bottom, right)."""
    top, left, bottom, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    return np.einsum("bihwkl,oikl->bohw", windows[:, :, ::stride, ::stride], weight, optimize=True)


def enlarged(x, height, width):
    """The nearest pixels."""
    rows = np.arange(height) * x.shape[2] // height
    columns = np.arange(width) * x.shape[3] // width
    return x[:, :, rows][:, :, :, columns]


def attention(q, k, v, scale, causal, mask):
    """q (B, H, T, c), k and v (B, G, S, ...), mask (B, S) or None -> (B, H, T, d)."""
    each = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, each, 1), np.repeat(v, each, 1)
    scores = np.einsum("bhtc,bhsc->bhts", q, k) * scale
    hidden = np.zeros(scores.shape, bool)
    if causal:
        hidden |= np.arange(k.shape[2]) > np.arange(q.shape[2])[:, None]
    if mask is not None:
        hidden |= (mask == 0)[:, None, None, :]
    weights = np.where(hidden, 0.0, np.exp(scores - scores.max(-1, keepdims=True)))
    sums = weights.sum(-1, keepdims=True)
    return np.einsum("bhts,bhsd->bhtd", weights / np.where(sums == 0, 1, sums), v)


def rotated(x, cos, sin, interleaved):
    """x (B, T, H, c), cos and sin (T, turned / 2)."""
    pairs = cos.shape[1]
    first, second = np.arange(pairs), np.arange(pairs) + pairs
    if interleaved:
        first, second = 2 * np.arange(pairs), 2 * np.arange(pairs) + 1
    turned = x.copy()
    cos, sin = cos[:, None], sin[:, None]
    turned[..., first] = x[..., first] * cos - x[..., second] * sin
    turned[..., second] = x[..., second] * cos + x[..., first] * sin
    return turned


def as_bfloat16(x):
    """The nearest numbers of bfloat16, ties to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    bits = bits + 0x7FFF + ((bits >> 16) & 1)
    return (bits & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)


# Results that a drawn case has at least. Of one alone, the terms may happen to cancel: its rounding
# errors, which are as large as the terms, are then large beside it.
ENOUGH = 30


def apart(found, expected, *made_of):
    """The largest difference over the largest value; 0 of what is equal, though it be all 0.

    made_of: sums that an activation or a product made small, whose rounding errors it has still.
    """
    difference = np.abs(found - expected).max()
    return difference and difference / max(np.abs(values).max() for values in (expected, *made_of))
