"""What the lowerings of attention share: which queries at a time, and the mask of later tokens."""

import numpy as np
from mindspore import Tensor, ops

BYTES = 4  # of a score, float32


def queries_at_once(heads: int, queries: int, keys: int, score_bytes: int) -> int:
    """How many queries' scores, of all heads, are held at once: the parts are even."""
    most = max(1, score_bytes // (heads * keys * BYTES))
    parts = -(-queries // most)
    return -(-queries // parts)


@ops.constexpr
def spans(heads, queries, keys, score_bytes):
    """Where each part begins and ends, in order, while a graph is compiled."""
    size = queries_at_once(heads, queries, keys, score_bytes)
    return tuple((i, min(i + size, queries)) for i in range(0, queries, size))


@ops.constexpr
def causal_mask(begin, end, tokens, dtype):
    """(1, end - begin, tokens): very negative where a key comes after its query."""
    hidden = np.triu(np.full((tokens, tokens), -1e9, np.float32), 1)[begin:end]
    return Tensor(hidden[None], dtype)
