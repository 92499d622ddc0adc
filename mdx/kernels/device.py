"""The device, and the table of which lowering it gives to which shapes."""

import math
import os
import threading
from pathlib import Path
from typing import NamedTuple

# With AVX-512 oneDNN's convolution falls back to its reference kernel, too slow to use; kept to
# AVX2 it does not. oneDNN reads this when it is first used.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import mindspore
from mindspore import ops

# MindSpore runs one compiled graph at a time, and a second thread that enters one fails. Whoever
# calls a compiled function holds this.
ONE_AT_A_TIME = threading.RLock()

CPU_FEATURES = Path("/proc/cpuinfo")  # absent where there is no Linux, and no such trap


class Convolution(NamedTuple):
    """A rule for convolutions."""

    lowering: str  # "native", "pointwise" or "columns"
    size: int = 0  # of the kernel that it is for; 0: any
    stride: int = 0  # that it is for; 0: any


class Attention(NamedTuple):
    """A rule for attention."""

    lowering: str  # "flash", "maps" or "rows"
    queries: int = 0  # that a picture must have at least
    half: bool = False  # for half precision alone, no mask, and head sizes that are multiples of 16


class Lowering(NamedTuple):
    """Which implementation each kind of work gets on a device; the first rule that fits counts."""

    convolution: tuple[Convolution, ...]
    attention: tuple[Attention, ...]
    products_from: float  # pixels of a picture from which no linear layer transposes it to tokens
    upsampling: str  # "native", or "copies"
    norm: str  # of groups: "layer", rows of a LayerNorm, or "batch", channels of a BatchNorm
    compute: str  # "float32", or "weights": the dtype that the weights have


ASCEND = Lowering(
    convolution=(Convolution("native"),),
    attention=(Attention("flash", half=True), Attention("rows")),
    products_from=math.inf,
    upsampling="native",
    norm="layer",
    compute="weights",
)
CPU = Lowering(
    convolution=(Convolution("native"),),
    # Rows of few tokens are cheap to transpose, and take all pictures at once.
    attention=(Attention("maps", queries=512), Attention("rows")),
    products_from=512,
    upsampling="copies",
    norm="batch",
    compute="float32",
)
# For an environment that asks oneDNN for more than AVX2.
CPU_AVX512 = CPU._replace(
    convolution=(Convolution("pointwise", size=1, stride=1), Convolution("columns"))
)


def lowering() -> Lowering:
    """The lowering for the device that MindSpore is set to."""
    if mindspore.get_context("device_target") == "Ascend":
        return ASCEND
    kept_to_avx2 = os.environ.get("ONEDNN_MAX_CPU_ISA") == "AVX2"
    if not kept_to_avx2 and CPU_FEATURES.exists() and " avx512f" in CPU_FEATURES.read_text():
        return CPU_AVX512
    return CPU


def convolution_rule(rules: tuple[Convolution, ...], size: int, stride: int) -> str:
    """The lowering of a convolution with kernels `size` by `size`."""
    fits = (r.lowering for r in rules if r.size in (0, size) and r.stride in (0, stride))
    return next(fits)


def attention_rule(rules: tuple[Attention, ...], queries: int, flash: bool) -> str:
    """The lowering of attention from so many queries a picture; flash: that "flash" takes it."""
    fits = (r.lowering for r in rules if queries >= r.queries and (flash or not r.half))
    return next(fits)


@ops.constexpr
def choice(kind):
    """One field of the lowering, while a graph is compiled."""
    return getattr(lowering(), kind)


@ops.constexpr
def choose_convolution(size, stride):
    """`convolution_rule` while a graph is compiled."""
    return convolution_rule(lowering().convolution, size, stride)


@ops.constexpr
def choose_attention(queries, flash):
    """`attention_rule` while a graph is compiled."""
    return attention_rule(lowering().attention, queries, flash)


def as_input(x, weight):
    """Cast x to the dtype in which a net with such weights computes on this device."""
    if choice("compute") == "float32":
        return ops.cast(x, mindspore.float32)
    return ops.cast(x, weight.dtype)


def as_weight(weight):
    """Cast a weight to the dtype that it is computed with."""
    return as_input(weight, weight)
