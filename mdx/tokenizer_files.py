"""What a tokenizer's folder says, in either layout: tokens, merges, names, and which file wins."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mdx.files import is_there, missing, read_json

__all__ = ["NAMES", "Flags", "Settled", "Vocabulary", "read", "settle"]

CONFIG, MAP, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
BOTH, VOCAB, MERGES = "tokenizer.json", "vocab.json", "merges.txt"

# The tokens that a file may name, in the order in which one that has two names takes its flags.
NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")


class Flags(NamedTuple):
    """How a token is looked for in a text, before the rest is split into words."""

    normalized: bool = True  # in the normalised text (lower-cased, where CLIP's), else as written
    single_word: bool = False  # only where no letter, digit or underscore touches it
    lstrip: bool = False  # with the white space before it
    rstrip: bool = False  # with the white space after it


class Settled(NamedTuple):
    """What the files say of special and added tokens, and of the length, once they agree."""

    names: dict[str, str]  # of NAMES, those that a file gives: the name to the token
    ids: dict[str, int]  # ids that are written beside added tokens: the token to its id
    flags: dict[str, Flags]  # tokens that are one id wherever they stand, if a file says how
    length: int | None  # ids in a row; None where no file sets a limit


class Vocabulary(NamedTuple):
    """A vocabulary with all that belongs to it, as one folder has it."""

    ids: dict[str, int]  # every token to its id, the added ones too
    merges: list[tuple[str, str]]  # pairs that are joined, the first ones first
    suffix: str | None  # what tokenizer.json says that words end with; None where it says nothing
    said: Settled  # of the files beside it


def read(folder: str | Path) -> Vocabulary:
    """Read tokenizer.json, or else vocab.json and merges.txt, and what stands beside them.

    tokenizer_config.json, special_tokens_map.json and added_tokens.json are optional; `settle` says
    which of them wins. Raises FileNotFoundError for a missing file, ValueError that names the file
    for one that does not make sense.
    """
    folder = Path(folder)
    beside = {n: read_json(folder / n) for n in (CONFIG, MAP, ADDED) if is_there(folder / n)}
    both: dict[str, Any] = {}
    if is_there(folder / BOTH):
        both = read_json(folder / BOTH)
        vocab, merges = _read_both(both, folder / BOTH)
    else:
        vocab = _checked(read_json(folder / VOCAB), folder / VOCAB)
        merges = _read_merges(folder / MERGES)
    try:
        said = settle(beside.get(CONFIG, {}), beside.get(MAP, {}), both, beside.get(ADDED, {}))
    except ValueError as error:  # it begins with the file's name
        raise ValueError(f"{folder}/{error}") from None
    suffix = both.get("model", {}).get("end_of_word_suffix")
    return Vocabulary(_with_added(vocab, said.ids, folder), merges, suffix, said)


def settle(
    config: Mapping[str, Any],
    special_map: Mapping[str, Any],
    both: Mapping[str, Any],
    added: Mapping[str, Any],
) -> Settled:
    """Say which file wins where tokenizer files differ; each argument is one file, {} if absent.

    | what                  | wins                            | else                               |
    |-----------------------|---------------------------------|------------------------------------|
    | bos, eos, unk, pad    | special_tokens_map.json [1]     | tokenizer_config.json              |
    | added tokens          | added_tokens_decoder of         | added_tokens of tokenizer.json,    |
    |                       | tokenizer_config.json, alone    | and added_tokens.json [2]          |
    | a token's flags       | its added token's record        | the record that names it           |
    | model_max_length      | tokenizer_config.json           | its max_len, in the oldest files   |
    | vocabulary, merges    | tokenizer.json                  | vocab.json and merges.txt          |

    [1] Not read where tokenizer_config.json has added_tokens_decoder: transformers writes that
    since 4.34, and has the same names in both files; where they differ, the map is an old one.
    [2] A token or id that tokenizer.json has is left out, for it is the newer of the two.

    null stands for absent. Found by experiment: transformers 4.57 (both classes) and 5.24 agree on
    every row, but for a vocabulary in both layouts, where 4's slow class reads vocab.json. 4.30
    knows no added_tokens_decoder and agrees where there is none.

    Args:
        config: tokenizer_config.json.
        special_map: special_tokens_map.json.
        both: tokenizer.json; its vocabulary is not looked at.
        added: added_tokens.json.

    Returns:
        Settled. Tokens that a file only names (a plain string) are in no flags.

    Raises:
        ValueError: for a value of a wrong kind; the message begins with the file's name.
    """
    decoder = config.get("added_tokens_decoder")
    records = _decoder(decoder) if decoder is not None else _added_list(both.get("added_tokens"))
    ids, flags = {t: i for t, i, _ in records}, {t: how for t, _, how in records}
    if len(ids) < len(records):
        file = BOTH if decoder is None else CONFIG
        twice = Counter(token for token, _, _ in records).most_common(1)[0][0]
        raise ValueError(f"{file} adds a token twice: {twice!r:.80}")
    sources = ((CONFIG, config), (MAP, {} if decoder is not None else special_map))
    names: dict[str, str] = {}
    for file, source in sources:
        for name in NAMES:
            if source.get(name) is not None:
                names[name] = _token(source[name], f"{file}: {name}")
    for file, source in reversed(sources):  # flags are set by the first that has some
        for name in NAMES:
            if isinstance(source.get(name), dict) and source[name]["content"] == names[name]:
                flags.setdefault(names[name], _flags(source[name], f"{file}: {name}", True))
        for token, how in _extra(source, file):
            flags.setdefault(token, how)
    if decoder is None:
        taken = set(ids.values())
        for token, i in added.items():
            _check_id(i, f"{ADDED}: {_token(token, ADDED)!r:.80}")
            if token not in ids and i not in taken:
                ids[token] = i
                flags.setdefault(token, Flags())
    for key in ("padding_side", "truncation_side"):
        if config.get(key) not in (None, "right"):
            raise ValueError(f"{CONFIG}: {key} {config[key]!r:.80} is not supported, only 'right'")
    return Settled(names, ids, flags, _length(config))


def _length(config: Mapping[str, Any]) -> int | None:
    key = "max_len" if config.get("model_max_length") is None else "model_max_length"
    length = config.get(key)
    if length is None or (type(length) in (int, float) and length > 1e6):
        return None  # libraries write 1e30 for "no limit"
    whole = type(length) is int or (type(length) is float and length.is_integer())
    if not whole or length < 2:
        raise ValueError(
            f"{CONFIG}: {key} must be a whole number of at least 2, not {length!r:.80}"
        )
    return int(length)


def _decoder(decoder: Any) -> list[tuple[str, int, Flags]]:
    where = f"{CONFIG}: added_tokens_decoder"
    if not isinstance(decoder, dict):
        raise ValueError(f"{where} must map ids to records, not be {decoder!r:.80}")
    records = []
    for key, record in decoder.items():
        number = int(key) if key.isascii() and key.isdigit() and len(key) < 20 else key
        records.append(_record(record, number, f"{where}, {key!r}"))
    return records


def _added_list(added: Any) -> list[tuple[str, int, Flags]]:
    where = f"{BOTH}: added_tokens"
    if added is None:
        return []
    if not isinstance(added, list) or not all(isinstance(record, dict) for record in added):
        raise ValueError(f"{where} must be a list of records, not {added!r:.80}")
    return [_record(r, r.get("id"), f"{where}, {r.get('content')!r:.80}") for r in added]


def _record(record: Any, number: Any, where: str) -> tuple[str, int, Flags]:
    _check_id(number, where)
    if not isinstance(record, dict):
        raise ValueError(f"{where} must be a record with content, not {record!r:.80}")
    token = _token(record, where)
    return token, number, _flags(record, where, not record.get("special"))


def _extra(source: Mapping[str, Any], file: str) -> list[tuple[str, Flags]]:
    """Further special tokens: a list, or since transformers 4.46 a name to each."""
    tokens = []
    for key in ("additional_special_tokens", "extra_special_tokens"):
        value = source.get(key) or []
        if not isinstance(value, list | dict):
            raise ValueError(f"{file}: {key} must be a list of tokens, not {value!r:.80}")
        for entry in value.values() if isinstance(value, dict) else value:
            record = entry if isinstance(entry, dict) else {}
            token = _token(entry, f"{file}: {key}")
            tokens.append((token, _flags(record, f"{file}: {key}", False)))
    return tokens


def _token(value: Any, where: str) -> str:
    """The text of a token that stands alone or in a record."""
    token = value.get("content") if isinstance(value, dict) else value
    if not isinstance(token, str) or not token:
        raise ValueError(f"{where} must be a token or a record with content, not {value!r:.80}")
    if not _is_unicode(token):
        raise ValueError(f"{where} is not valid Unicode: {token!r:.80}")
    return token


def _flags(record: Mapping[str, Any], where: str, normalized: bool) -> Flags:
    flags = Flags(normalized)
    for name in Flags._fields:
        if record.get(name) is not None:
            if not isinstance(record[name], bool):
                raise ValueError(f"{where}: {name} must be true or false, not {record[name]!r:.80}")
            flags = flags._replace(**{name: record[name]})
    return flags


def _check_id(number: Any, where: str) -> None:
    if type(number) is not int or not 0 <= number < 2**31:
        raise ValueError(f"{where} must have an id from 0 to 2**31 - 1, not {number!r:.80}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can spell half of a surrogate pair
        return False
    return True


def _with_added(vocab: dict[str, int], ids: Mapping[str, int], folder: Path) -> dict[str, int]:
    """The vocabulary with the added tokens in it. Raises ValueError where two claim one place."""
    vocab = dict(vocab)
    taken = {i: token for token, i in vocab.items()}
    for token, i in ids.items():
        if (other := taken.get(i, token)) != token or vocab.get(token, i) != i:
            what = f"which is {other!r:.80}" if other != token else f"but {vocab[token]}"
            raise ValueError(
                f"{folder}: the added token {token!r:.80} has id {i}, {what} in the vocabulary; "
                "the files belong to different tokenizers"
            )
        vocab[token], taken[i] = i, token
    return vocab


def _read_both(both: dict[str, Any], path: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = both.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        raise ValueError(f"{path} holds no byte-pair vocabulary (model.vocab, model.merges)")
    if model.get("type") not in (None, "BPE") or not isinstance(model.get("merges"), list):
        raise ValueError(f"{path} holds no byte-pair vocabulary (model.type BPE, model.merges)")
    # Older files write a merge as one string, newer ones as a pair.
    merges = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
    if not all(isinstance(m, list) and list(map(type, m)) == [str, str] for m in merges):
        raise ValueError(f"{path}: each of model.merges must be two tokens")
    return _checked(model["vocab"], path), [(a, b) for a, b in merges]


def _checked(vocab: dict[str, Any], path: Path) -> dict[str, int]:
    ids = list(vocab.values())
    whole = all(type(i) is int and 0 <= i < 2**31 for i in ids)
    if not ids or not whole or len({*ids}) < len(ids):
        raise ValueError(
            f"{path} must map each token to an id of its own, a whole number from 0 to 2**31 - 1"
        )
    if not _is_unicode("".join(vocab)):
        token = next(token for token in vocab if not _is_unicode(token))
        raise ValueError(f"{path}: token {token!r:.80} is not valid Unicode")
    return vocab


def _read_merges(path: Path) -> list[tuple[str, str]]:
    if not path.is_file():
        raise missing(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows put a mark before it
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error}); download it again") from None
    merges = []
    for number, line in enumerate(text.split("\n"), 1):
        if (number == 1 and line.startswith("#version")) or not line.strip():
            continue
        pair = line.split(" ")
        if len(pair) != 2:
            raise ValueError(f"{path}, line {number}: expected two tokens, found {line!r:.80}")
        merges.append((pair[0], pair[1]))
    return merges
