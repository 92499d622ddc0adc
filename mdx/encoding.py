"""Texts to the rows that a network reads, by the compiled text encoders of a checkpoint."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mdx import tokenizer
from mdx.compile_cache import compiled
from mdx.mapped import check_files
from mdx.net import Net
from mdx.nets import clip

__all__ = ["clip_rows", "graph_of_clip"]

Rows = NDArray[np.float32]


def clip_rows(
    words: tokenizer.Tokenizer, net: Net, texts: Sequence[str], layer: int | None = None
) -> tuple[Rows, Rows]:
    """A vector a token (B, T, D), and one a text (B, P), by one of CLIP's text encoders.

    `layer` is which of its layers' states is read: see `clip.apply`. Each distinct text is encoded
    once and alone, so that one graph serves any number. ValueError for a text that is no valid
    Unicode.
    """
    check_files(net.places.values())
    distinct = list(dict.fromkeys(texts))
    encode, found = graph_of_clip(net.config, layer), {}
    for text, ids in zip(distinct, tokenizer.encode(words, distinct), strict=True):
        rows: Any = encode(net.params, Tensor(ids[None]))
        found[text] = [one.asnumpy() for one in rows]
    tokens, whole = (np.concatenate([found[text][i] for text in texts]) for i in (0, 1))
    return tokens, whole


@functools.cache
def graph_of_clip(config: clip.Config, layer: int | None) -> Any:
    """The compiled text encoder of a config: (params, ids) -> what `clip.apply` gives."""

    def encode(params, ids):
        return clip.apply(config, params, ids)

    return compiled(encode)
