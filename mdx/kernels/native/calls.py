"""The library's interface for ctypes: operators.h, field by field."""

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_int32, c_int64, c_void_p
from pathlib import Path

# The values of operators.h's enumerations.
FLOAT32, FLOAT16, BFLOAT16 = range(3)
MAPS, ROWS = range(2)
NO_NORM, GROUP_NORM, LAYER_NORM, RMS_NORM = range(4)
IDENTITY, SILU, GELU, GELU_TANH, GELU_QUICK = range(5)
NO_GATE, GATE_LAST, GATE_FIRST = range(3)
AUTOMATIC, DIRECT, WINOGRAD = range(3)


def _fields(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


class Parameter(Structure):
    """mdx_parameter."""

    _fields_ = [*_fields(c_void_p, "data"), *_fields(c_int32, "type")]


class Norm(Structure):
    """mdx_norm."""

    _fields_ = [
        *_fields(c_int32, "kind groups activation"),
        *_fields(c_float, "epsilon"),
        *_fields(Parameter, "weight bias"),
    ]


class LinearCall(Structure):
    """mdx_linear_call."""

    _fields_ = [
        *_fields(c_int64, "batch places inputs outputs"),
        *_fields(c_int32, "x_layout out_layout activation gate bfloat16"),
        *_fields(c_void_p, "x"),
        *_fields(Parameter, "weight bias"),
        *_fields(c_void_p, "residual"),
        *_fields(Norm, "norm"),
        *_fields(c_void_p, "out"),
    ]


class ConvolutionCall(Structure):
    """mdx_convolution_call."""

    _fields_ = [
        *_fields(c_int64, "batch inputs outputs height width enlarged_height enlarged_width"),
        *_fields(c_int32, "kernel_height kernel_width stride top left bottom right method"),
        *_fields(c_void_p, "x"),
        *_fields(Parameter, "weight bias"),
        *_fields(c_void_p, "shift residual"),
        *_fields(Norm, "norm"),
        *_fields(c_void_p, "out"),
    ]


class AttentionCall(Structure):
    """mdx_attention_call."""

    _fields_ = [
        *_fields(c_int64, "batch heads key_heads queries keys size value_size"),
        *_fields(c_int32, "q_layout k_layout v_layout out_layout causal bfloat16"),
        *_fields(c_float, "scale"),
        *_fields(c_void_p, "q k v mask out"),
    ]


class NormCall(Structure):
    """mdx_norm_call."""

    _fields_ = [
        *_fields(c_int64, "batch places channels"),
        *_fields(c_int32, "layout"),
        *_fields(c_void_p, "x"),
        *_fields(Norm, "norm"),
        *_fields(c_void_p, "out"),
    ]


class ActivationCall(Structure):
    """mdx_activation_call."""

    _fields_ = [
        *_fields(c_int64, "batch places channels"),
        *_fields(c_int32, "layout activation gate"),
        *_fields(c_void_p, "x out"),
    ]


class RotaryCall(Structure):
    """mdx_rotary_call."""

    _fields_ = [
        *_fields(c_int64, "batch places heads size turned"),
        *_fields(c_int32, "layout interleaved"),
        *_fields(c_void_p, "x cos sin out"),
    ]


OPERATORS = {
    "mdx_linear": LinearCall,
    "mdx_convolution": ConvolutionCall,
    "mdx_attention": AttentionCall,
    "mdx_normalise": NormCall,
    "mdx_activate": ActivationCall,
    "mdx_rotate": RotaryCall,
}


def opened(path: Path) -> ctypes.CDLL:
    """The library at a path, its functions typed. OSError where it is none, or lacks one."""
    library = ctypes.CDLL(str(path))
    try:
        for name, call in OPERATORS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = [POINTER(call)], c_int
        library.mdx_error.restype = c_char_p
        library.mdx_class.restype = c_char_p
        library.mdx_threads.restype = c_int
        library.mdx_set_threads.argtypes, library.mdx_set_threads.restype = [c_int], c_int
        library.mdx_memory.restype = c_int64
    except AttributeError as error:
        raise OSError(f"{path} is not mdx's native library: {error}") from error
    return library
