"""A small vocabulary of CLIP's kind in the files that transformers of each age write beside it."""

import json
from pathlib import Path

from tokenizers import pre_tokenizers

START, END = "<|startoftext|>", "<|endoftext|>"
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [
    ("r", "e"), ("re", "d</w>"), ("c", "a"), ("ca", "t</w>"), ("d", "o"), ("do", "g</w>"),
    ("'", "s</w>"), ("!", "!</w>"), ("<", "|"), ("i", "n"), ("e", "r</w>"), ("t", "o"),
]  # fmt: skip
WORDS = [*ALPHABET, *(c + "</w>" for c in ALPHABET), *(a + b for a, b in MERGES), START, END]
VOCAB = {token: i for i, token in enumerate(WORDS)}
SIZE = len(VOCAB)  # the first id of an added token
# A textual inversion of two vectors, one of a name with capitals, and two with flags.
ADDED = {"<cat-toy>": SIZE, "<cat-toy>_1": SIZE + 1, "<Big-Dog>": SIZE + 2, "sks": SIZE + 3}


def record(content, **flags):
    """An added token as the files of all ages spell it."""
    plain = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    return {"content": content, **plain, **flags}


def decoder(*more):
    """added_tokens_decoder, or with `id` in them the added_tokens of tokenizer.json."""
    special = [record(START, special=True), record(END, special=True)]
    return {str(VOCAB.get(t["content"], ADDED.get(t["content"]))): t for t in [*special, *more]}


def tokenizer_json(*more):
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": int(i), **t} for i, t in decoder(*more).items()],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
                {"type": "Lowercase"},
            ],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {
                        "Regex": "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"
                    },
                    "behavior": "Removed",
                    "invert": True,
                },
                {
                    "type": "ByteLevel",
                    "add_prefix_space": False,
                    "trim_offsets": True,
                    "use_regex": True,
                },
            ],
        },
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [END, VOCAB[END]],
            "cls": [START, VOCAB[START]],
            "trim_offsets": False,
            "add_prefix_space": False,
        },
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": END,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>",
            "fuse_unk": False,
            "vocab": VOCAB,
            "merges": [list(pair) for pair in MERGES],
        },
    }


COMMON = {"do_lower_case": True, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
PLAIN = COMMON | {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
# Until 4.33: records in both files, and added tokens in one of their own.
OLD_MAP = {
    "bos_token": record(START),
    "eos_token": record(END),
    "pad_token": END,
    "unk_token": record(END),
}
OLD = COMMON | {k: v | {"__type": "AddedToken"} if v != END else v for k, v in OLD_MAP.items()}
NEW_RECORDS = [record(token, special=False) for token in ADDED]
NEW_RECORDS[3] |= {"normalized": False, "single_word": True}
BANG = record("!", special=True, normalized=False)

# A checkpoint, or the version that saved one, to its files; vocab.json and merges.txt where no
# tokenizer.json is, or where "slow" asks for them.
FOLDERS = {
    "stable-diffusion-v1-5": {"config": OLD, "map": OLD_MAP},
    "stable-diffusion-2-1": {"config": OLD, "map": OLD_MAP | {"pad_token": "!"}},
    "sd-turbo": {
        "config": PLAIN | {"pad_token": "!", "added_tokens_decoder": decoder(BANG)},
        "map": OLD_MAP | {"pad_token": "!"},
    },
    "map of another age": {
        "config": PLAIN | {"added_tokens_decoder": decoder()},
        "map": OLD_MAP | {"pad_token": "!"},
    },
    "inversions by 4.30": {"config": OLD, "map": OLD_MAP, "added": ADDED},
    "inversions by 4.57": {
        "config": PLAIN | {"added_tokens_decoder": decoder(*NEW_RECORDS)},
        "map": OLD_MAP,
        "added": ADDED,
    },
    "inversions by 4.57, fast": {
        "config": PLAIN | {"added_tokens_decoder": decoder(*NEW_RECORDS)},
        "map": OLD_MAP,
        "added": ADDED,
        "json": tokenizer_json(*NEW_RECORDS),
        "slow": True,
    },
    "inversions by 5.24": {"config": PLAIN, "json": tokenizer_json(*NEW_RECORDS)},
    "5.24 over 4.30": {
        "config": PLAIN,
        "map": OLD_MAP,
        "added": {"<old>": SIZE},
        "json": tokenizer_json(*NEW_RECORDS),
        "slow": True,
    },
}
NAMES = {
    "config": "tokenizer_config.json",
    "map": "special_tokens_map.json",
    "added": "added_tokens.json",
    "json": "tokenizer.json",
}


def write(folder: Path, *, slow: bool = False, **files) -> Path:
    """Write the vocabulary and `files`, of NAMES, into a new folder."""
    folder.mkdir(parents=True)
    if slow or "json" not in files:
        (folder / "vocab.json").write_text(json.dumps(VOCAB))
        lines = ["#version: 0.2", *(" ".join(pair) for pair in MERGES)]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, value in files.items():
        (folder / NAMES[name]).write_text(json.dumps(value))
    return folder
