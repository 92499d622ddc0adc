"""The native operators as functions of tensors, for lowerings to call inside a graph.

What has four axes is maps (B, C, H, W), what has two or three is rows (..., T, C): so operators
know how arrays lie. Tokens of maps stay maps here, and are never transposed. All are float32 but
weights, which are read in the dtype in which they lie.
"""

from typing import Any, TypeAlias

from mindspore import Tensor, ops

from mdx.kernels import native
from mdx.kernels.device import lowering
from mdx.kernels.native import calls, options
from mdx.kernels.native.calls import GROUP_NORM, IDENTITY, LAYER_NORM, MAPS, ROWS

__all__ = [
    "ACTIVATIONS", "NONE", "activated", "attended", "convolved", "layer_norm", "linear", "normed",
    "normed_over_groups",
]  # fmt: skip

# By their names in configs; others are made of MindSpore's operators.
ACTIVATIONS = {
    "silu": calls.SILU, "swish": calls.SILU, "gelu": calls.GELU, "quick_gelu": calls.GELU_QUICK,
}  # fmt: skip
IN_NORMS = ("silu", "swish")  # those that may follow a norm within another operator

# Kind, groups, the activation that follows, epsilon; weight and bias (C,).
Norm: TypeAlias = tuple[int, int, int, float, Tensor | None, Tensor | None]
NONE = (calls.NO_NORM, 0, IDENTITY, 1e-5, None, None)


def normed_over_groups(
    weight: Tensor | None, bias: Tensor | None, groups: int, epsilon: float, silu: bool = False
) -> Any:
    """A group norm, as the operators below take it; silu: with that activation after it."""
    after = IDENTITY
    if silu:
        after = calls.SILU
    return GROUP_NORM, groups, after, epsilon, weight, bias


def layer_norm(weight: Tensor | None, bias: Tensor | None, epsilon: float) -> Any:
    """A layer norm, as the operators below take it."""
    return LAYER_NORM, 0, IDENTITY, epsilon, weight, bias


@ops.constexpr
def _operator(name: str, shape: tuple[int, ...], inputs: int) -> Any:
    return native.custom(name, shape, inputs)


def _called(name: str, shape: tuple[int, ...], arrays: tuple[Any, ...]) -> Tensor:
    """The result of an operator, of that shape, on its options and arrays."""
    return _operator(name, shape, len(arrays))(*arrays)


def _with(arrays: tuple[Any, ...], more: tuple[Tensor | None, ...]) -> tuple[Any, ...]:
    """The arrays, and of more those that are there."""
    for one in more:
        if one is not None:
            arrays = (*arrays, one)
    return arrays


def _rounds() -> bool:
    """Whether linear layers and attention multiply numbers of bfloat16."""
    return lowering().products == "bfloat16"


@ops.constexpr
def _layout(rank: int) -> int:
    return MAPS if rank == 4 else ROWS


@ops.constexpr
def _linear_options(
    layouts: tuple[int, int], activation: int, gate: int, there: tuple[bool, ...],
    norm: tuple[Any, ...],
) -> Tensor:  # fmt: skip
    bias, residual, single = there
    vector = options.linear(
        *layouts,
        activation=activation,
        gate=gate,
        bfloat16=_rounds() and not single,
        bias=bias,
        residual=residual,
        norm=options.Norm(*norm),
    )
    return Tensor(vector)


def linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    norm: Any = NONE,
    activation: int = IDENTITY,
    gated: bool = False,
    residual: Tensor | None = None,
    out: tuple[int, ...] = (),
) -> Tensor:
    """activation(weight norm(x) + bias) + residual, on rows or on the pixels of maps.

    weight (O, I) or (O, I, 1, 1). Gated, it is (2 O, I): value * activation(gate) of both halves.
    out: the result's shape where it lies otherwise than x.
    """
    outputs, gate = weight.shape[0], calls.NO_GATE
    if gated:
        outputs, gate = weight.shape[0] // 2, calls.GATE_LAST
    shape = out
    if len(out) == 0:
        if len(x.shape) == 4:
            shape = (x.shape[0], outputs, x.shape[2], x.shape[3])
        else:
            shape = (*x.shape[:-1], outputs)
    told = _linear_options(
        (_layout(len(x.shape)), _layout(len(shape))),
        activation,
        gate,
        # Rows that stand alone are embeddings of times and the like: few, and all that follows
        # depends on them.
        (bias is not None, residual is not None, len(x.shape) == 2),
        (*norm[:4], norm[4] is not None, norm[5] is not None),
    )
    arrays = _with((told, x, weight), (bias, residual, norm[4], norm[5]))
    return _called("Linear", shape, arrays)


@ops.constexpr
def _convolution_options(
    stride: int, padding: tuple[int, ...], enlarged: tuple[int, int], there: tuple[bool, ...],
    norm: tuple[Any, ...],
) -> Tensor:  # fmt: skip
    top, bottom, left, right = padding
    bias, shift, residual = there
    vector = options.convolution(
        stride,
        (top, left, bottom, right),
        enlarged=enlarged,
        bias=bias,
        shift=shift,
        residual=residual,
        norm=options.Norm(*norm),
    )
    return Tensor(vector)


def convolved(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: tuple[int, int, int, int],
    enlarged: tuple[int, int] = (0, 0),
    norm: Any = NONE,
    more: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Tensor:
    """Convolve norm(x), enlarged where that is asked for: x (B, I, H, W) -> (B, O, H', W').

    padding is (top, bottom, left, right); more: what is added, (B, O) and (B, O, H', W').
    """
    shift, residual = more
    tall, wide = x.shape[2], x.shape[3]
    if enlarged[0] > 0:
        tall, wide = enlarged
    height = (tall + padding[0] + padding[1] - weight.shape[2]) // stride + 1
    width = (wide + padding[2] + padding[3] - weight.shape[3]) // stride + 1
    told = _convolution_options(
        stride,
        padding,
        enlarged,
        (bias is not None, shift is not None, residual is not None),
        (*norm[:4], norm[4] is not None, norm[5] is not None),
    )
    arrays = _with((told, x, weight), (bias, shift, residual, norm[4], norm[5]))
    return _called("Convolution", (x.shape[0], weight.shape[0], height, width), arrays)


@ops.constexpr
def _attention_options(
    heads: int, size: int, ranks: tuple[int, ...], causal: bool, mask: bool
) -> Tensor:
    q, k, v, out = (MAPS if rank == 4 else ROWS for rank in ranks)
    layouts, scale = (q, k, v, out), size**-0.5
    return Tensor(
        options.attention(
            heads, heads, scale, layouts, causal=causal, bfloat16=_rounds(), mask=mask
        )
    )


def attended(
    query: Tensor, key: Tensor, value: Tensor, heads: int, causal: bool, mask: Tensor | None
) -> Tensor:
    """softmax(query key / sqrt(size)) value, of each head; the result lies as the queries do.

    mask (B, S): 0 where a key is hidden.
    """
    channels, rank = query.shape[1], len(query.shape)
    if rank == 3:
        channels = query.shape[2]
    ranks = (rank, len(key.shape), len(value.shape), rank)
    told = _attention_options(heads, channels // heads, ranks, causal, mask is not None)
    return _called("Attention", query.shape, _with((told, query, key, value), (mask,)))


@ops.constexpr
def _normed_options(layout: int, norm: tuple[Any, ...]) -> Tensor:
    return Tensor(options.normalise(layout, options.Norm(*norm)))


def normed(x: Tensor, norm: Any) -> Tensor:
    """What a norm makes of rows, or of maps."""
    there = (*norm[:4], norm[4] is not None, norm[5] is not None)
    told = _normed_options(_layout(len(x.shape)), there)
    return _called("Norm", x.shape, _with((told, x), (norm[4], norm[5])))


@ops.constexpr
def _activated_options(layout: int, activation: int, gate: int) -> Tensor:
    return Tensor(options.activate(layout, activation, gate))


def activated(x: Tensor, activation: int, gated: bool = False) -> Tensor:
    """activation(x), or value * activation(gate) of the halves of x's channels."""
    layout, shape, gate = _layout(len(x.shape)), x.shape, calls.NO_GATE
    if gated:
        gate = calls.GATE_LAST
        if len(x.shape) == 4:
            shape = (x.shape[0], x.shape[1] // 2, x.shape[2], x.shape[3])
        else:
            shape = (*x.shape[:-1], x.shape[-1] // 2)
    return _called("Activation", shape, (_activated_options(layout, activation, gate), x))
