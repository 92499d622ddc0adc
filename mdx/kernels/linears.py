"""Linear layers on rows of tokens, and on maps where native operators keep tokens as those."""

from typing import Any

from mindspore import Tensor, ops

from mdx.kernels import fused
from mdx.kernels.activations import activation
from mdx.kernels.arguments import LayerNorm, LowRank
from mdx.kernels.channels import scale_channels
from mdx.kernels.device import as_weight, choice
from mdx.kernels.norms import layer_norm


def linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    low: LowRank | None = None,
    norm: LayerNorm | None = None,
    kind: str = "",
    residual: Tensor | None = None,
) -> Tensor:
    """x (B, I) or (B, T, I) @ weight (O, I) transposed + bias (O,) -> (B, O) or (B, T, O).

    low: what is added to that, see arguments.py. norm: of x, before. kind: an activation's name,
    after. residual: what is added in the end.
    """
    if choice("fused"):
        return _fused(x, weight, bias, low, norm, kind, residual)
    if norm is not None:
        x = layer_norm(x, *norm)
    out = _product(x, weight, bias, low)
    if kind != "":
        out = activation(kind, out)
    if residual is not None:
        out = residual + out
    return out


def gated(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    low: LowRank | None = None,
    norm: LayerNorm | None = None,
) -> Tensor:
    """`linear` to 2 O channels, value and gate, and value * gelu(gate): (B, T, I) -> (B, T, O)."""
    if choice("fused"):
        if low is None:
            own = fused.ACTIVATIONS["gelu"]
            return fused.linear(x, weight, bias, fused_norm(norm), own, True)
        both = _fused(x, weight, bias, low, norm, "", None)
        return fused.activated(both, fused.ACTIVATIONS["gelu"], True)
    both = linear(x, weight, bias, low, norm)
    value, gate = ops.Split(len(both.shape) - 1, 2)(both)
    return value * activation("gelu", gate)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None, low: LowRank | None) -> Tensor:
    """`linear` by MindSpore's operators, with nothing before and after it."""
    rows = x
    if len(x.shape) == 3:
        rows = x.reshape((-1, weight.shape[1]))
    out = ops.MatMul(transpose_b=True)(rows, as_weight(weight))
    if low is not None:
        hidden = ops.MatMul(transpose_b=True)(rows, as_weight(low[0]))
        hidden = hidden * ops.cast(by_row(low[2], rows.shape[0]), hidden.dtype)
        out = out + ops.MatMul(transpose_b=True)(hidden, as_weight(low[1]))
    if bias is not None:
        out = ops.BiasAdd()(out, as_weight(bias))
    if len(x.shape) == 3:
        return out.reshape((x.shape[0], -1, weight.shape[0]))
    return out


def _fused(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    low: LowRank | None,
    norm: LayerNorm | None,
    kind: str,
    residual: Tensor | None,
) -> Tensor:
    """`linear` by a native operator; by two more and a product with the factors for `low`."""
    before = fused_norm(norm)
    if kind != "" and (low is not None or kind not in fused.ACTIVATIONS):
        # What an activation follows is all there before it.
        out = activation(kind, _fused(x, weight, bias, low, norm, "", None))
        return out if residual is None else residual + out
    if low is not None:
        hidden = _scaled(fused.linear(x, low[0], None, before), low[2])
        residual = fused.linear(hidden, low[1], None, residual=residual)
    own = fused.IDENTITY
    if kind != "":
        own = fused.ACTIVATIONS[kind]
    return fused.linear(x, weight, bias, before, own, False, residual)


def fused_norm(norm: LayerNorm | None) -> Any:
    """A layer norm as native operators take it."""
    if norm is None:
        return fused.NONE
    return fused.layer_norm(*norm)


def _scaled(hidden: Tensor, scale: Tensor) -> Tensor:
    """Maps (B, R, H, W) or rows (..., R) times the factors (B, R) of each picture, or row."""
    if len(hidden.shape) == 4:
        return scale_channels(hidden, scale)
    rows = hidden.reshape((-1, hidden.shape[-1]))
    return (rows * by_row(scale, rows.shape[0])).reshape(hidden.shape)


def by_row(scale: Tensor, count: int) -> Tensor:
    """Factors of each picture (B, R), or of each row, as those of `count` rows of tokens."""
    pictures, rank = scale.shape
    if pictures == count:
        return scale
    each = ops.tile(scale.reshape((pictures, 1, rank)), (1, count // pictures, 1))
    return each.reshape((count, rank))
