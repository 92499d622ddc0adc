"""A tokenizer's folder: which file wins, added tokens, and one clear error for what makes none."""

import json
from pathlib import Path

import pytest

from mdx import loading, tokenizer, tokenizer_files
from mdx.tokenizer_files import Flags, settle
from tests import tiny
from tests.goldens import make_tokens
from tests.spoilt import respell
from tests.tokenizer_folders import (
    ADDED,
    END,
    FOLDERS,
    MERGES,
    OLD,
    OLD_MAP,
    PLAIN,
    SIZE,
    START,
    VOCAB,
    WORDS,
    decoder,
    record,
    tokenizer_json,
    write,
)  # fmt: skip

GOLDENS = json.loads(make_tokens.FILE.read_text())
DECODER = {"added_tokens_decoder": decoder()}
PADDED = {"pad_token": "!"}
CAT = {"<cat-toy>": SIZE}


def load(folder: Path, **files) -> tokenizer.Tokenizer:
    return tokenizer.load(write(folder, **files))


def ids(loaded, text):
    """The ids of a text alone, without start, end and padding."""
    row = tokenizer.encode(loaded._replace(pad=-1), text)[0]
    return row[row >= 0][1:-1].tolist()


@pytest.mark.parametrize("kind", FOLDERS)
def test_folders_of_every_age_give_the_reference_ids(tmp_path, kind):
    loaded = load(tmp_path / "t", **FOLDERS[kind])
    wanted = dict(GOLDENS[kind])
    assert [loaded.pad] == wanted.pop("padding")
    assert (loaded.start, loaded.end, loaded.length) == (VOCAB[START], VOCAB[END], 77)
    assert loaded.size == SIZE + (len(ADDED) if "<cat-toy>" in str(FOLDERS[kind]) else 0)
    assert {text: ids(loaded, text) for text in wanted} == wanted


# What differs: config, map, tokenizer.json, added_tokens.json, and what is then said.
WINS = {
    "nothing": ({}, {}, {}, {}, {}),
    "config alone": (PADDED, {}, {}, {}, {"names": PADDED}),
    "map alone": ({}, PADDED, {}, {}, {"names": PADDED}),
    "map over config": ({"pad_token": END}, PADDED, {}, {}, {"names": PADDED}),
    "map over config, token by token": (
        {"pad_token": END, "eos_token": "e", "bos_token": None},
        {"pad_token": "!", "eos_token": None, "bos_token": "b"},
        {},
        {},
        {"names": {"pad_token": "!", "eos_token": "e", "bos_token": "b"}},
    ),
    "config over map beside a decoder": (
        PADDED | {"added_tokens_decoder": {}},
        {"pad_token": END},
        {},
        {},
        {"names": PADDED},
    ),
    "no map beside a decoder": ({"added_tokens_decoder": {}}, PADDED, {}, {}, {}),
    "a decoder of null is none": (
        {"pad_token": END, "added_tokens_decoder": None},
        PADDED,
        {},
        {},
        {"names": PADDED},
    ),
    "records": (
        {"eos_token": record("e", normalized=False)},
        {"pad_token": record("!", lstrip=True)},
        {},
        {},
        {
            "names": {"eos_token": "e", "pad_token": "!"},
            "flags": {"!": Flags(lstrip=True), "e": Flags(normalized=False)},
        },
    ),
    "flags of the record that names": (
        {"eos_token": record("e", rstrip=True)},
        {"eos_token": record("e", lstrip=True), "unk_token": "e"},
        {},
        {},
        {"names": {"eos_token": "e", "unk_token": "e"}, "flags": {"e": Flags(lstrip=True)}},
    ),
    "no flags of a name that lost": (
        {"eos_token": record("x", rstrip=True)},
        {"eos_token": "e"},
        {},
        {},
        {"names": {"eos_token": "e"}},
    ),
    "added_tokens.json": ({}, {}, {}, CAT, {"ids": CAT, "flags": {"<cat-toy>": Flags()}}),
    "a decoder over added_tokens.json and tokenizer.json": (
        {"added_tokens_decoder": {"7": {"content": "x", "special": True}, "9": {"content": "y"}}},
        {},
        {"added_tokens": [{"id": 8, "content": "z"}]},
        CAT,
        {"ids": {"x": 7, "y": 9}, "flags": {"x": Flags(normalized=False), "y": Flags()}},
    ),
    "tokenizer.json beside added_tokens.json": (
        {},
        {},
        {"added_tokens": [{"id": 8, "content": "z", "single_word": True}]},
        {"z": 1, "old": 8, "more": 9},
        {
            "ids": {"z": 8, "more": 9},
            "flags": {"z": Flags(single_word=True), "more": Flags()},
        },
    ),
    "further special tokens": (
        {"extra_special_tokens": {"image": "<i>"}},
        {"additional_special_tokens": ["<cat-toy>", record("<r>", rstrip=True)]},
        {},
        CAT,
        {
            "ids": CAT,
            "flags": {
                "<cat-toy>": Flags(normalized=False),
                "<r>": Flags(rstrip=True),
                "<i>": Flags(normalized=False),
            },
        },
    ),
    "the oldest length": ({"max_len": 33}, {}, {}, {}, {"length": 33}),
    "two lengths": ({"model_max_length": 20, "max_len": 33}, {}, {}, {}, {"length": 20}),
    "no length of tokenizer.json": (
        {},
        {"model_max_length": 20},
        {"truncation": {"max_length": 10}, "padding": {"pad_token": "!"}},
        {},
        {},
    ),
}


@pytest.mark.parametrize("case", WINS)
def test_which_file_wins(case):
    *files, wanted = WINS[case]
    nothing = {"names": {}, "ids": {}, "flags": {}, "length": None}
    assert settle(*files)._asdict() == nothing | wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(20, 20), (20.0, 20), (2, 2), (None, 77), (1e30, 77), (10**30, 77), (float("inf"), 77)],
)
def test_lengths(tmp_path, value, wanted):
    assert load(tmp_path / "t", config=PLAIN | {"model_max_length": value}).length == wanted


def test_files_that_are_read_without_complaint(tmp_path):
    """Line ends of Windows, its mark at the start, blank lines, repeated merges, gaps in ids."""
    wanted = GOLDENS["stable-diffusion-v1-5"]["a red cat!"]
    folder = write(tmp_path / "t", config=PLAIN)
    lines = (folder / "merges.txt").read_text().splitlines()
    for text in [
        "\ufeff" + "\r\n".join(lines),
        "\n\n".join(lines) + "\n\n",
        "\n".join(lines[1:]),  # no header
        "\n".join([*lines, *lines[1:5]]),
    ]:
        (folder / "merges.txt").write_bytes(text.encode())
        assert ids(tokenizer.load(folder), "a red cat!") == wanted
    (folder / "vocab.json").write_text(json.dumps({t: 3 * i for t, i in VOCAB.items()}))
    loaded = tokenizer.load(folder)
    assert ids(loaded, "a red cat!") == [3 * i for i in wanted]
    assert loaded.size == 3 * (SIZE - 1) + 1


def test_the_last_of_two_equal_merges_counts(tmp_path):
    """As in both of transformers' classes: the rank of a pair is that of its last line."""
    merges = ["a b", "b c</w>"]
    words = {token: i for i, token in enumerate([*WORDS, "ab", "bc</w>"])}
    found = []
    for name, lines in {"once": merges, "twice": [*merges, "a b"]}.items():
        folder = write(tmp_path / name, config=PLAIN)
        (folder / "vocab.json").write_text(json.dumps(words))
        (folder / "merges.txt").write_text("\n".join(lines))
        found.append(ids(tokenizer.load(folder), "abc"))
    assert found == [[words["ab"], words["c</w>"]], [words["a"], words["bc</w>"]]]


def test_tokenizer_json_wins_over_the_other_layout(tmp_path):
    swapped = tokenizer_json()
    vocab = dict(VOCAB)
    vocab["red</w>"], vocab["cat</w>"] = vocab["cat</w>"], vocab["red</w>"]
    swapped["model"] |= {"vocab": vocab}
    loaded = load(tmp_path / "t", config=PLAIN, json=swapped, slow=True)
    assert ids(loaded, "red cat") == [VOCAB["cat</w>"], VOCAB["red</w>"]]
    merges = [" ".join(pair) for pair in MERGES]  # as files had them until 2024
    swapped["model"] |= {"merges": merges}
    loaded = load(tmp_path / "u", config=PLAIN, json=swapped)
    assert ids(loaded, "red cat") == [VOCAB["cat</w>"], VOCAB["red</w>"]]


FAR = {"<cat>": SIZE, "<Cat>": SIZE + 1, "<far>": 600}


def test_added_tokens_that_transformers_loses(tmp_path):
    """A token keeps the id that its file says, and two that differ in case are two."""
    loaded = load(tmp_path / "t", config=OLD, map=OLD_MAP, added=FAR)
    assert ids(loaded, "<cat> <Cat> <far> <FAR>") == [*FAR.values(), 600]
    assert loaded.size == 601


def test_a_padding_token_may_be_an_added_one(tmp_path):
    loaded = load(tmp_path / "t", config=OLD, map={"pad_token": "<pad>"}, added={"<pad>": SIZE})
    assert loaded.pad == SIZE
    assert tokenizer.encode(loaded, "red")[0, -1] == SIZE


def test_a_checkpoint_with_a_textual_inversion(checkpoint):
    """diffusers saves the token beside the vocabulary, and the embedding with a row more."""
    tiny.write_json(checkpoint / "tokenizer" / "added_tokens.json", {"<cat-toy>": 560})
    respell(checkpoint, "text_encoder", vocab_size=561)
    loaded = loading.load(checkpoint)
    assert ids(loaded.tokenizer, "<cat-toy>") == [560]
    rows = loaded.text_encoder.params["text_model.embeddings.token_embedding.weight"].shape[0]
    assert rows == loaded.tokenizer.size == 561


BAD = {
    "merges that are no UTF-8": (
        lambda f: (f / "merges.txt").write_bytes(b"#version: 0.2\nr \xe9\n"),
        "merges.txt is not text in UTF-8 .*byte 0xe9.* download it again",
    ),
    "an id twice": (
        lambda f: (f / "vocab.json").write_text(json.dumps(VOCAB | {"a": 5})),
        "vocab.json must map each token to an id of its own",
    ),
    "half of a surrogate pair": (
        lambda f: (f / "vocab.json").write_text(json.dumps(VOCAB | {"\ud800": 900})),
        r"vocab.json: token '\\ud800' is not valid Unicode",
    ),
    "half of a surrogate pair in an added token": (
        lambda f: (f / "added_tokens.json").write_text(json.dumps({"\ud800": 900})),
        r"added_tokens.json is not valid Unicode: '\\ud800'",
    ),
    "an added token of no letters": (
        lambda f: (f / "added_tokens.json").write_text(json.dumps({"": 900})),
        "added_tokens.json must be a token or a record with content, not ''",
    ),
    "no merges": (lambda f: (f / "merges.txt").unlink(), "merges.txt is missing"),
    "no vocabulary": (lambda f: (f / "vocab.json").unlink(), "vocab.json is missing"),
}
for number in (2**31, 2**70, -1, 5.0, "5", None, True, [1]):
    BAD[f"vocab id {number!r}"] = (
        lambda f, number=number: (f / "vocab.json").write_text(json.dumps(VOCAB | {"x": number})),
        "vocab.json must map each token to an id of its own, a whole number from 0 to",
    )
    BAD[f"added id {number!r}"] = (
        lambda f, number=number: (f / "added_tokens.json").write_text(json.dumps({"<x>": number})),
        r"added_tokens.json: '<x>' must have an id from 0 to 2\*\*31 - 1, not ",
    )


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    spoil, message = BAD[case]
    folder = write(tmp_path / "t", config=PLAIN)
    spoil(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        tokenizer.load(folder)


VALUES = [0, 2, True, 1.5, [], {}, ["!"], {"content": 3}, "", "\ud800", {"content": None}]
# File and key to the values that are none, and what the error then says.
FIELDS: dict[tuple[str, str], tuple[list, str]] = {
    ("config", "model_max_length"): (
        ["77", 77.5, float("nan"), float("-inf"), True, -1, 0, 1, [77], {}],
        "tokenizer_config.json: model_max_length must be a whole number of at least 2",
    ),
    ("config", "max_len"): (
        ["77", 1],
        "tokenizer_config.json: max_len must be a whole number of at least 2",
    ),
    ("config", "padding_side"): (
        ["left", 3],
        "tokenizer_config.json: padding_side .* is not supported, only 'right'",
    ),
    ("config", "truncation_side"): (
        ["left"],
        "tokenizer_config.json: truncation_side 'left' is not supported, only 'right'",
    ),
    ("config", "added_tokens_decoder"): (
        [3, "x", [], {"x": record("y")}, {"-1": record("y")}, {"9" * 30: record("y")}, {"7": 3},
         {"700": {"content": 3}}, {"700": {"content": "y", "lstrip": 1}},
         {"700": record("y"), "701": record("y")}],
        "tokenizer_config.json",
    ),
    ("config", "extra_special_tokens"): (
        [3, "x", [3], {"a": []}],
        "tokenizer_config.json: extra_special_tokens must be",
    ),
    ("map", "additional_special_tokens"): (
        [3, "x", [3], [{"content": ""}]],
        "special_tokens_map.json: additional_special_tokens must be",
    ),
    ("json", "added_tokens"): (
        [3, {"a": 1}, ["x"], [{"content": "x"}], [{"id": 700}], [{"id": "700", "content": "x"}]],
        "tokenizer.json: added_tokens",
    ),
    ("json", "model"): (
        [None, 3, {}, {"vocab": VOCAB}, {"vocab": [["a", 0.5]], "merges": []},
         {"type": "Unigram", "vocab": VOCAB, "merges": []}, {"vocab": VOCAB, "merges": 2},
         {"vocab": VOCAB, "merges": None}],
        r"tokenizer.json holds no byte-pair vocabulary \(model",
    ),
}  # fmt: skip
for key in tokenizer_files.NAMES:
    for file, name in {"config": "tokenizer_config.json", "map": "special_tokens_map.json"}.items():
        FIELDS[file, key] = (VALUES, f"{name}: {key} (must be a token|is not valid Unicode)")


@pytest.mark.parametrize(
    ("file", "key", "value", "message"),
    [(*where, value, says) for where, (values, says) in FIELDS.items() for value in values],
)
def test_bad_fields(tmp_path, file, key, value, message):
    files = {"config": OLD, "map": {}, "json": tokenizer_json()}
    if file != "json":
        del files["json"]
    files[file] = files[file] | {key: value}
    if key == "max_len":
        del files["config"]["model_max_length"]
    with pytest.raises(ValueError, match=f"^{tmp_path}/t/{message}"):
        load(tmp_path / "t", **files)


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        (["a b c"], "tokenizer.json: each of model.merges must be two tokens"),
        ([["a", 3]], "tokenizer.json: each of model.merges must be two tokens"),
        ([3], "tokenizer.json: each of model.merges must be two tokens"),
        ([["never", "seen"]], "the merges do not fit the vocabulary"),
    ],
)
def test_bad_merges_of_tokenizer_json(tmp_path, merges, message):
    json = tokenizer_json()
    json["model"] |= {"merges": merges}
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "t", json=json)


def test_a_vocabulary_of_another_kind(tmp_path):
    json = tokenizer_json()
    json["model"] |= {"end_of_word_suffix": ""}
    with pytest.raises(ValueError, match="no tokenizer of CLIP: words end with '', not '</w>'"):
        load(tmp_path / "t", json=json)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"added": {"<x>": 5}}, "added token '<x>' has id 5, which is '&' in the vocabulary"),
        ({"added": {"a": 900}}, "added token 'a' has id 900, but 64 in the vocabulary"),
        (
            {"config": {"added_tokens_decoder": {"5": record("<x>")}}},
            "added token '<x>' has id 5, which",
        ),
        ({"map": {"pad_token": "<pad>"}}, "pad_token '<pad>' is not in the vocabulary"),
        (
            {"map": {"additional_special_tokens": ["<x>"]}},
            "special token '<x>' is not in the vocabulary, nor added to it",
        ),
    ],
)
def test_files_of_different_tokenizers(tmp_path, files, message):
    with pytest.raises(ValueError, match=f"^{tmp_path}/t: the {message}"):
        load(tmp_path / "t", **files)


def test_many_added_tokens_are_read_at_once(tmp_path):
    """Thousands, some of whose names are further vectors of others."""
    added = {f"<t>{'_1' * (i % 50)}_{i}": SIZE + i for i in range(5_000)}
    loaded = load(tmp_path / "t", config=OLD, map=OLD_MAP, added=added)
    assert loaded.size == SIZE + 5_000
    assert ids(loaded, "<t>_1_1 <t>_0") == [added["<t>_1_1"], added["<t>_0"]]
