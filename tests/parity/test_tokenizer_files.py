"""The reader of tokenizer files against transformers', over what its files may say."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import tokenizer
from tests.goldens import make_tokens
from tests.test_tokenizer_files import CAT, FAR, GOLDENS, ids
from tests.tokenizer_folders import (
    ADDED,
    END,
    OLD,
    OLD_MAP,
    SIZE,
    START,
    VOCAB,
    decoder,
    record,
    tokenizer_json,
    write,
)  # fmt: skip

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

# Values that a file may have for its names, and whether it has a decoder, in all combinations.
TOKENS = st.sampled_from([..., END, "!", "a</w>", record(END), record("!", normalized=False)])
NAMED = st.fixed_dictionaries({"pad_token": TOKENS, "eos_token": TOKENS, "unk_token": TOKENS})


@given(NAMED, NAMED, st.booleans(), st.booleans(), st.sampled_from([{}, CAT, ADDED]), st.booleans())
@settings(deadline=None, max_examples=150)
def test_wins_as_in_transformers(tmp_path_factory, config, special_map, has, json, added, bare):
    files: dict = {"config": {"model_max_length": 20, "bos_token": START}, "added": added}
    for name, values in {"config": config, "map": special_map}.items():
        given = {k: v for k, v in values.items() if v is not ...}
        if name == "config":  # there a record is marked as one, or transformers refuses it
            given = {k: v | {"__type": "AddedToken"} if isinstance(v, dict) else v
                     for k, v in given.items()}  # fmt: skip
        files[name] = files.get(name, {}) | given
    if has:
        more = [] if bare else [record(token, special=False) for token in added]
        files["config"]["added_tokens_decoder"] = decoder(*more)
    if json:
        files["json"] = tokenizer_json(*[record(t, special=False) for t in added if not bare])
    folder = write(tmp_path_factory.mktemp("t") / "t", **files)
    mine, theirs = tokenizer.load(folder), transformers.CLIPTokenizer.from_pretrained(folder)
    wanted = (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id)
    assert (mine.start, mine.end, mine.pad) == wanted
    assert mine.length == theirs.model_max_length
    assert mine.size == len(theirs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in ["a red!", "<cat-toy>_1 <Big-Dog>sks", f"a{END}"]:
            theirs_row = theirs(text, padding="max_length", max_length=20, truncation=True)
            np.testing.assert_array_equal(tokenizer.encode(mine, text)[0], theirs_row["input_ids"])


def test_goldens_are_of_this_transformers():
    assert make_tokens.ids(transformers.CLIPTokenizer) == GOLDENS


def test_where_transformers_is_wrong(tmp_path):
    """Of two cases it finds either, by chance; it renumbers; it forgets case without flags."""
    folder = write(tmp_path / "t", config=OLD, map=OLD_MAP, added=FAR)
    theirs = transformers.CLIPTokenizer.from_pretrained(folder)
    lower, upper, far = theirs("<cat> <Cat> <far>")["input_ids"][1:-1]
    assert lower == upper
    assert far == SIZE + 2
    assert len(theirs("<|ENDOFTEXT|>")["input_ids"][1:-1]) > 5
    assert ids(tokenizer.load(folder), "<|ENDOFTEXT|>") == [VOCAB[END]]
