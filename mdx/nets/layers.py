"""Layers as functions of (params, name, x): the parameters of layer `name` are looked up by key."""

import math
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, ops

from mdx import kernels
from mdx.kernels.arguments import Padding, Projection
from mdx.nets import low_rank
from mdx.nets.params import Params, Shapes


def linear(params: Params, name: str, x: Tensor, scale: Tensor | None = None) -> Tensor:
    """x (..., I) -> (..., O); scale: strengths of LoRAs for each row, see low_rank.py."""
    weight, bias = _matrix(params, name)
    if low_rank.there(params, name):
        return kernels.linear(x, weight, bias, low_rank.of_linear(params, name, scale))
    return kernels.linear(x, weight, bias)


def linear_to_tokens(params: Params, name: str, x: Tensor) -> Tensor:
    """The linear layer on the pixels of x (B, I, H, W) -> (B, H*W, O)."""
    weight, _ = _matrix(params, name)
    out = kernels.linear_to_tokens(x, weight, params[name + ".bias"])
    if low_rank.there(params, name):
        out = out + low_rank.to_tokens(params, name, x)
    return out


def linear_from_tokens(
    params: Params, name: str, tokens: Tensor, height: int, width: int
) -> Tensor:
    """The linear layer on tokens (B, H*W, I), and the result as maps (B, O, H, W)."""
    weight, _ = _matrix(params, name)
    out = kernels.linear_from_tokens(tokens, weight, params[name + ".bias"], height, width)
    if low_rank.there(params, name):
        out = out + low_rank.from_tokens(params, name, tokens, height, width)
    return out


def _matrix(params: Params, name: str) -> tuple[Tensor, Tensor | None]:
    """Weight (O, I), stored so or as (O, I, 1, 1) in old checkpoints, and bias (O,) or None."""
    weight = params[name + ".weight"]
    if len(weight.shape) == 4:
        weight = kernels.as_matrix(kernels.weight_of(params, name + ".weight"))
    if name + ".bias" in params:
        return weight, params[name + ".bias"]
    return weight, None


def attention(
    params: Params,
    names: tuple[str, str, str, str],
    x: Tensor,
    context: Tensor,
    heads: int,
    shifted: bool = True,
    **options: Any,
) -> Tensor:
    """x (B, T, I) attends to context (B, S, D) -> (B, T, O).

    names: of the linear layers to queries, keys and values, and from their answer to the result.
    shifted: whether the result has the last one's bias. options: of kernels.attention.
    """
    weights = (
        _projection(params, names[0]),
        _projection(params, names[1]),
        _projection(params, names[2]),
        _projection(params, names[3], shifted),
    )
    return kernels.attention(x, context, weights, heads, **options)


def _projection(params: Params, name: str, shifted: bool = True) -> Projection:
    """A linear layer as attention takes it; shifted: with its bias."""
    weight, bias = _matrix(params, name)
    shift = bias if shifted else None
    if low_rank.there(params, name):
        return weight, shift, low_rank.of_linear(params, name)
    return weight, shift


def convolution(
    params: Params, name: str, x: Tensor, stride: int = 1, padding: Padding | None = None
) -> Tensor:
    """x (B, I, H, W) -> (B, O, H', W'); padding (top, bottom, left, right), None keeps the size."""
    weight = kernels.weight_of(params, name + ".weight")
    if padding is None:
        half = params[name + ".weight"].shape[2] // 2
        padding = (half, half, half, half)
    out = kernels.convolution(x, weight, params[name + ".bias"], stride, padding)
    if low_rank.there(params, name):
        out = out + low_rank.convolved(params, name, x, stride, padding)
    return out


def upsample_conv(params: Params, name: str, x: Tensor, height: int, width: int) -> Tensor:
    """x (B, I, h, w) enlarged to (B, I, height, width), about twice that, and convolved."""
    weight, bias = kernels.weight_of(params, name + ".weight"), params[name + ".bias"]
    out = kernels.upsample_conv(x, weight, bias, height, width)
    if low_rank.there(params, name):
        out = out + low_rank.upsampled(params, name, x, height, width)
    return out


def group_norm(params: Params, name: str, x: Tensor, groups: int, epsilon: float) -> Tensor:
    """x (B, C, H, W), normalised over groups of channels."""
    return kernels.group_norm(x, params[name + ".weight"], params[name + ".bias"], groups, epsilon)


def group_standardize(params: Params, name: str, x: Tensor, groups: int, epsilon: float) -> Tensor:
    """x (B, C, H, W) -> the same, float32: group norm `name` without its weights.

    `norm_act_conv` does the rest.
    """
    return kernels.group_standardize(x, groups, epsilon, params[name + ".bias"])


def norm_act_conv(params: Params, norm: str, name: str, x: Tensor, kind: str) -> Tensor:
    """x (B, I, H, W), from `group_standardize`, by its norm, an activation and a convolution.

    norm, name: of group norm and convolution. kind: one of ACTIVATIONS.
    """

    def activated(h: Tensor) -> Tensor:
        return activation(kind, h)

    scale, shift = params[norm + ".weight"], params[norm + ".bias"]
    weight, bias = kernels.weight_of(params, name + ".weight"), params[name + ".bias"]
    out = kernels.norm_act_conv(x, scale, shift, activated, weight, bias)
    if low_rank.there(params, name):
        h = kernels.norm_act(x, scale, shift, activated, weight)
        out = out + low_rank.convolved(params, name, h, 1, (1, 1, 1, 1))
    return out


def layer_norm(params: Params, name: str, x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """x (..., C), normalised over its last axis."""
    return kernels.layer_norm(x, params[name + ".weight"], params[name + ".bias"], epsilon)


ACTIVATIONS = ("silu", "swish", "gelu", "quick_gelu", "mish", "relu")


def activation(kind: str, x: Tensor) -> Tensor:
    """One of ACTIVATIONS, elementwise; gelu is the exact one, with the error function.

    Sums are of float32: of 1 - 1 little is left in half precision, and while a graph of bfloat16 is
    traced MindSpore asks numpy for the number that is added, which has none.
    """
    wide = ops.cast(x, mindspore.float32)
    if kind == "silu" or kind == "swish":
        return ops.silu(x)
    if kind == "gelu":
        return x * ops.cast(ops.erf(wide * math.sqrt(0.5)) * 0.5 + 0.5, x.dtype)
    if kind == "quick_gelu":
        return x * ops.sigmoid(x * 1.702)
    if kind == "mish":
        return x * ops.cast(ops.tanh(ops.softplus(wide)), x.dtype)
    return ops.relu(x)


def linear_shapes(name: str, inputs: int, outputs: int, bias: bool = True) -> Shapes:
    """Shapes of the parameters of `linear`."""
    shapes: Shapes = {name + ".weight": (outputs, inputs)}
    return {**shapes, name + ".bias": (outputs,)} if bias else shapes


def convolution_shapes(name: str, inputs: int, outputs: int, size: int = 3) -> Shapes:
    """Shapes of the parameters of `convolution`, size by size."""
    return {name + ".weight": (outputs, inputs, size, size), name + ".bias": (outputs,)}


def norm_shapes(name: str, channels: int) -> Shapes:
    """Shapes of the parameters of `group_norm` and `layer_norm`."""
    return {name + ".weight": (channels,), name + ".bias": (channels,)}


@ops.constexpr
def _frequencies(half: int, shift: int) -> Tensor:
    exponents = np.arange(half, dtype=np.float64) / (half - shift)
    return Tensor((10000.0**-exponents).astype(np.float32)[None])


def time_features(t: Tensor, channels: int, flip_sin_to_cos: bool, freq_shift: int) -> Tensor:
    """Sines and cosines of t (B,) at geometric frequencies -> (B, channels), float32.

    arXiv 1706.03762, section 3.5. flip_sin_to_cos puts the cosines first.
    """
    angles = ops.cast(t, mindspore.float32).reshape((-1, 1)) * _frequencies(
        channels // 2, freq_shift
    )
    if flip_sin_to_cos:
        return ops.Concat(1)((ops.cos(angles), ops.sin(angles)))
    return ops.Concat(1)((ops.sin(angles), ops.cos(angles)))
