"""CLIP's tokenizer: lower-cased text to byte-level BPE ids, one fixed-length row a prompt."""

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tokenizers
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers, trainers

from mdx import tokenizer_files
from mdx.fields import shown
from mdx.files import replacing
from mdx.tokenizer_files import Flags, Vocabulary

__all__ = ["Tokenizer", "encode", "extended", "ids_of", "knows", "load", "made", "train"]

LONGEST = 2**17  # characters of a prompt; more take seconds to read, and no model does
START, END = "<|startoftext|>", "<|endoftext|>"

# A word is a special token, an English ending, a run of letters, one digit, or a run of signs.
WORD = r"<\|(?:start|end)oftext\|>|'(?:s|t|re|ve|m|ll|d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


# The names of CLIP's special tokens where no file says them.
DEFAULTS = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}


class Tokenizer(NamedTuple):
    """A loaded vocabulary; nothing writes to it, so threads may share it."""

    bpe: tokenizers.Tokenizer  # text to ids, without start, end and padding
    start: int  # id before the text
    end: int  # id after the text
    pad: int  # id that fills the row up; the end's id in SD 1.x, 0 ("!") in SD 2.x
    length: int  # ids in a row, start and end included; 77 in SD
    size: int  # number of ids the vocabulary gives, special and added ones included
    vectors: tuple[tuple[int, ...], ...] = ()  # what an added token of several ids stands for


def load(folder: str | Path) -> Tokenizer:
    """Read CLIP's tokenizer as transformers 4 or 5 saved it; `tokenizer_files` says what wins.

    Special tokens are one id in the text in any case of letters, and added tokens (textual
    inversions) are one id, unless their flags say otherwise. Raises FileNotFoundError for a missing
    file, ValueError that names the file or the folder for one that does not make sense.
    """
    return made(tokenizer_files.read(folder), Path(folder))


def made(vocabulary: Vocabulary, where: object) -> Tokenizer:
    """The tokenizer of a vocabulary of CLIP's kind; errors begin with `where` it is from.

    Raises ValueError for one that does not make sense.
    """
    vocab, merges, suffix, said = vocabulary
    if suffix not in (None, "</w>"):
        raise ValueError(
            f"{where} is no tokenizer of CLIP: words end with {suffix!r:.80}, not '</w>'"
        )
    names = DEFAULTS | said.names
    flags = dict(said.flags)
    for name, token in names.items():
        # CLIP lower-cases a text before it looks for special tokens, and so does transformers 4,
        # for all but the padding; 5 looks for them as they are written where no file has flags.
        flags.setdefault(token, Flags(normalized=name != "pad_token"))
    if unknown := [token for token in flags if token not in vocab]:
        name = next((n for n, token in names.items() if token == unknown[0]), "special token")
        raise ValueError(
            f"{where}: the {name} {unknown[0]!r:.80} is not in the vocabulary, nor added to it"
        )
    try:
        bpe = _bpe(vocab, merges, names["unk_token"])
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises bare ones, and panics that are none
        raise ValueError(
            f"{where}: the merges do not fit the vocabulary ({shown(str(error))}); download both "
            "again"
        ) from None
    bpe.add_tokens(_added(bpe, flags, vocab))
    return Tokenizer(
        bpe=bpe,
        start=vocab[names["bos_token"]],
        end=vocab[names["eos_token"]],
        pad=vocab[names["pad_token"]],
        length=77 if said.length is None else said.length,  # CLIP's position table has 77 rows
        size=max(vocab.values()) + 1,
        vectors=_vectors(said.ids),
    )


def encode(tokenizer: Tokenizer, prompts: str | Sequence[str]) -> np.ndarray:
    """Turn prompts into ids, int32 (B, length): start, text, end, padding.

    A textual inversion of several vectors is saved as tokens `<name>`, `<name>_1`, ...; where
    `<name>` stands without the next one, all of them are meant. Text beyond the row is dropped
    with a warning that quotes it. Raises TypeError for a prompt that is no string, ValueError for
    one that is not valid Unicode, and for one of more than LONGEST characters.
    """
    if not isinstance(prompts, (str, list, tuple)):
        raise TypeError(
            f"a prompt must be a string, or prompts a list of them, not {shown(prompts)}"
        )
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    rows = np.full((len(prompts), tokenizer.length), tokenizer.pad, np.int32)
    room = tokenizer.length - 2
    for row, prompt in zip(rows, prompts, strict=True):
        if not isinstance(prompt, str):
            raise TypeError(
                f"a prompt must be a string, not {type(prompt).__name__}: {shown(prompt)}"
            )
        if len(prompt) > LONGEST:
            raise ValueError(
                f"a prompt has {len(prompt)} characters: at most {LONGEST} are read, and of those "
                f"what fits {room} tokens"
            )
        try:
            prompt.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"prompt {shown(prompt)} is not valid Unicode: it holds half of a surrogate pair"
            ) from None
        ids, begins = ids_of(tokenizer, prompt)
        if len(ids) > room:
            dropped = prompt[begins[room] :]
            warnings.warn(
                f"the prompt has {len(ids)} tokens and {room} fit; dropped: {dropped!r}",
                stacklevel=2,
            )
            ids = ids[:room]
        row[: len(ids) + 2] = [tokenizer.start, *ids, tokenizer.end]
    return rows


def knows(tokenizer: Tokenizer, token: str) -> bool:
    """Whether a text is a token already, in any case of letters: a new one would not be found."""
    bpe = tokenizer.bpe
    added = [one.content for one in bpe.get_added_tokens_decoder().values()]
    normal = bpe.normalizer.normalize_str
    return bpe.token_to_id(token) is not None or normal(token) in map(normal, added)


def extended(tokenizer: Tokenizer, names: Sequence[str]) -> tuple[Tokenizer, list[int]]:
    """The tokenizer with added tokens of these names, and their ids; where the first stands without
    the second all of them are meant, see `encode`.

    None of them may be known. One of letters is found as a word, and not within a longer one.
    """
    bpe = tokenizers.Tokenizer.from_str(tokenizer.bpe.to_str())
    word = re.compile(r"\w(.*\w)?", re.DOTALL)
    bpe.add_tokens(
        [AddedToken(n, normalized=True, single_word=bool(word.fullmatch(n))) for n in names]
    )
    ids = [i for name in names if (i := bpe.token_to_id(name)) is not None]
    several = (tuple(ids),) if len(ids) > 1 else ()
    size = max(tokenizer.size, max(ids) + 1)
    return tokenizer._replace(bpe=bpe, size=size, vectors=(*tokenizer.vectors, *several)), ids


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


def _added(
    bpe: tokenizers.Tokenizer, flags: Mapping[str, Flags], vocab: Mapping[str, int]
) -> list[AddedToken]:
    """The library's records of tokens that are one id each, in the order of their ids."""
    normal = {t: bpe.normalizer.normalize_str(t) for t, how in flags.items() if how.normalized}
    alike = Counter(normal.values())
    tokens = []
    for token in sorted(flags, key=vocab.__getitem__):
        flag = flags[token]
        # Of two that differ in case only the library would find one, by chance, for both.
        normalized = flag.normalized and alike[normal[token]] == 1
        strip = {"single_word": flag.single_word, "lstrip": flag.lstrip, "rstrip": flag.rstrip}
        tokens.append(AddedToken(token, normalized=normalized, **strip))
    return tokens


def _vectors(added: Mapping[str, int]) -> tuple[tuple[int, ...], ...]:
    """The ids of each added token that has vectors beyond its first."""
    several = []
    for token, first in added.items():
        ids = [first]
        while (following := added.get(f"{token}_{len(ids)}")) is not None:
            ids.append(following)
        if len(ids) > 1:
            several.append(tuple(ids))
    return tuple(several)


def ids_of(tokenizer: Tokenizer, text: str) -> tuple[list[int], list[int]]:
    """The ids of a text, and where in it each of them begins."""
    encoding = tokenizer.bpe.encode(text)
    several = {ids[0]: ids for ids in tokenizer.vectors}
    ids: list[int] = []
    begins: list[int] = []
    following = [*encoding.ids[1:], None]
    for i, after, (begin, _) in zip(encoding.ids, following, encoding.offsets, strict=False):
        group = several.get(i, (i,))
        if len(group) > 1 and after == group[1]:
            group = (i,)  # the prompt spells them out
        ids += group
        begins += [begin] * len(group)
    return ids, begins


def _byte_alphabet() -> list[str]:
    """The letters that stand for the 256 bytes, printable ASCII first, as in CLIP's ids."""
    return sorted(pre_tokenizers.ByteLevel.alphabet())
