"""The library's operators on numpy arrays, by ctypes alone: no MindSpore."""

import ctypes
from typing import NamedTuple

import numpy as np

from mdx.kernels.native import calls

# Types of weights: numpy has no bfloat16, whose numbers are the upper halves of float32's.
TYPES = {"float32": calls.FLOAT32, "float16": calls.FLOAT16, "bfloat16": calls.BFLOAT16}


class Weight(NamedTuple):
    """Numbers as they lie in a file."""

    bits: np.ndarray
    type: int  # of calls


class Norm(NamedTuple):
    """What is normalised before it is read."""

    kind: int
    epsilon: float = 1e-5
    groups: int = 0
    weight: Weight | None = None
    bias: Weight | None = None
    activation: int = calls.IDENTITY


NONE = Norm(calls.NO_NORM)


def stored(numbers: np.ndarray, kind: str) -> Weight:
    """Numbers in one of TYPES; bfloat16 cuts them off."""
    single = np.ascontiguousarray(numbers, np.float32)
    if kind == "bfloat16":
        return Weight((single.view(np.uint32) >> 16).astype(np.uint16), calls.BFLOAT16)
    return Weight(single.astype(kind), TYPES[kind])


def value(weight: Weight | None) -> np.ndarray | None:
    """The numbers of a weight, float64."""
    if weight is None:
        return None
    if weight.type == calls.BFLOAT16:
        return (weight.bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return weight.bits.astype(np.float64)


def linear(library, x, weight, shape, **options):
    """options: the fields of LinearCall, bias, residual and norm among them."""
    call = calls.LinearCall()
    _fill(call, options)
    channels = shape[-1] if call.out_layout == calls.ROWS else shape[1]
    call.outputs = channels
    call.batch, call.places, call.inputs = _sizes(x, call.x_layout)
    call.x, call.weight = _pointer(x), _parameter(weight)
    return _run(library, "mdx_linear", call, shape)


def convolution(library, x, weight, shape, **options):
    """x (B, I, H, W), weight (O, I, k, k); options: the fields of ConvolutionCall."""
    call = calls.ConvolutionCall()
    call.stride = 1
    _fill(call, options)
    call.batch, call.inputs, call.height, call.width = x.shape
    call.outputs, _, call.kernel_height, call.kernel_width = weight.bits.shape
    call.x, call.weight = _pointer(x), _parameter(weight)
    return _run(library, "mdx_convolution", call, shape)


def attention(library, q, k, v, shape, heads, key_heads, **options):
    """q, k, v in the layouts that options say; options: the fields of AttentionCall."""
    call = calls.AttentionCall(heads=heads, key_heads=key_heads)
    _fill(call, options)
    call.batch, call.queries, channels = _sizes(q, call.q_layout)
    call.size = channels // heads
    _, call.keys, _ = _sizes(k, call.k_layout)
    call.value_size = _sizes(v, call.v_layout)[2] // key_heads
    call.q, call.k, call.v = map(_pointer, (q, k, v))
    return _run(library, "mdx_attention", call, shape)


def normalise(library, x, norm, layout):
    """x in its layout, normalised."""
    call = calls.NormCall(layout=layout)
    _fill(call, {"norm": norm})
    call.batch, call.places, call.channels = _sizes(x, layout)
    call.x = _pointer(x)
    return _run(library, "mdx_normalise", call, x.shape)


def activate(library, x, shape, layout, activation, gate):
    """x in its layout, with twice the channels of `shape` where it is gated."""
    call = calls.ActivationCall(layout=layout, activation=activation, gate=gate, x=_pointer(x))
    call.batch, call.places, _ = _sizes(x, layout)
    call.channels = shape[-1] if layout == calls.ROWS else shape[1]
    return _run(library, "mdx_activate", call, shape)


def rotate(library, x, cos, sin, layout, heads, interleaved):
    """x in its layout; cos and sin (places, half of what turns)."""
    call = calls.RotaryCall(layout=layout, heads=heads, interleaved=interleaved)
    call.batch, call.places, channels = _sizes(x, layout)
    call.size, call.turned = channels // heads, 2 * cos.shape[1]
    call.x, call.cos, call.sin = map(_pointer, (x, cos, sin))
    return _run(library, "mdx_rotate", call, x.shape)


def _sizes(x, layout):
    """Batch, places and channels of x (B, C, ...) or (..., T, C)."""
    if layout == calls.ROWS:
        return int(np.prod(x.shape[:-2])), x.shape[-2], x.shape[-1]
    return x.shape[0], int(np.prod(x.shape[2:])), x.shape[1]


def _fill(call, options):
    kinds = dict(call._fields_)
    for name, given in options.items():
        if isinstance(given, Norm):
            setattr(call, name, _norm(given))
        elif kinds[name] is calls.Parameter:
            setattr(call, name, _parameter(given))
        elif kinds[name] is ctypes.c_void_p:
            setattr(call, name, None if given is None else _pointer(given))
        else:
            setattr(call, name, given)


def _norm(norm):
    return calls.Norm(
        norm.kind, norm.groups, norm.activation, norm.epsilon,
        _parameter(norm.weight), _parameter(norm.bias),
    )  # fmt: skip


def _parameter(weight):
    if weight is None:
        return calls.Parameter()
    assert weight.bits.flags.c_contiguous
    return calls.Parameter(weight.bits.ctypes.data, weight.type)


def _pointer(array):
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    return array.ctypes.data


def _run(library, name, call, shape):
    """The result, in memory that is full of numbers which nobody would take for results."""
    out = np.full(shape, np.nan, np.float32)
    call.out = _pointer(out)
    if getattr(library, name)(ctypes.byref(call)) != 0:
        raise RuntimeError(library.mdx_error().decode())
    return out
