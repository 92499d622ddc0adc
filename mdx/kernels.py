"""How convolution, attention and norms are lowered: the one module that knows the device.

Feature maps are (B, C, H, W), tokens are (B, T, C). Ascend runs MindSpore's own primitives in
the dtype of the weights. A CPU computes in float32 whatever dtype holds the weights, because its
half-precision kernels upcast anyway and are slower.

Broadcasting binary operators hold memory for as long as a CPU graph lives, so the paths below
write them as BiasAdd, LayerNorm and BatchNorm, which do not.
"""

import math
import os
import threading
from pathlib import Path
from typing import NamedTuple

# On AVX-512 oneDNN's convolution falls back to its reference kernel: 1 GFLOP/s instead of 150. It
# does not where it is kept to AVX2. That slows matrix products down; a UNet's step still takes a
# third of the time, and half the memory, that convolution by matrix products takes
# (benchmarks/full_size.py). oneDNN reads this when it is first used.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import mindspore
import numpy as np
from mindspore import Tensor, ops

# MindSpore runs one compiled graph at a time, and a second thread that enters one fails. Whoever
# calls a compiled function holds this.
ONE_AT_A_TIME = threading.RLock()

CPU_FEATURES = Path("/proc/cpuinfo")  # absent where there is no Linux, and no such trap

# Scores beyond this are computed a few heads at a time: 4096 tokens, 4 heads, float32.
SCORE_BYTES = 256 * 1024 * 1024


class Lowering(NamedTuple):
    """Which implementation each kind of work gets on a device."""

    convolution: str  # "native", or "unfold": columns of patches times a matrix
    attention: str  # "flash", or "matmul": scores, softmax, values
    upsampling: str  # "native", or "gather"
    norm: str  # of groups: "layer", rows of a LayerNorm, or "batch", channels of a BatchNorm
    compute: str  # "float32", or "weights": the dtype that the weights have


ASCEND = Lowering("native", "flash", "native", "layer", "weights")
CPU = Lowering("native", "matmul", "gather", "batch", "float32")
# For an environment that asks oneDNN for more than AVX2.
CPU_AVX512 = Lowering("unfold", "matmul", "gather", "batch", "float32")


def lowering() -> Lowering:
    """The lowering for the device that MindSpore is set to."""
    if mindspore.get_context("device_target") == "Ascend":
        return ASCEND
    kept_to_avx2 = os.environ.get("ONEDNN_MAX_CPU_ISA") == "AVX2"
    if not kept_to_avx2 and CPU_FEATURES.exists() and " avx512f" in CPU_FEATURES.read_text():
        return CPU_AVX512
    return CPU


@ops.constexpr
def _choice(kind):
    return getattr(lowering(), kind)


@ops.constexpr
def _ones(size):
    return Tensor(np.ones(size, np.float32))


@ops.constexpr
def _zeros(size):
    return Tensor(np.zeros(size, np.float32))


@ops.constexpr
def _unit_variance(size, epsilon):
    return Tensor(np.full(size, 1.0 - epsilon, np.float32))


@ops.constexpr
def _nearest(height, width, new_height, new_width):
    rows, columns = np.arange(new_height) // 2, np.arange(new_width) // 2
    return Tensor((rows[:, None] * width + columns[None, :]).reshape(-1).astype(np.int32))


@ops.constexpr
def _twice(width, dtype):
    """(w, 4w): a row times this is the row with each pixel doubled, and that once more."""
    doubled = np.repeat(np.eye(width, dtype=np.float32), 2, 1)
    return Tensor(np.concatenate([doubled, doubled], 1), dtype)


@ops.constexpr
def _causal_mask(tokens):
    hidden = np.triu(np.full((tokens, tokens), -1e9, np.float32), 1)
    return Tensor(hidden[None])


def as_input(x, weight):
    """Cast x to the dtype in which a net with such weights computes on this device."""
    if _choice("compute") == "float32":
        return ops.cast(x, mindspore.float32)
    return ops.cast(x, weight.dtype)


def _weight(weight):
    return as_input(weight, weight)


def linear(x, weight, bias=None):
    """x (..., I) @ weight (O, I) transposed + bias (O,) -> (..., O)."""
    rows = x.reshape((-1, x.shape[-1]))
    out = ops.MatMul(transpose_b=True)(rows, _weight(weight))
    if bias is not None:
        out = ops.BiasAdd()(out, _weight(bias))
    return out.reshape((*x.shape[:-1], weight.shape[0]))


def convolution(x, weight, bias, stride=1, padding=(1, 1, 1, 1)):
    """Convolve x (B, I, H, W) with weight (O, I, k, k); padding is (top, bottom, left, right)."""
    if _choice("convolution") == "native":
        out = native_convolution(x, _weight(weight), stride, padding)
    else:
        out = unfold_convolution(x, _weight(weight), stride, padding)
    return ops.BiasAdd()(out, _weight(bias))


def native_convolution(x, weight, stride, padding):
    """MindSpore's Conv2D."""
    channels, _, size, _ = weight.shape
    return ops.Conv2D(channels, size, pad_mode="pad", pad=padding, stride=stride)(x, weight)


def unfold_convolution(x, weight, stride, padding):
    """The same as one matrix product with the columns of patches."""
    top, bottom, left, right = padding
    channels, inputs, size, _ = weight.shape
    height = (x.shape[2] + top + bottom - size) // stride + 1
    width = (x.shape[3] + left + right - size) // stride + 1
    if size == 1 and stride == 1:
        columns = x.reshape((x.shape[0], inputs, -1))
    elif top == bottom and left == right:
        columns = ops.unfold(x, size, 1, (top, left), stride)
    else:
        columns = ops.unfold(ops.pad(x, (left, right, top, bottom)), size, 1, 0, stride)
    out = ops.matmul(weight.reshape((channels, -1)), columns)
    return out.reshape((x.shape[0], channels, height, width))


def group_norm(x, weight, bias, groups, epsilon):
    """Normalise x (B, C, H, W) over each of `groups` groups of channels."""
    channels = x.shape[1]
    rows = ops.cast(x, mindspore.float32)
    weight, bias = ops.cast(weight, mindspore.float32), ops.cast(bias, mindspore.float32)
    if _choice("norm") == "batch":
        normed = normed_by_batch(rows, groups, epsilon, bias[:1])
    else:
        normed = normed_by_layer(rows, groups, epsilon)
    # The channels' scale follows as a BatchNorm whose mean is 0 and variance plus epsilon is 1.
    scaled = ops.BatchNorm(is_training=False, epsilon=1e-5)(
        normed,
        weight,
        bias,
        _zeros(channels),
        _unit_variance(channels, 1e-5),
    )[0]
    return ops.cast(scaled, x.dtype)


def normed_by_layer(x, groups, epsilon):
    """x (B, C, H, W) with mean 0 and variance 1 in each group: a group is a row of a LayerNorm."""
    batch, channels, height, width = x.shape
    size = channels // groups * height * width
    rows = x.reshape((batch * groups, size))
    return ops.LayerNorm(1, 1, epsilon)(rows, _ones(size), _zeros(size))[0].reshape(x.shape)


def normed_by_batch(x, groups, epsilon, running):
    """The same where a group is a channel of one picture to BatchNorm.

    On a CPU this runs 2 to 3 times as fast as LayerNorm over long rows, forwards and backwards.
    BatchNorm in training writes running statistics: into `running` (1,), copied for each call, for
    in a constant of the graph one NaN would stay for good.
    """
    count = x.shape[0] * groups
    norm = ops.BatchNorm(is_training=True, epsilon=epsilon)
    mean, variance = ops.tile(running, (count,)), ops.tile(running + 1.0, (count,))
    one_picture = x.reshape((1, count, -1, x.shape[3]))
    return norm(one_picture, _ones(count), _zeros(count), mean, variance)[0].reshape(x.shape)


def layer_norm(x, weight, bias, epsilon):
    """Normalise x (..., C) over its last axis."""
    rows = ops.cast(x, mindspore.float32).reshape((-1, x.shape[-1]))
    scale, shift = ops.cast(weight, mindspore.float32), ops.cast(bias, mindspore.float32)
    normed, _, _ = ops.LayerNorm(1, 1, epsilon)(rows, scale, shift)
    return ops.cast(normed, x.dtype).reshape(x.shape)


def add_to_channels(x, shift):
    """x (B, C, H, W) + shift (B, C)."""
    batch, channels, height, width = x.shape
    flat = x.reshape((1, batch * channels, height, width))
    return ops.BiasAdd()(flat, shift.reshape((-1,))).reshape(x.shape)


def scale_channels(x, scale):
    """x (B, C, H, W) * scale (B, C)."""
    return x * ops.tile(scale.reshape((*scale.shape, 1, 1)), (1, 1, x.shape[2], x.shape[3]))


def upsample(x, height, width):
    """Nearest neighbour to twice the size of x (B, C, h, w); one less where the target is odd."""
    if _choice("upsampling") == "native":
        return ops.ResizeNearestNeighbor((height, width))(x)
    if height == 2 * x.shape[2] and width == 2 * x.shape[3] and width <= 64:
        # A matrix of zeros and ones copies narrow rows faster than a gather, and its gradient is
        # three times as fast (measured, both ways, at 32x32 and below).
        rows = ops.MatMul()(x.reshape((-1, x.shape[3])), _twice(x.shape[3], x.dtype))
        return rows.reshape((x.shape[0], x.shape[1], height, width))
    index = _nearest(x.shape[2], x.shape[3], height, width)
    flat = x.reshape((x.shape[0] * x.shape[1], -1))
    return ops.gather(flat, index, 1).reshape((x.shape[0], x.shape[1], height, width))


def to_tokens(x):
    """(B, C, H, W) -> (B, H*W, C)."""
    return x.reshape((x.shape[0], x.shape[1], -1)).transpose((0, 2, 1))


def from_tokens(tokens, height, width):
    """(B, H*W, C) -> (B, C, H, W)."""
    return tokens.transpose((0, 2, 1)).reshape((tokens.shape[0], -1, height, width))


def attention(query, key, value, heads, causal=False, upcast=False):
    """Scaled dot-product attention: query (B, T, C), key and value (B, S, C) -> (B, T, C).

    causal hides later tokens from earlier ones; upcast computes scores in float32 whatever the
    inputs' dtype. Attention is all you need, arXiv 1706.03762, equation 1.
    """
    dtype = query.dtype
    size = query.shape[2] // heads
    half = dtype == mindspore.float16 or dtype == mindspore.bfloat16
    if _choice("attention") == "flash" and half and size % 16 == 0 and not causal and not upcast:
        return flash_attention(query, key, value, heads)
    if upcast:
        query = ops.cast(query, mindspore.float32)
        key = ops.cast(key, mindspore.float32)
    return matmul_attention(query, key, value, heads, causal)


def flash_attention(query, key, value, heads):
    """One fused primitive, Ascend only: half precision, head size a multiple of 16."""
    scale = 1.0 / math.sqrt(query.shape[2] // heads)
    return ops.flash_attention_score(
        query, key, value, heads, scalar_value=scale, input_layout="BSH"
    )


def matmul_attention(query, key, value, heads, causal):
    """Scores, softmax, values; a few heads at a time where all scores at once would be large."""
    batch, tokens, channels = query.shape
    scores = batch * heads * tokens * key.shape[1] * 4
    # The largest share of heads that divides evenly and keeps within SCORE_BYTES.
    parts = 1
    while scores > parts * SCORE_BYTES and parts < batch * heads:
        parts += 1
        while batch * heads % parts != 0:
            parts += 1
    query = _split_heads(query, heads)
    key = _split_heads(key, heads)
    value = _split_heads(value, heads)
    if parts == 1:
        out = _attend(query, key, value, causal)
    else:
        size = batch * heads // parts
        outs = ()
        for part in range(parts):
            span = part * size, (part + 1) * size
            some = query[span[0] : span[1]]
            if part > 0:
                # Independent parts would run at once and hold all their scores together.
                some = ops.depend(some, outs[part - 1])
            outs += (_attend(some, key[span[0] : span[1]], value[span[0] : span[1]], causal),)
        out = ops.concat(outs)
    out = out.reshape((batch, heads, tokens, channels // heads)).transpose((0, 2, 1, 3))
    return out.reshape((batch, tokens, channels))


def _split_heads(x, heads):
    batch, tokens, channels = x.shape
    parts = x.reshape((batch, tokens, heads, channels // heads)).transpose((0, 2, 1, 3))
    return parts.reshape((batch * heads, tokens, channels // heads))


def _attend(query, key, value, causal):
    scale = 1.0 / math.sqrt(query.shape[2])
    scores = ops.BatchMatMul(transpose_b=True)(query * scale, key)
    if causal:
        scores = scores + ops.cast(_causal_mask(query.shape[1]), scores.dtype)
    weights = ops.cast(ops.softmax(scores, -1), value.dtype)
    return ops.BatchMatMul()(weights, value)
