"""Linear layers on rows of tokens."""

from mindspore import ops

from mdx.kernels.device import as_weight


def linear(x, weight, bias=None):
    """x (..., I) @ weight (O, I) transposed + bias (O,) -> (..., O)."""
    rows = x.reshape((-1, x.shape[-1]))
    out = ops.MatMul(transpose_b=True)(rows, as_weight(weight))
    if bias is not None:
        out = ops.BiasAdd()(out, as_weight(bias))
    return out.reshape((*x.shape[:-1], weight.shape[0]))
