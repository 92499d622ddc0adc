"""Attention as one fused primitive: Ascend only, half precision, head size a multiple of 16."""

import math

from mindspore import Tensor, ops

from mdx.kernels.arguments import Projections
from mdx.kernels.linears import linear


def flash(x: Tensor, context: Tensor, weights: Projections, heads: int) -> Tensor:
    """x (B, T, I), context (B, S, D) -> (B, T, O); weights as in attentions.py."""
    query, key, value, out = weights
    query = linear(x, *query)
    read = ops.flash_attention_score(
        query,
        linear(context, *key),
        linear(context, *value),
        heads,
        scalar_value=1.0 / math.sqrt(query.shape[2] // heads),
        input_layout="BSH",
    )
    return linear(read, *out)
