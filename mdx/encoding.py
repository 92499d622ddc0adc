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
from mdx.net import Net, check_weights
from mdx.nets import clip

__all__ = ["clip_graph", "clip_rows"]

Rows = NDArray[np.float32]


def clip_rows(
    words: tokenizer.Tokenizer,
    net: Net,
    texts: Sequence[str],
    layer: int = -1,
    *,
    normed: bool = True,
    pooled: bool = False,
) -> tuple[Rows, Rows | None]:
    """A vector a token (B, T, D), and with `pooled` one a text (B, P), by one of CLIP's encoders.

    `layer` and `normed` say which of its states are read: see `clip.apply`. Each distinct text is
    encoded once and alone, so that one graph serves any number. ValueError for a text that is no
    valid Unicode, and for a layer that the encoder does not have; FloatingPointError where the
    vectors are not finite.
    """
    check_files(net.places.values())
    clip.layers_run(net.config, layer)
    distinct = list(dict.fromkeys(texts))
    encode, found = clip_graph(net.config, layer, normed, pooled), {}
    for text, ids in zip(distinct, tokenizer.encode(words, distinct), strict=True):
        rows: Any = encode(net.params, Tensor(ids[None]))
        found[text] = [one.asnumpy() for one in (rows if pooled else [rows])]
        if not all(np.isfinite(one).all() for one in found[text]):
            check_weights(net)
            raise FloatingPointError(
                "what the text encoder makes of a prompt holds NaN or infinity: its numbers "
                "overflow in its dtype (load it in float32)"
            )
    tokens = np.concatenate([found[text][0] for text in texts])
    return tokens, np.concatenate([found[text][1] for text in texts]) if pooled else None


@functools.cache
def clip_graph(config: clip.Config, layer: int, normed: bool, pooled: bool) -> Any:
    """The compiled text encoder of a config: (params, ids) -> what `clip.apply` gives."""

    def encode(params, ids):
        tokens, whole = clip.apply(config, params, ids, layer, normed, pooled)
        return (tokens, whole) if pooled else tokens

    return compiled(encode)
