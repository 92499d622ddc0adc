"""Prompts to the context that a UNet reads."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mdx import tokenizer
from mdx.compile_cache import compiled
from mdx.model import Model
from mdx.nets import clip

__all__ = ["contexts"]


def contexts(model: Model, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The context (1, T, D) of each distinct text.

    Each is encoded alone, so that one graph serves any number. ValueError for a text that is no
    valid Unicode.
    """
    distinct = list(dict.fromkeys(texts))
    encode, found = text_encoder(model.text_encoder.config), {}
    for text, ids in zip(distinct, tokenizer.encode(model.tokenizer, distinct), strict=True):
        context: Any = encode(model.text_encoder.params, Tensor(ids[None]))
        found[text] = context.asnumpy()
    return found


@functools.cache
def text_encoder(config):
    """The compiled text encoder of a config: (params, ids) -> context."""

    def encode(params, ids):
        return clip.apply(config, params, ids)[0]

    return compiled(encode)
