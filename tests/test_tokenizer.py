"""The tokenizer: CLIP's rules on any Unicode text, fixed rows, and warnings that quote."""

import ast
import json
import unicodedata
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders

from mdx import tokenizer
from tests import tokenizer_folders
from tests.tokenizer_folders import END, SIZE, START, VOCAB

CAPTIONS = [
    f"a {colour} {shape} on a {ground} background, it's number {i}!"
    for i, colour in enumerate(["red", "green", "blue", "yellow"])
    for shape in ["circle", "square", "star"]
    for ground in ["white", "black", "grün"]
]

# Text with what the rules are about: case, accents in both forms, endings, digits, white space
# that is not ASCII, signs, joiners, emoji, and the special tokens themselves.
TRICKY = st.sampled_from([
    "<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "'s", "'RE", "n't", "e\u0301", "\u0130",
    "ß", "\u017f", "\u00a0", "\u3000", "\u0085", "\u2028", "\u200b", "½", "१", "①", "!", "!!", "  ",
    "\n\t", "👩\u200d👩", "\u0307", "red", "circle", "\ufeff", "\x00", "中文", "한", "&amp;",
    "\u2019", "Σ", "\x1c", "</w>", "red" * 50, "<|StartOfText|>", "<cat-toy>",
    "<CAT-TOY>", "<cat-toy>_1",
])  # fmt: skip
TEXT = st.lists(TRICKY | st.text(max_size=5) | st.text("abr 's12", max_size=6), max_size=10).map(
    "".join
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.train(CAPTIONS, folder, vocab_size=640)
    return folder


def change(folder, copy, **settings):
    """A copy of the vocabulary with other settings."""
    copy.mkdir(exist_ok=True)
    for name in ("vocab.json", "merges.txt"):
        (copy / name).write_bytes((folder / name).read_bytes())
    (copy / "tokenizer_config.json").write_text(json.dumps(settings))
    return tokenizer.load(copy)


@pytest.fixture(scope="module")
def loaded(folder):
    return tokenizer.load(folder)


@pytest.fixture(scope="module")
def inverted(tmp_path_factory):
    """A folder with textual inversions, one of them of two vectors."""
    folder = tmp_path_factory.mktemp("inverted") / "t"
    return tokenizer_folders.write(folder, **tokenizer_folders.FOLDERS["inversions by 4.57"])


def words(loaded, row):
    return [loaded.bpe.id_to_token(int(i)) for i in row]


def test_a_row_by_hand(folder, tmp_path):
    loaded = change(folder, tmp_path / "t", model_max_length=10)
    ids = tokenizer.encode(loaded, ["A  RED\ncircle's", "1½"])
    assert ids.dtype == np.int32
    assert ids.shape == (2, 10)
    start, end = "<|startoftext|>", "<|endoftext|>"
    assert words(loaded, ids[0]) == [
        start, "a</w>", "red</w>", "circle</w>", "'s</w>", end, end, end, end, end,
    ]  # fmt: skip
    # One digit a word; the half is the two bytes C2 BD, in CLIP's alphabet Â and ½.
    assert words(loaded, ids[1])[:5] == [start, "1</w>", "Â", "½</w>", end]


def test_empty_prompt_and_no_prompts(loaded):
    row = tokenizer.encode(loaded, "")
    assert row.shape == (1, 77)
    assert row[0, 0] == loaded.start
    assert (row[0, 1:] == loaded.end).all()
    assert tokenizer.encode(loaded, []).shape == (0, 77)


def test_padding_with_another_token(folder, tmp_path):
    """SD 2.x pads with "!", id 0; in the text it is then that id too, not the word "!</w>"."""
    loaded = change(folder, tmp_path / "t", pad_token="!", model_max_length=8)
    assert loaded.pad == 0
    ids = tokenizer.encode(loaded, "red!")[0]
    assert words(loaded, ids)[1:4] == ["red</w>", "!", "<|endoftext|>"]
    assert (ids[4:] == 0).all()


def test_special_tokens_as_records(folder, tmp_path):
    token = {"content": "!", "lstrip": False, "normalized": True}
    assert change(folder, tmp_path / "t", pad_token=token).pad == 0


@pytest.mark.parametrize("text", [START, END, "<|STARTOFTEXT|>", "<|EndOfText|>", "<|ENDOFTEXT|>"])
def test_special_tokens_in_any_case(loaded, text):
    """CLIP lower-cases a text before it looks for them, and so did transformers 4."""
    row = tokenizer.encode(loaded, f"red{text}circle")[0]
    assert words(loaded, row)[1:4] == ["red</w>", text.lower(), "circle</w>"]
    assert row[4] == loaded.end


CAT, CAT_1, BIG, SKS = range(SIZE, SIZE + 4)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<cat-toy>", [CAT, CAT_1]),  # both of its vectors
        ("a<cat-toy>, red", ["a</w>", CAT, CAT_1, ",</w>", "red</w>"]),
        ("<cat-toy> <cat-toy>_1", [CAT, CAT_1]),  # as written
        ("<cat-toy><cat-toy>", [CAT, CAT_1, CAT, CAT_1]),
        ("<cat-toy>_1", [CAT_1]),
        ("<CAT-toy>", [CAT, CAT_1]),  # looked for in the lower-cased text
        ("<big-dog><Big-Dog>", [BIG, BIG]),
        ("sks dog", [SKS, "dog</w>"]),  # a single word, as it is written
        ("SKS", ["s", "k", "s</w>"]),
        ("sksy", ["s", "k", "s", "y</w>"]),
    ],
)
def test_added_tokens(inverted, text, wanted):
    loaded = tokenizer.load(inverted)
    row = tokenizer.encode(loaded, text)[0].tolist()
    assert row[1 : len(wanted) + 2] == [VOCAB.get(i, i) for i in [*wanted, END]]
    assert loaded.size == SIZE + 4


def test_all_vectors_of_a_token_count(inverted):
    loaded = tokenizer.load(inverted)._replace(length=6)
    with pytest.warns(UserWarning, match="5 tokens and 4 fit; dropped: '<cat-toy>'"):
        row = tokenizer.encode(loaded, "a red dog <cat-toy>")[0]
    assert row.tolist()[4:] == [CAT, VOCAB[END]]


def test_dropped_text_is_quoted_and_the_end_is_kept(folder, tmp_path):
    loaded = change(folder, tmp_path / "t", model_max_length=5)
    with pytest.warns(UserWarning, match="6 tokens and 3 fit; dropped: 'On a  WHITE'"):
        ids = tokenizer.encode(loaded, "red green blue On a  WHITE")
    assert words(loaded, ids[0])[1:] == ["red</w>", "green</w>", "blue</w>", "<|endoftext|>"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer.encode(loaded, "red green blue")


def white(character):
    """Unicode's White_Space, which Python's own str.isspace extends."""
    return character in "\t\n\v\f\r\x85" or unicodedata.category(character) in ("Zs", "Zl", "Zp")


@given(TEXT)
@settings(deadline=None, max_examples=200)
def test_any_text_keeps_its_letters(loaded, text):
    """The ids spell the normalised text but for white space: nothing is unknown, ever."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row = tokenizer.encode(loaded, text)[0]
    ids = loaded.bpe.encode(text).ids
    end = min(len(ids), 75)
    assert row[0] == loaded.start
    assert row[1 : end + 1].tolist() == ids[:end]
    assert (row[end + 1 :] == loaded.end).all()
    if "<|" not in text and "</w>" not in text:
        spelt = "".join(words(loaded, ids)).replace("</w>", "")
        normal = loaded.bpe.normalizer.normalize_str(text)
        assert decoders.ByteLevel().decode([spelt]) == "".join(c for c in normal if not white(c))


@given(TEXT)
@settings(deadline=None, max_examples=100)
def test_dropped_text_ends_the_prompt(loaded, text):
    loaded = loaded._replace(length=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tokenizer.encode(loaded, text)
    quoted = [str(w.message).split("dropped: ", 1)[1] for w in caught]
    assert len(quoted) == (len(loaded.bpe.encode(text).ids) > 2)
    assert all(text.endswith(ast.literal_eval(q)) for q in quoted)


def test_training_is_deterministic_and_covers_every_byte(folder, tmp_path):
    tokenizer.train(CAPTIONS, tmp_path, vocab_size=640)
    for file in folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    letters = [token for token, i in vocab.items() if i < 256]
    assert vocab["!"] == 0
    assert len(letters) == 256
    assert [vocab[c + "</w>"] for c in letters] == list(range(256, 512))
    assert sorted(vocab.values()) == list(range(len(vocab)))
    assert len(vocab) <= 640
    tokenizer.train([], tmp_path, vocab_size=514)
    assert tokenizer.load(tmp_path).size == 514


@pytest.mark.parity
@pytest.mark.parametrize("length", [8, 77])
@pytest.mark.parametrize("kind", ["sd-turbo", "inversions by 4.57"])
def test_equal_to_transformers(tmp_path, kind, length):
    transformers = pytest.importorskip("transformers")
    files = tokenizer_folders.FOLDERS[kind]
    folder = tokenizer_folders.write(tmp_path / "t", **files)
    mine = tokenizer.load(folder)._replace(length=length, vectors=())  # they are the pipeline's
    reference = transformers.CLIPTokenizer.from_pretrained(folder)

    @given(TEXT)
    @settings(deadline=None, max_examples=400)
    def check(text):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = tokenizer.encode(mine, [text, "a red circle"])
        theirs = reference(
            [text, "a red circle"], padding="max_length", max_length=length, truncation=True
        )
        np.testing.assert_array_equal(ours, theirs["input_ids"])

    check()


@pytest.mark.parity
@pytest.mark.parametrize(
    "prompt",
    ["<cat-toy>", "a<cat-toy>, red", "<cat-toy>  and <cat-toy>", "sks <Big-Dog>", "a <cat-toy>_1"],
)
def test_vectors_as_in_diffusers(inverted, prompt):
    """A pipeline writes a token's further vectors into the prompt before it makes ids of it."""
    transformers = pytest.importorskip("transformers")
    loaders = pytest.importorskip("diffusers.loaders")
    reference = transformers.CLIPTokenizer.from_pretrained(inverted)
    written = loaders.TextualInversionLoaderMixin().maybe_convert_prompt(prompt, reference)
    theirs = reference(written, padding="max_length", max_length=77)["input_ids"]
    assert tokenizer.encode(tokenizer.load(inverted), prompt)[0].tolist() == theirs


def test_an_endless_prompt_is_refused_before_it_is_read(folder):
    found = tokenizer.load(folder)
    most = tokenizer.LONGEST
    with pytest.warns(UserWarning, match="tokens and"):
        assert tokenizer.encode(found, "b" * most).shape == (1, found.length)
    with pytest.raises(ValueError, match=f"{most + 1} characters: at most {most}"):
        tokenizer.encode(found, "b" * (most + 1))
