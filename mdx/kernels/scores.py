"""What the lowerings of attention share: which queries at a time, and the mask of later tokens."""

import numpy as np
from mindspore import Tensor, ops

from mdx.kernels.parts import even_size

BYTES = 4  # of a score, float32


@ops.constexpr
def spans(heads, queries, keys, part_bytes):
    """Where each part of the queries begins and ends, in order, while a graph is compiled."""
    size = even_size(queries, heads * keys * BYTES, part_bytes)
    return tuple((i, min(i + size, queries)) for i in range(0, queries, size))


@ops.constexpr
def causal_mask(begin, end, tokens, dtype):
    """(1, end - begin, tokens): very negative where a key comes after its query."""
    hidden = np.triu(np.full((tokens, tokens), -1e9, np.float32), 1)[begin:end]
    return Tensor(hidden[None], dtype)
