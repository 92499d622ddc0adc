"""CLIP's vocabulary, which one file of a checkpoint does not hold and which ships with the package.

Every checkpoint of SD 1.x, SD 2.x and SDXL has the same. clip_merges.txt.gz is OpenAI's list of
pairs, as open_clip_torch's package has it, as far as CLIP reads it; its licence lies beside it.
"""

import gzip
from pathlib import Path

from tokenizers import pre_tokenizers

from mdx import tokenizer
from mdx.tokenizer import DEFAULTS, END, START, Tokenizer
from mdx.tokenizer_files import Settled, Vocabulary

__all__ = ["FILE", "LENGTH", "shipped"]

FILE = Path(__file__).with_name("clip_merges.txt.gz")

LENGTH = 77  # ids in a row, of every CLIP


def shipped(pad: str = END) -> Tokenizer:
    """CLIP's tokenizer with all 49,408 ids.

    Args:
        pad: the token that fills rows up.

    Returns:
        The Tokenizer.

    Raises:
        FileNotFoundError: if the package lacks the file.
    """
    if not FILE.is_file():
        raise FileNotFoundError(f"CLIP's vocabulary is missing ({FILE}); install mdx again")
    lines = gzip.decompress(FILE.read_bytes()).decode().split("\n")[:-1]
    merges = [(first, second) for first, _, second in (line.partition(" ") for line in lines)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    joined = (first + second for first, second in merges)
    tokens = [*letters, *(letter + "</w>" for letter in letters), *joined, START, END]
    names = DEFAULTS | {"pad_token": pad}
    said = Settled(names, {}, {}, LENGTH)
    ids = {token: i for i, token in enumerate(tokens)}
    return tokenizer.made(Vocabulary(ids, merges, "</w>", said), FILE)
