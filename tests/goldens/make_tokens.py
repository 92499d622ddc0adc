"""Write tokens.json: the ids that transformers gives for texts, from each kind of folder.

Run from the repository's root, with the parity extra installed:

    python -m tests.goldens.make_tokens

CLIPTokenizer of transformers 5.24 and CLIPTokenizerFast of 4.57 give the same; 4.57's slow class
does but for typographic signs, control characters, and a sigma that Python lower-cases as final.
"""

import json
import tempfile
from pathlib import Path

from tests import tokenizer_folders

FILE = Path(__file__).parent / "tokens.json"
# What every kind of folder is asked.
SHORT = [
    "a red cat!",
    "!!",
    "x <|endoftext|>y",
    "the<cat-toy>_1",
    "<Big-Dog>s",
    "a sks dog",
    "<old>",
]
# What the first kind alone is asked, for these are matters of CLIP's rules and not of files.
LONG = [
    "", "   ", "A  RED\n\tcat's", "It's a DOG'S; we'LL", "don't don\u2019t",
    "1\u00bd \u0661\u0662 3d",
    "caf\u00e9 cafe\u0301 \u00c9COLE", "e\u0301\u0302\u0323", "\u0130stanbul STRASSE \u00df",
    "\u039f\u0394\u039f\u03a3", "\u4e2d\u6587 \u5b57", "mixed\u4e2d\u6587abc",
    "\ud55c\uad6d \u1112\u1161\u11ab", "\u0e44\u0e17\u0e22",
    "\U0001f600\U0001f469\u200d\U0001f469 \U0001f3f3\ufe0f", "a\x00b a\x1cb a\x7fb a\u0085b",
    "a\u00a0b\u3000c\u2028d\u200be\ufefff", "&amp; &lt;b&gt;", "(word:1.2), a_b-c",
    "\uff32\uff25\uff24",
    "red" * 8, "</w> red</w>", "<|startoftext|>", "<|end", "\ufb01ne \u01c5",
]  # fmt: skip


def ids(cls) -> dict[str, dict[str, list[int]]]:
    """Folder's kind to text to ids, as `cls` of transformers gives them."""
    found = {}
    for kind, files in tokenizer_folders.FOLDERS.items():
        with tempfile.TemporaryDirectory() as place:
            folder = tokenizer_folders.write(Path(place) / "tokenizer", **files)
            reference = cls.from_pretrained(folder)
        texts = SHORT if found else SHORT + LONG
        found[kind] = {text: reference(text)["input_ids"][1:-1] for text in texts}
        found[kind]["padding"] = [reference.pad_token_id]
    return found


if __name__ == "__main__":
    import transformers

    rows = []
    for kind, texts in ids(transformers.CLIPTokenizer).items():
        lines = [f"    {json.dumps(text)}: {json.dumps(i)}" for text, i in texts.items()]
        rows.append(f"  {json.dumps(kind)}: {{\n" + ",\n".join(lines) + "\n  }")
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n")
