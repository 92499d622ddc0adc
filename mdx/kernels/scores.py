"""What the lowerings of attention share: what scores take, and the mask of later tokens."""

from typing import Any

import numpy as np
from mindspore import Tensor, ops

BYTES = 4  # of a score, float32


@ops.constexpr
def causal_mask(begin: int, end: int, tokens: int, dtype: Any) -> Tensor:
    """(1, end - begin, tokens): very negative where a key comes after its query."""
    hidden = np.triu(np.full((tokens, tokens), -1e9, np.float32), 1)[begin:end]
    return Tensor(hidden[None], dtype)
