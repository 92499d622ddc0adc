"""CLIP's tokenizer: lower-cased text to byte-level BPE ids, one fixed-length row a prompt."""

import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

from mdx.files import read_json, replacing

__all__ = ["Tokenizer", "encode", "load", "train"]

START, END = "<|startoftext|>", "<|endoftext|>"

# A word is a special token, an English ending, a run of letters, one digit, or a run of signs.
WORD = r"<\|(?:start|end)oftext\|>|'(?:s|t|re|ve|m|ll|d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


class Tokenizer(NamedTuple):
    """A loaded vocabulary; nothing writes to it, so threads may share it."""

    bpe: tokenizers.Tokenizer  # text to ids, without start, end and padding
    start: int  # id before the text
    end: int  # id after the text
    pad: int  # id that fills the row up; the end's id in SD 1.x, 0 ("!") in SD 2.x
    length: int  # ids in a row, start and end included; 77 in SD
    size: int  # number of ids the vocabulary gives, special ones included


def load(folder: str | Path) -> Tokenizer:
    """Read vocab.json and merges.txt, or else tokenizer.json, which transformers 5 saves instead.

    tokenizer_config.json and special_tokens_map.json are optional. Raises FileNotFoundError for a
    missing file, ValueError for one that does not make sense.
    """
    folder = Path(folder)
    if (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
        vocab, merges = _read_both(folder / "tokenizer.json")
    else:
        vocab, merges = _read_vocab(folder / "vocab.json"), _read_merges(folder / "merges.txt")
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            settings |= {k: v for k, v in read_json(folder / name).items() if v is not None}

    def special(key: str, default: str) -> str:
        token = settings.get(key, default)
        token = token.get("content") if isinstance(token, dict) else token
        if not isinstance(token, str) or token not in vocab:
            raise ValueError(f"{folder}: the {key} {token!r} is not in the vocabulary")
        return token

    start, end = special("bos_token", START), special("eos_token", END)
    pad, unknown = special("pad_token", END), special("unk_token", END)
    length = settings.get("model_max_length", 77)
    if not isinstance(length, int | float) or not length >= 2:
        raise ValueError(f"{folder}: model_max_length must be at least 2, not {length!r}")
    try:
        bpe = _bpe(vocab, merges, unknown)
    except Exception as error:  # the library raises bare Exceptions
        raise ValueError(
            f"{folder}: the merges do not fit the vocabulary ({error}); download both again"
        ) from None
    # In a prompt, too, these spell one id each.
    bpe.add_special_tokens(sorted({start, end, pad, unknown}))
    return Tokenizer(
        bpe=bpe,
        start=vocab[start],
        end=vocab[end],
        pad=vocab[pad],
        # Libraries write 1e30 for "no limit"; CLIP's position table has 77 rows.
        length=77 if length > 1e6 else int(length),
        size=max(vocab.values()) + 1,
    )


def encode(tokenizer: Tokenizer, prompts: str | Sequence[str]) -> np.ndarray:
    """Turn prompts into ids, int32 (B, length): start, text, end, padding.

    Text beyond the row is dropped with a warning that quotes it. Raises TypeError for a prompt
    that is no string, ValueError for one that is not valid Unicode.
    """
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    rows = np.full((len(prompts), tokenizer.length), tokenizer.pad, np.int32)
    room = tokenizer.length - 2
    for row, prompt in zip(rows, prompts, strict=True):
        if not isinstance(prompt, str):
            raise TypeError(f"a prompt must be a string, not {type(prompt).__name__}: {prompt!r}")
        try:
            prompt.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"prompt {prompt!r} is not valid Unicode: it holds half of a surrogate pair"
            ) from None
        encoding = tokenizer.bpe.encode(prompt)
        ids = encoding.ids
        if len(ids) > room:
            dropped = prompt[encoding.offsets[room][0] :]
            warnings.warn(
                f"the prompt has {len(ids)} tokens and {room} fit; dropped: {dropped!r}",
                stacklevel=2,
            )
            ids = ids[:room]
        row[: len(ids) + 2] = [tokenizer.start, *ids, tokenizer.end]
    return rows


def train(
    texts: Iterable[str], folder: str | Path, vocab_size: int = 1024, length: int = 77
) -> None:
    """Learn a small vocabulary from `texts` and write it in CLIP's file format.

    Every byte is in it, alone and at a word's end, so any text can be encoded; that takes 514
    ids with the two special ones, merges the rest. Deterministic. Raises ValueError if
    `vocab_size` is below 514.
    """
    alphabet = _byte_alphabet()
    symbols = [*alphabet, *(c + "</w>" for c in alphabet)]
    if vocab_size < len(symbols) + 2:
        raise ValueError(f"vocab_size must be at least {len(symbols) + 2}, not {vocab_size}")
    learner = _bpe({}, [], None)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=alphabet, end_of_word_suffix="</w>",
        show_progress=False,
    )  # fmt: skip
    learner.train_from_iterator(texts, trainer)
    learned = json.loads(learner.to_str())["model"]["merges"]
    # The trainer counts only the symbols it met, so it may have merged more than there is room.
    merges = [tuple(pair) for pair in learned][: vocab_size - len(symbols) - 2]
    tokens = [*symbols, *(a + b for a, b in merges), START, END]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    settings = {**names, "model_max_length": length, "tokenizer_class": "CLIPTokenizer"}
    for name, value in {
        "vocab.json": {token: i for i, token in enumerate(tokens)},
        "special_tokens_map.json": names,
        "tokenizer_config.json": settings,
    }.items():
        with replacing(folder / name) as part:
            part.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    with replacing(folder / "merges.txt") as part:
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _bpe(
    vocab: dict[str, int], merges: list[tuple[str, str]], unknown: str | None
) -> tokenizers.Tokenizer:
    bpe = tokenizers.Tokenizer(
        models.BPE(vocab, merges, unk_token=unknown, end_of_word_suffix="</w>")
    )
    bpe.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    # Keeping the words drops what stands between them: white space.
    words = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    # It splits once more: a special token in capitals, lower-cased by now, is three words.
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([words, as_bytes])
    return bpe


def _byte_alphabet() -> list[str]:
    """The letters that stand for the 256 bytes, printable ASCII first, as in CLIP's ids."""
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _read_both(path: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = read_json(path).get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        raise ValueError(f"{path} holds no byte-pair vocabulary (model.vocab, model.merges)")
    # Older files write a merge as one string, newer ones as a pair.
    merges = [m.split(" ") if isinstance(m, str) else m for m in model.get("merges", [])]
    if not all(isinstance(m, list) and list(map(type, m)) == [str, str] for m in merges):
        raise ValueError(f"{path}: each of model.merges must be two tokens")
    return _checked(model["vocab"], path), [(a, b) for a, b in merges]


def _read_vocab(path: Path) -> dict[str, int]:
    return _checked(read_json(path), path)


def _checked(vocab: dict[str, Any], path: Path) -> dict[str, int]:
    ids = list(vocab.values())
    if not ids or not all(type(i) is int and i >= 0 for i in ids) or len({*ids}) < len(ids):
        raise ValueError(f"{path} must map each token to an id of its own")
    return vocab


def _read_merges(path: Path) -> list[tuple[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    lines = path.read_text(encoding="utf-8").splitlines()
    merges = []
    for number, line in enumerate(lines, 1):
        if (number == 1 and line.startswith("#version")) or not line.strip():
            continue
        pair = line.split(" ")
        if len(pair) != 2:
            raise ValueError(f"{path}, line {number}: expected two tokens, found {line!r}")
        merges.append((pair[0], pair[1]))
    return merges
