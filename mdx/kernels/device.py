"""The device, and the table of which lowering it gives to which shapes."""

import functools
import math
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import mindspore
from mindspore import Tensor, ops

from mdx.kernels import native
from mdx.kernels.arguments import Padding
from mdx.kernels.winograd_matrices import TILE

CPU_FEATURES = Path("/proc/cpuinfo")  # absent where there is no Linux


def keep_to_avx2(environment: MutableMapping[str, str], features: str) -> None:
    """Keep oneDNN to AVX2, unless the environment says otherwise or the processor is Intel's.

    With AVX-512 oneDNN's convolution falls back to its reference kernel, and columns of patches
    have to take its place. On Intel's processors products gain more by AVX-512 than that loses.
    features: what CPU_FEATURES says. oneDNN reads the environment when it is first used.
    """
    if "GenuineIntel" not in features:
        environment.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")


@functools.cache
def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


keep_to_avx2(os.environ, _text(CPU_FEATURES))


class Convolution(NamedTuple):
    """A rule for convolutions."""

    lowering: str  # "winograd", "folded", "native", "pointwise", "columns" or "fused"
    size: int = 0  # of the kernel that it is for; 0: any
    stride: int = 0  # that it is for; 0: any
    channels: int = 0  # that must go in, and come out, at least
    pixels: int = 0  # that a batch must have at least
    narrowing: int = 0  # channels that go in for each that comes out, at least
    tiled: bool = False  # for a border of 1 and pictures that divide into tiles alone


class Attention(NamedTuple):
    """A rule for attention."""

    lowering: str  # "flash", "maps", "rows" or "fused"
    queries: int = 0  # that a picture must have at least
    half: bool = False  # for half precision alone, no mask, and head sizes that are multiples of 16


class Lowering(NamedTuple):
    """Which implementation each kind of work gets on a device; the first rule that fits counts."""

    convolution: tuple[Convolution, ...]
    attention: tuple[Attention, ...]
    products_from: float  # pixels of a picture from which no linear layer transposes it to tokens
    upsampling: str  # "native", or "copies"
    norm: str  # of groups: "layer", rows of a LayerNorm; "batch", channels of a BatchNorm; "fused"
    compute: str  # "float32", or "weights": the dtype that the weights have
    many_operators: bool  # whether to give graphs operators enough: see own_threads.py
    fused: bool = False  # whether layers are mdx's native operators: see fused.py
    products: str = "float32"  # of those: "bfloat16" in linear layers and attention, or "float32"


ASCEND = Lowering(
    convolution=(Convolution("native"),),
    attention=(Attention("flash", half=True), Attention("rows")),
    products_from=math.inf,
    upsampling="native",
    norm="layer",
    compute="weights",
    many_operators=False,
)
# Fewer pixels do not pay for the values of the kernels, nor fewer channels for those of the tiles.
WINOGRAD = Convolution("winograd", size=3, stride=1, channels=128, pixels=512, tiled=True)
POINTWISE = Convolution("pointwise", size=1, stride=1)
FOLDED = Convolution("folded", stride=1, narrowing=16)
CPU = Lowering(
    convolution=(WINOGRAD, FOLDED, Convolution("native")),
    # Rows of few tokens are cheap to transpose, and take all pictures at once.
    attention=(Attention("maps", queries=512), Attention("rows")),
    products_from=512,
    upsampling="copies",
    norm="batch",
    compute="float32",
    many_operators=True,
)
# For where oneDNN may use AVX-512: nothing goes to its own convolution.
CPU_AVX512 = CPU._replace(convolution=(WINOGRAD, POINTWISE, FOLDED, Convolution("columns")))


# By mdx's native operators, one for a layer with what precedes and follows it.
CPU_NATIVE = CPU._replace(
    convolution=(Convolution("fused"),),
    attention=(Attention("fused"),),
    norm="fused",
    many_operators=False,
    fused=True,
)

CPU_NATIVE_BFLOAT16 = CPU_NATIVE._replace(products="bfloat16")

PLAIN, NATIVE = "plain", "native"  # of MindSpore's operators, or of mdx's own
FLOAT32, BFLOAT16 = "float32", "bfloat16"
USUAL = PLAIN  # where nobody says
_asked: ContextVar[tuple[str, str] | None] = ContextVar("operators", default=None)


@contextmanager
def lowered(operators: str, compute: str = FLOAT32) -> Iterator[None]:
    """Within this, graphs for a CPU are made of "plain" or "native" operators.

    Those are MindSpore's, which derivatives can be taken of, or mdx's own where its library is
    there. It holds for this thread, and wins over the environment variable MDX_NATIVE, which is 1
    for native operators, 0 for plain ones, and bfloat16 for native ones that compute so.

    Args:
        operators: the kind.
        compute: "float32", or of native operators "bfloat16": numbers are rounded to that before
            they are multiplied in linear layers and attention, where the processor does it; sums
            are of float32, and so is all else.

    Raises:
        ValueError: for other words.
    """
    if operators not in (PLAIN, NATIVE):
        raise ValueError(f"operators must be {PLAIN!r} or {NATIVE!r}, not {operators!r}")
    if compute not in ((FLOAT32,) if operators == PLAIN else (FLOAT32, BFLOAT16)):
        also = "" if operators == PLAIN else f" or {BFLOAT16!r}"
        raise ValueError(
            f"compute must be {FLOAT32!r}{also} with {operators} operators, not {compute!r}"
        )
    token = _asked.set((operators, compute))
    try:
        yield
    finally:
        _asked.reset(token)


# What MDX_NATIVE means.
MEANINGS = {
    "": (USUAL, FLOAT32),
    "0": (PLAIN, FLOAT32),
    "1": (NATIVE, FLOAT32),
    BFLOAT16: (NATIVE, BFLOAT16),
}


def _operators() -> tuple[str, str]:
    """Those that are asked for, and their products. ValueError for what has no meaning."""
    asked = _asked.get()
    if asked is not None:
        return asked
    said = os.environ.get("MDX_NATIVE", "")
    if said not in MEANINGS:
        raise ValueError(f"MDX_NATIVE must be 0, 1 or bfloat16, not {said!r}")
    return MEANINGS[said]


def lowering() -> Lowering:
    """The lowering for the device that MindSpore is set to, of the operators that are asked for."""
    if mindspore.get_context("device_target") == "Ascend":
        return ASCEND
    operators, compute = _operators()
    if operators == NATIVE and native.library() is not None:
        return CPU_NATIVE if compute == FLOAT32 else CPU_NATIVE_BFLOAT16
    kept_to_avx2 = os.environ.get("ONEDNN_MAX_CPU_ISA") == "AVX2"
    if not kept_to_avx2 and " avx512f" in _text(CPU_FEATURES):
        return CPU_AVX512
    return CPU


def convolution_rule(
    rules: tuple[Convolution, ...], weight: tuple[int, ...], stride: int, pixels: int, tiled: bool
) -> str:
    """The lowering of a convolution with weights of shape (O, I, k, k).

    pixels: of a batch that is convolved; tiled: whether it takes one for tiles.
    """
    for rule in rules:
        suits = rule.stride in (0, stride) and pixels >= rule.pixels and (tiled or not rule.tiled)
        if suits and fits(rule, weight):
            return rule.lowering
    raise ValueError(f"no rule for a convolution of shape {weight} and stride {stride}")


def fits(rule: Convolution, weight: tuple[int, ...]) -> bool:
    """Whether weights of shape (O, I, k, k) are such as a rule is for."""
    narrows = weight[1] >= rule.narrowing * weight[0]
    return rule.size in (0, weight[2]) and min(weight[:2]) >= rule.channels and narrows


def attention_rule(rules: tuple[Attention, ...], queries: int, flash: bool) -> str:
    """The lowering of attention from so many queries a picture; flash: that "flash" takes it."""
    fits = (r.lowering for r in rules if queries >= r.queries and (flash or not r.half))
    return next(fits)


@ops.constexpr
def choice(kind: str) -> Any:
    """One field of the lowering, while a graph is compiled."""
    return getattr(lowering(), kind)


@ops.constexpr
def choose_convolution(
    weight: tuple[int, ...], stride: int, padding: Padding, batch: int, height: int, width: int
) -> str:
    """`convolution_rule` while a graph is compiled; height and width of what is convolved."""
    tiled = padding == (1, 1, 1, 1) and height % TILE == 0 and width % TILE == 0
    pixels = batch * height * width
    return convolution_rule(lowering().convolution, weight, stride, pixels, tiled)


@ops.constexpr
def choose_attention(queries: int, flash: bool) -> str:
    """`attention_rule` while a graph is compiled."""
    return attention_rule(lowering().attention, queries, flash)


def as_input(x: Tensor, weight: Tensor) -> Tensor:
    """Cast x to the dtype in which a net with such weights computes on this device."""
    if choice("compute") == "float32":
        return ops.cast(x, mindspore.float32)
    return ops.cast(x, weight.dtype)


def as_weight(weight: Tensor) -> Tensor:
    """Cast a weight to the dtype that it is computed with."""
    if choice("compute") == "float32":
        return ops.cast(weight, mindspore.float32)
    return weight
