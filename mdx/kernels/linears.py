"""Linear layers on rows of tokens."""

from mindspore import Tensor, ops

from mdx.kernels.device import as_weight


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (B, I) or (B, T, I) @ weight (O, I) transposed + bias (O,) -> (B, O) or (B, T, O)."""
    rows = x
    if len(x.shape) == 3:
        rows = x.reshape((-1, weight.shape[1]))
    out = ops.MatMul(transpose_b=True)(rows, as_weight(weight))
    if bias is not None:
        out = ops.BiasAdd()(out, as_weight(bias))
    if len(x.shape) == 3:
        return out.reshape((x.shape[0], -1, weight.shape[0]))
    return out
