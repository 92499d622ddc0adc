"""Linear layers on rows of tokens."""

from mindspore import Tensor, ops

from mdx.kernels.arguments import LowRank
from mdx.kernels.device import as_weight


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, low: LowRank | None = None
) -> Tensor:
    """x (B, I) or (B, T, I) @ weight (O, I) transposed + bias (O,) -> (B, O) or (B, T, O).

    low: what is added to that, see arguments.py.
    """
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


def by_row(scale: Tensor, count: int) -> Tensor:
    """Factors of each picture (B, R), or of each row, as those of `count` rows of tokens."""
    pictures, rank = scale.shape
    if pictures == count:
        return scale
    each = ops.tile(scale.reshape((pictures, 1, rank)), (1, count // pictures, 1))
    return each.reshape((count, rank))
