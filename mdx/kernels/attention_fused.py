"""Attention by native operators: on maps nothing is transposed, and no scores are ever there."""

import mindspore
from mindspore import Tensor, ops

from mdx.kernels import fused
from mdx.kernels.arguments import LayerNorm, Projections
from mdx.kernels.linears import linear


def whole(
    x: Tensor,
    context: Tensor | None,
    weights: Projections,
    heads: int,
    causal: bool,
    unread: Tensor | None,
    norm: LayerNorm | None,
    residual: Tensor | None,
) -> Tensor:
    """x, rows (B, T, I) or maps (B, I, H, W), reads context (B, S, D) or None, itself -> as x.

    The rest as in attentions.py.
    """
    to_query, to_key, to_value, out = weights
    if context is None and norm is not None:
        # Once for the three that read it, which takes less than to have each do it.
        x, norm = fused.normed(x, fused.layer_norm(*norm)), None
    other = x if context is None else context
    mask = None
    if unread is not None:
        mask = ops.cast(ops.equal(unread, 0.0), mindspore.float32)
    query = linear(x, *with_norm(to_query, norm))
    read = fused.attended(
        query, linear(other, *to_key), linear(other, *to_value), heads, causal, mask
    )
    weight, bias, low = out[0], out[1], None
    if len(out) == 3:
        low = out[2]
    return linear(read, weight, bias, low, residual=residual)


def with_norm(weights: tuple, norm: LayerNorm | None) -> tuple:
    """A projection's weight, bias and what is added, and a norm before them."""
    if len(weights) == 3:
        return (*weights, norm)
    return (*weights, None, norm)
