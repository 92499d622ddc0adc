"""Maps to rows of tokens and back, by themselves or as part of a linear layer.

A matrix product can read an operand transposed, and then no transpose is made; but it takes the
pictures one by one, so small ones are transposed.
"""

import mindspore
from mindspore import Tensor, ops

from mdx.kernels import fused
from mdx.kernels.arguments import GroupNorm
from mdx.kernels.device import as_weight, choice
from mdx.kernels.linears import linear
from mdx.kernels.norms import group_norm
from mdx.kernels.parts import joined, pictures


def looked_up(table: Tensor, ids: Tensor) -> Tensor:
    """Rows of a weight (N, C) by their numbers (B,) -> (B, C), of the dtype that is computed in."""
    if table.dtype == mindspore.bfloat16:
        # A CPU looks up none of bfloat16 before all of them are widened.
        return ops.gather(as_weight(table), ids, 0)
    return as_weight(ops.gather(table, ids, 0))


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H*W, C); as they are for native operators, which read maps as tokens."""
    if choice("fused"):
        return x
    return x.reshape((x.shape[0], x.shape[1], -1)).transpose((0, 2, 1))


def from_tokens(tokens: Tensor, height: int, width: int) -> Tensor:
    """(B, H*W, C) -> (B, C, H, W); as they are by native operators."""
    if len(tokens.shape) == 4:
        return tokens
    return tokens.transpose((0, 2, 1)).reshape((tokens.shape[0], -1, height, width))


def linear_to_tokens(
    x: Tensor, weight: Tensor, bias: Tensor, norm: GroupNorm | None = None
) -> Tensor:
    """`linear` on the pixels of maps: x (B, I, H, W), weight (O, I), bias (O,) -> (B, H*W, O).

    norm: of x, before. Maps stay maps, (B, O, H, W), by native operators.
    """
    if choice("fused"):
        if norm is None:
            return fused.linear(x, weight, bias)
        return fused.linear(x, weight, bias, fused.normed_over_groups(*norm))
    if norm is not None:
        x = group_norm(x, *norm)
    batch, inputs, height, width = x.shape
    if height * width < choice("products_from"):
        return linear(to_tokens(x), weight, bias)
    matrix = as_weight(weight)
    outs = ()
    for picture in pictures(x):
        pixels = picture.reshape((inputs, -1))
        outs = (*outs, ops.MatMul(transpose_a=True, transpose_b=True)(pixels, matrix))
    out = ops.BiasAdd()(joined(outs), as_weight(bias))
    return out.reshape((batch, height * width, -1))


def linear_from_tokens(
    tokens: Tensor,
    weight: Tensor,
    bias: Tensor,
    height: int,
    width: int,
    residual: Tensor | None = None,
) -> Tensor:
    """`linear`, and tokens to maps: tokens (B, H*W, I), weight (O, I) -> (B, O, H, W).

    residual: what that is added to.
    """
    if choice("fused"):
        shape = (tokens.shape[0], weight.shape[0], height, width)
        return fused.linear(tokens, weight, bias, residual=residual, out=shape)
    out = _from_tokens(tokens, weight, bias, height, width)
    return out if residual is None else residual + out


def _from_tokens(tokens: Tensor, weight: Tensor, bias: Tensor, height: int, width: int) -> Tensor:
    """`linear_from_tokens` by MindSpore's operators."""
    batch, _, inputs = tokens.shape
    if height * width < choice("products_from"):
        return from_tokens(linear(tokens, weight, bias), height, width)
    matrix = as_weight(weight)
    outs = ()
    for picture in pictures(tokens):
        rows = picture.reshape((-1, inputs))
        outs = (*outs, ops.MatMul(transpose_b=True)(matrix, rows))
    out = joined(outs).reshape((batch, -1, height, width))
    return ops.BiasAdd()(out, as_weight(bias))
