"""Layers as functions of (params, name, x): the parameters of layer `name` are looked up by key."""

from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, ops

from mdx import kernels
from mdx.kernels.activations import ACTIVATIONS, activation
from mdx.kernels.arguments import GroupNorm, LayerNorm, Padding, Projection
from mdx.nets import low_rank
from mdx.nets.params import Params, Shapes

__all__ = [
    "ACTIVATIONS", "activation", "attention", "convolution", "convolution_shapes", "gated",
    "group_norm", "group_standardize", "groups_of", "layer_norm", "linear", "linear_from_tokens",
    "linear_shapes", "linear_to_tokens", "norm_act_conv", "norm_shapes", "normed_by",
    "time_features", "upsample_conv",
]  # fmt: skip


def linear(
    params: Params, name: str, x: Tensor, scale: Tensor | None = None, **around: Any
) -> Tensor:
    """x (..., I) -> (..., O); scale: strengths of LoRAs for each row, see low_rank.py.

    around: what precedes and follows it, see kernels.linear.
    """
    weight, bias = _matrix(params, name)
    return kernels.linear(x, weight, bias, _low(params, name, scale), **around)


def gated(
    params: Params, name: str, x: Tensor, scale: Tensor | None = None, **around: Any
) -> Tensor:
    """`linear` to value and gate, and value * gelu(gate): x (..., I) -> (..., O)."""
    weight, bias = _matrix(params, name)
    return kernels.gated(x, weight, bias, _low(params, name, scale), **around)


def _low(params: Params, name: str, scale: Tensor | None) -> Any:
    """What LoRAs add to a linear layer, or None."""
    if low_rank.there(params, name):
        return low_rank.of_linear(params, name, scale)
    return None


def linear_to_tokens(params: Params, name: str, x: Tensor, norm: GroupNorm | None = None) -> Tensor:
    """Group norm, and the linear layer on the pixels of x (B, I, H, W) -> (B, H*W, O)."""
    weight, bias = _matrix(params, name)[0], params[name + ".bias"]
    if not low_rank.there(params, name):
        return kernels.linear_to_tokens(x, weight, bias, norm)
    if norm is not None:
        x = kernels.group_norm(x, *norm)
    return kernels.linear_to_tokens(x, weight, bias) + low_rank.to_tokens(params, name, x)


def linear_from_tokens(
    params: Params,
    name: str,
    tokens: Tensor,
    height: int,
    width: int,
    residual: Tensor | None = None,
) -> Tensor:
    """The linear layer on tokens (B, H*W, I), and the result as maps (B, O, H, W) + residual."""
    weight, bias = _matrix(params, name)[0], params[name + ".bias"]
    if not low_rank.there(params, name):
        return kernels.linear_from_tokens(tokens, weight, bias, height, width, residual)
    out = kernels.linear_from_tokens(tokens, weight, bias, height, width)
    out = out + low_rank.from_tokens(params, name, tokens, height, width)
    return out if residual is None else residual + out


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
    context: Tensor | None,
    heads: int,
    shifted: bool = True,
    **options: Any,
) -> Tensor:
    """x (B, T, I) attends to context (B, S, D), or to itself where that is None -> (B, T, O).

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


def groups_of(params: Params, name: str, groups: int, epsilon: float) -> GroupNorm:
    """Group norm `name` as what `linear_to_tokens` and `norm_act_conv` do first."""
    return params[name + ".weight"], params[name + ".bias"], groups, epsilon


def group_standardize(x: Tensor, norm: GroupNorm) -> Tensor:
    """x (B, C, H, W) -> the same, float32: a group norm without its weights.

    `norm_act_conv` does the rest.
    """
    return kernels.group_standardize(x, norm[2], norm[3], norm[1])


def norm_act_conv(
    params: Params,
    norm: GroupNorm,
    name: str,
    x: Tensor,
    kind: str,
    shift: Tensor | None = None,
    residual: Tensor | None = None,
) -> Tensor:
    """x (B, I, H, W), from `group_standardize`, by its norm, an activation and a convolution.

    kind: one of ACTIVATIONS. shift (B, O) and residual (B, O, H, W) are added in the end.
    """
    weight, bias = kernels.weight_of(params, name + ".weight"), params[name + ".bias"]
    if not low_rank.there(params, name):
        return kernels.norm_act_conv(x, norm, kind, weight, bias, (shift, residual))
    half = params[name + ".weight"].shape[2] // 2
    h = kernels.norm_act(x, norm, kind, weight)
    low = low_rank.convolved(params, name, h, 1, (half, half, half, half))
    out = kernels.norm_act_conv(x, norm, kind, weight, bias) + low
    return kernels.with_added(out, (shift, residual))


def layer_norm(params: Params, name: str, x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """x (..., C), normalised over its last axis."""
    return kernels.layer_norm(x, params[name + ".weight"], params[name + ".bias"], epsilon)


def normed_by(params: Params, name: str, epsilon: float = 1e-5) -> LayerNorm:
    """Layer norm `name` as what a linear layer or attention does first."""
    return params[name + ".weight"], params[name + ".bias"], epsilon


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
