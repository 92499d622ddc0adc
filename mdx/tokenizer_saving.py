"""A tokenizer to a folder, as transformers' libraries of all ages read it."""

import json
from pathlib import Path
from typing import Any

from mdx.tokenizer import Tokenizer
from mdx.tokenizer_files import CONFIG, MAP, MERGES, VOCAB

__all__ = ["save"]

FLAGS = ("lstrip", "normalized", "rstrip", "single_word", "special")


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write a tokenizer's files.

    Args:
        tokenizer: any, with whatever tokens were added to it.
        folder: where; it is made if it is not there.

    Raises:
        OSError: where it cannot be written.
    """
    state = json.loads(tokenizer.bpe.to_str())
    model, added = state["model"], state["added_tokens"]
    # Older versions of the library write a pair as one text.
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    token = tokenizer.bpe.id_to_token
    names = {
        "bos_token": token(tokenizer.start),
        "eos_token": token(tokenizer.end),
        "pad_token": token(tokenizer.pad),
        "unk_token": model["unk_token"],
    }
    special = {*names.values()}
    settings: dict[str, Any] = {
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(one["id"]): {
                "content": one["content"],
                **{flag: one[flag] for flag in FLAGS},
                "special": one["special"] or one["content"] in special,
            }
            for one in added
        },
        **names,
        "clean_up_tokenization_spaces": True,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": tokenizer.length,
        "tokenizer_class": "CLIPTokenizer",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in {VOCAB: model["vocab"], CONFIG: settings, MAP: names}.items():
        text = json.dumps(value, ensure_ascii=False, indent=None if name == VOCAB else 2)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    text = "\n".join(["#version: 0.2", *pairs]) + "\n"
    (folder / MERGES).write_text(text, encoding="utf-8")
