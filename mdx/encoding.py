"""Texts to the rows that a network reads, by the compiled text encoders of a checkpoint."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mdx import tokenizer
from mdx.compile_cache import compiled
from mdx.mapped import check_files
from mdx.net import Net, check_weights
from mdx.nets import clip
from mdx.text.chunks import filled
from mdx.text.syntaxes import PLAIN, WEIGHED, chunks_of

__all__ = ["clip_graph", "clip_rows", "unread_graph"]

Rows = NDArray[np.float32]

UNREAD = np.float32(-1e9)  # what is added to the scores of a token that none reads


def clip_rows(
    words: tokenizer.Tokenizer,
    net: Net,
    texts: Sequence[str],
    layer: int = -1,
    *,
    normed: bool = True,
    pooled: bool = False,
    syntax: str = PLAIN,
    chunks: Sequence[int] | None = None,
) -> tuple[Rows, Rows | None]:
    """A vector a token (B, T, D), and with `pooled` one a text (B, P), by one of CLIP's encoders.

    `layer` and `normed` say which of its states are read: see `clip.apply`. Each distinct text is
    encoded once and alone, so that one graph serves any number. Of a syntax that weighs words each
    text has as many chunks as `chunks` says, or its own number; its rows are then those of all
    chunks, as often as makes all texts of one length, which a network that attends to them does
    not see. The vector of a text is that of its first chunk, without weights. ValueError for a text
    that is no valid Unicode, or cannot be read, and for a layer that the encoder does not have;
    FloatingPointError where the vectors are not finite.
    """
    check_files(net.places.values())
    clip.layers_run(net.config, layer)
    encode = _encoder(net, layer, normed, pooled)
    if syntax != PLAIN:
        return _weighed(words, texts, encode, syntax, chunks)
    distinct = list(dict.fromkeys(texts))
    ids = tokenizer.encode(words, distinct)
    found = {text: encode(row, None) for text, row in zip(distinct, ids, strict=True)}
    tokens = np.concatenate([found[text][0] for text in texts])
    return tokens, np.concatenate([found[text][1] for text in texts]) if pooled else None


def _weighed(
    words: tokenizer.Tokenizer,
    texts: Sequence[str],
    encode: Callable[..., list[Rows]],
    syntax: str,
    chunks: Sequence[int] | None,
) -> tuple[Rows, Rows | None]:
    """`clip_rows` of texts whose words have weights."""
    encode = _remembered(encode)
    empty = filled(words, [])
    split = {text: chunks_of(syntax, words, text) for text in dict.fromkeys(texts)}
    counts = [len(split[text]) for text in texts] if chunks is None else chunks
    length = math.lcm(*counts)
    found = {}
    for text, count in dict.fromkeys(zip(texts, counts, strict=True)):
        own = split[text]
        more = [empty] * (count - len(own))
        rows = [
            WEIGHED[syntax].weigh(lambda ids, unread: encode(ids, unread)[0][0], chunk, empty)
            for chunk in [*own, *more]
        ]
        whole = np.tile(np.concatenate(rows), (length // count, 1)).astype(np.float32)
        found[text, count] = [whole[None], *encode(own[0].ids, None)[1:]]
    each = [found[one] for one in zip(texts, counts, strict=True)]
    tokens = np.concatenate([one[0] for one in each])
    pooled = len(each[0]) > 1
    return tokens, np.concatenate([one[1] for one in each]) if pooled else None


def _remembered(encode: Callable[..., list[Rows]]) -> Callable[..., list[Rows]]:
    """The function, which encodes the same row of ids once: texts share their empty chunks."""
    known: dict[Any, list[Rows]] = {}

    def call(ids: NDArray[np.int32], unread: NDArray[np.bool_] | None) -> list[Rows]:
        key = ids.tobytes(), None if unread is None else unread.tobytes()
        if key not in known:
            known[key] = encode(ids, unread)
        return known[key]

    return call


def _encoder(net: Net, layer: int, normed: bool, pooled: bool) -> Callable[..., list[Rows]]:
    """A function (ids (T,), places that no token reads (T,) or None) -> rows (1, T, D), (1, P)."""
    graph = clip_graph(net.config, layer, normed, pooled)

    def encode(ids: NDArray[np.int32], unread: NDArray[np.bool_] | None) -> list[Rows]:
        if unread is None:
            found: Any = graph(net.params, Tensor(ids[None]))
        else:
            hidden = np.where(unread, UNREAD, np.float32(0))[None]
            without = unread_graph(net.config, layer, normed)
            found = without(net.params, Tensor(ids[None]), Tensor(hidden))
        rows = [one.asnumpy() for one in (found if isinstance(found, tuple) else [found])]
        if not all(np.isfinite(one).all() for one in rows):
            check_weights(net)
            raise FloatingPointError(
                "what the text encoder makes of a prompt holds NaN or infinity: its numbers "
                "overflow in its dtype (load it in float32)"
            )
        return rows

    return encode


@functools.cache
def clip_graph(config: clip.Config, layer: int, normed: bool, pooled: bool) -> Any:
    """The compiled text encoder of a config: (params, ids) -> what `clip.apply` gives."""

    def encode(params, ids):
        tokens, whole = clip.apply(config, params, ids, layer, normed, pooled)
        return (tokens, whole) if pooled else tokens

    return compiled(encode)


@functools.cache
def unread_graph(config: clip.Config, layer: int, normed: bool) -> Any:
    """The same for ids of which no token reads some: (params, ids, unread) -> the tokens' rows."""

    def encode(params, ids, unread):
        return clip.apply(config, params, ids, layer, normed, False, unread)[0]

    return compiled(encode)
