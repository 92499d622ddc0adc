"""Textual inversions: words of one's own, each of one vector or several.

An image is worth one word, arXiv 2208.01618. The tokenizer knows the word as tokens of new ids, and
the text encoder's table has rows for them; both are values of the model that comes back.
"""

import math
import os
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mindspore
import numpy as np
from numpy.typing import NDArray

from mdx import bfloat16, tokenizer
from mdx.adapters import sources
from mdx.checks import shown
from mdx.families import Model, check_encoders, check_model
from mdx.files import as_name, first_few
from mdx.net import Net
from mdx.safetensors_file import Entry, entries
from mdx.weights import STORED

__all__ = ["add"]

TABLE = "text_model.embeddings.token_embedding.weight"

# Names that say nothing of the token, which is then the file's; and of pairs, whose each is.
NAMELESS = ("emb_params", "*", "string_to_param.*")
PAIR = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}

MOST = 75  # vectors of a token: a row of ids has place for no more

LARGEST_ID = 2  # what old configs say of the end token: that it is the one with the largest id


def add(
    model: Model,
    source: str | os.PathLike[str],
    token: str | None = None,
    *,
    file: str | None = None,
    revision: str | None = None,
    offline: bool = False,
) -> Model:
    """Teach a model a word: prompts that have it are read with the vectors of a file in its place.

    A word of n vectors takes the place of n tokens. Where a prompt spells `word_1`, ... out, those
    are its single vectors. It is found in capitals, too, and not within longer words.

    Args:
        model: what `mdx.load` returned.
        source: a safetensors file, a folder that holds one, or a Hub id.
        token: what prompts call it; None for the name in the file, or the file's where it has none.
        file: its path within the folder or the repository, where that holds several.
        revision: a Hub branch, tag or commit.
        offline: whether only what is cached is used.

    Returns:
        A model of the same family; the one that is given stays as it is.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, ValueError: that say what to do; for a
            token that the tokenizer has already, and vectors of other widths than the model's.
    """
    family = check_model(model)
    check_encoders(model)
    path = sources.found(source, file=file, revision=revision, offline=offline)
    if token is not None and (not isinstance(token, str) or not token.strip()):
        raise TypeError(f"token must be a word, not {shown(token)}")
    encoders = family.encoders(model)
    changed: dict[str, Any] = {}
    for name, vectors in _read(path, token, encoders).items():
        for part, rows in vectors.items():
            words_part = part.replace("text_encoder", "tokenizer")
            net = changed.get(part, getattr(model, part))
            words = changed.get(words_part, getattr(model, words_part))
            width = net.config.hidden_size
            if rows.shape[1] != width:
                raise ValueError(
                    f"{path} has vectors of {rows.shape[1]} values for {shown(name)}, and the "
                    f"{part} of this model reads {width}: it was made for another base"
                )
            changed[words_part], ids = _told(path, words, name, len(rows))
            changed[part] = _with_rows(path, net, ids, rows, words.end)
    return model._replace(**changed)


def _read(
    path: Path, token: str | None, encoders: list[str]
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """The vectors (n, D) of each token of a file, by the text encoder that reads them."""
    found = entries(path)
    pair = {name: entry for name, entry in found.items() if name in PAIR}
    if pair and len(pair) < len(found):
        raise ValueError(f"{path} holds {first_few(sorted(found))}: vectors of two kinds of files")
    if pair:
        parts = {PAIR[name]: entry for name, entry in pair.items()}
        if lacking := sorted(set(encoders) ^ parts.keys()):
            raise ValueError(
                f"{path} has vectors for {' and '.join(sorted(parts))}, and this model's text "
                f"encoders are {' and '.join(encoders)}: {lacking[0]} would be without"
            )
        named = {token or path.stem: parts}
    else:
        if len(encoders) != 1:
            raise ValueError(
                f"{path} has vectors for one text encoder ({first_few(sorted(found))}), and this "
                f"model has {' and '.join(encoders)}: a file for it has {' and '.join(PAIR)}"
            )
        if not found or (token is not None and len(found) > 1):
            raise ValueError(
                f"{path} holds {len(found)} tensors ({first_few(sorted(found))}): token is for a "
                "file of one"
            )
        named = {
            token or (path.stem if name in NAMELESS else name): {encoders[0]: entry}
            for name, entry in found.items()
        }
    made = {
        name: {part: _vectors(path, name, entry) for part, entry in parts.items()}
        for name, parts in named.items()
    }
    for name, parts in made.items():
        if len({len(rows) for rows in parts.values()}) > 1:
            raise ValueError(f"{path} has other numbers of vectors of {shown(name)} for each part")
    return made


def _vectors(path: Path, name: str, entry: Entry) -> NDArray[np.float32]:
    """One tensor (n, D), or (D,), of finite numbers."""
    if len(entry.shape) not in (1, 2) or not math.prod(entry.shape):
        raise ValueError(
            f"{path} is no textual inversion: {as_name(name)} has shape {entry.shape}, where "
            "vectors (n, D) are expected"
        )
    if entry.dtype not in STORED:
        raise ValueError(
            f"{path}: {as_name(name)} is stored as {entry.dtype}, and mdx reads {', '.join(STORED)}"
        )
    stored = STORED[entry.dtype]
    numbers: Any = np.fromfile(path, stored, math.prod(entry.shape), offset=entry.start)
    wide = bfloat16.widened(numbers) if entry.dtype == "BF16" else numbers.astype(np.float32)
    if not np.isfinite(wide).all():
        raise ValueError(f"{path}: {as_name(name)} has values that are not finite")
    rows = wide.reshape(-1, entry.shape[-1])
    if len(rows) > MOST:
        raise ValueError(
            f"{path}: {as_name(name)} has {len(rows)} vectors, and a prompt has place for {MOST}"
        )
    return rows


def _told(
    path: Path, words: tokenizer.Tokenizer, name: str, count: int
) -> tuple[tokenizer.Tokenizer, list[int]]:
    """A tokenizer that knows the token as well, and the ids of its vectors."""
    names = [name, *(f"{name}_{n}" for n in range(1, count))]
    for one in names:
        if not re.search(r"\S", one) or tokenizer.knows(words, one):
            raise ValueError(
                f"{shown(one)} is a token of the model already, or none that can be: give {path} "
                "another name by token="
            )
    return tokenizer.extended(words, names)


def _with_rows(path: Path, net: Net, ids: list[int], rows: NDArray[np.float32], end: int) -> Net:
    """The text encoder with vectors in the rows of its table that have these numbers."""
    table = net.params[TABLE]
    stored = bfloat16.array(table)
    half = table.dtype == mindspore.bfloat16
    size = max(len(stored), max(ids) + 1)
    made = np.zeros((size, stored.shape[1]), stored.dtype)
    made[: len(stored)] = stored
    with np.errstate(over="ignore"):
        made[ids] = bfloat16.rounded(rows) if half else rows
    kept = bfloat16.widened(made[ids]) if half else made[ids]
    if not np.isfinite(kept).all():
        dtype = str(table.dtype).lower()
        raise ValueError(f'{path} has values too large for {dtype}; load the model in "float32"')
    tensor = bfloat16.tensor(made) if half else mindspore.Tensor.from_numpy(made)
    # The new ids are larger than the end's, so that no longer goes by the largest.
    old = net.config.eos_token_id == LARGEST_ID
    config = net.config._replace(
        vocab_size=size, eos_token_id=end if old else net.config.eos_token_id
    )
    places = {name: place for name, place in net.places.items() if name != TABLE}
    params = mindspore.mutable({**net.params, TABLE: tensor})
    return net._replace(config=config, params=params, places=MappingProxyType(places))
