"""Words of one's own: every form of file, several vectors, pairs, and the vector of the text."""

import re

import numpy as np
import pytest
from safetensors.numpy import save_file

import mdx
from mdx import bfloat16, tokenizer
from mdx.encoding import clip_rows
from tests import repositories, tiny
from tests.repositories_xl import LEAST

TABLE = "text_model.embeddings.token_embedding.weight"
WIDTH = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("inversion") / "model")


@pytest.fixture(scope="module")
def model(folder):
    return mdx.load(folder)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    repositories.write(folder, LEAST)
    return mdx.load(folder)


def vectors(count, width=WIDTH, dtype=np.float32):
    return np.random.default_rng(count).standard_normal((count, width)).astype(dtype)


def file(path, **tensors):
    save_file(tensors, path)
    return path


def ids(words, text):
    row = tokenizer.encode(words, text)[0].tolist()
    return row[1 : row.index(words.end)]


FORMS = {
    "diffusers": ("<cat-toy>", "<cat-toy>", {"<cat-toy>": vectors(3)}),
    "diffusers, one vector": ("<x>", "<x>", {"<x>": vectors(1)[0]}),
    "A1111": ("one", "one", {"emb_params": vectors(3)}),
    "a star": ("one", "one", {"*": vectors(2)}),
    "half precision": ("<x>", "<x>", {"<x>": vectors(2, dtype=np.float16)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_files(model, tmp_path, form):
    word, name, tensors = FORMS[form]
    path = tmp_path / "one.safetensors"
    save_file(tensors, path)
    taught = mdx.textual_inversion.add(model, path)
    [given] = tensors.values()
    rows = np.float32(given).reshape(-1, WIDTH)
    before = ids(model.tokenizer, "a red circle")
    found = ids(taught.tokenizer, f"a red {word} circle")
    new = found[2:-1]
    assert found[:2] + found[-1:] == before
    assert len(new) == len(rows)
    assert np.array_equal(taught.text_encoder.params[TABLE].asnumpy()[new], rows)
    assert ids(taught.tokenizer, f"{word.upper()}!")[: len(new)] == new, "in capitals, too"
    if len(rows) > 1:
        assert ids(taught.tokenizer, f"{name}_1") == new[1:2]
    with pytest.raises(ValueError, match="is a token of the model already"):
        mdx.textual_inversion.add(taught, path)
    other = mdx.textual_inversion.add(taught, path, "<other>")
    assert ids(other.tokenizer, f"{word} <other>") != ids(taught.tokenizer, f"{word} <other>")
    assert len(ids(other.tokenizer, f"{word} <other>")) == 2 * len(rows)


def test_the_old_model_stays(model, tmp_path):
    before = bfloat16.array(model.text_encoder.params[TABLE]).copy()
    taught = mdx.textual_inversion.add(
        model, file(tmp_path / "dog.safetensors", emb_params=vectors(2))
    )
    assert np.array_equal(bfloat16.array(model.text_encoder.params[TABLE]), before)
    assert TABLE in model.text_encoder.places
    assert TABLE not in taught.text_encoder.places
    assert ids(model.tokenizer, "dog") != ids(taught.tokenizer, "dog")
    assert ids(model.tokenizer, "dogs hotdog") == ids(taught.tokenizer, "dogs hotdog")
    shared = [n for n, p in taught.text_encoder.params.items() if p is model.text_encoder.params[n]]
    assert len(shared) == len(model.text_encoder.params) - 1


def test_rows_are_those_of_a_table_that_has_the_vectors(model, tmp_path):
    """The encoder's answer is that for words whose vectors were exchanged by hand."""
    rows = vectors(2)
    taught = mdx.textual_inversion.add(model, file(tmp_path / "zq.safetensors", emb_params=rows))
    got, _ = clip_rows(taught.tokenizer, taught.text_encoder, ["a red zq"])
    stand_ins = ids(model.tokenizer, "a red !?")
    table = bfloat16.array(model.text_encoder.params[TABLE]).copy()
    table[stand_ins[-2:]] = rows
    import mindspore

    params = mindspore.mutable({**model.text_encoder.params, TABLE: mindspore.Tensor(table)})
    net = model.text_encoder._replace(params=params)
    expected, _ = clip_rows(model.tokenizer, net, ["a red !?"])
    assert len(stand_ins) == 4
    assert np.allclose(got, expected, atol=1e-6)


def test_pairs(pair, tmp_path):
    """Old configs look for the end token as the largest id, which the new ones are larger than."""
    path = file(tmp_path / "style.safetensors", clip_l=vectors(2), clip_g=vectors(2, 24))
    taught = mdx.textual_inversion.add(pair, path)
    for which in ("", "_2"):
        words, net = (getattr(taught, part + which) for part in ("tokenizer", "text_encoder"))
        assert len(ids(words, "style")) == 2
        assert min(ids(words, "style")) > words.end
        assert net.config.eos_token_id == words.end
        assert net.config.vocab_size == len(net.params[TABLE])
    assert pair.text_encoder_2.config.eos_token_id == 2


def test_vectors_count_where_a_prompt_is_cut(model, tmp_path):
    taught = mdx.textual_inversion.add(
        model, file(tmp_path / "zq.safetensors", emb_params=vectors(6))
    )
    with pytest.warns(UserWarning, match=r"has 18 tokens and 14 fit; dropped: 'zq'"):
        assert len(ids(taught.tokenizer, "zq zq zq")) == 14


@pytest.mark.parametrize(
    ("tensors", "token", "match"),
    [
        ({"<x>": vectors(1, 20)}, None, "vectors of 20 values for '<x>', and"),
        ({"clip_l": vectors(1), "clip_g": vectors(1)}, None, "for text_encoder and text_encoder_2"),
        ({"clip_l": vectors(1), "<x>": vectors(1)}, None, "two kinds of files"),
        ({"<x>": vectors(1), "<y>": vectors(1)}, "<z>", "holds 2 tensors"),
        ({"<x>": np.ones((2, 2, 16), np.float32)}, None, "has shape"),
        ({"<x>": np.full((1, 16), np.nan, np.float32)}, None, "not finite"),
        ({"<x>": np.ones((1, 16), np.int32)}, None, "stored as I32"),
        ({"<x>": vectors(76)}, None, "76 vectors, and a prompt has place for 75"),
        ({"red": vectors(1)}, "a", "is a token of the model already"),
        ({"<x>": vectors(1)}, " ", "token must be a word"),
    ],
)  # fmt: skip
def test_what_does_not_fit(model, tmp_path, tensors, token, match):
    path = tmp_path / "one.safetensors"
    save_file(tensors, path)
    with pytest.raises((ValueError, TypeError), match=re.escape(match)):
        mdx.textual_inversion.add(model, path, token)


def test_two_encoders_want_a_pair(pair, tmp_path):
    path = file(tmp_path / "one.safetensors", emb_params=vectors(1))
    with pytest.raises(ValueError, match=r"for one text encoder .* model has text_encoder and"):
        mdx.textual_inversion.add(pair, path)
    path = file(tmp_path / "one.safetensors", clip_l=vectors(1), clip_g=vectors(2, 24))
    with pytest.raises(ValueError, match="other numbers of vectors"):
        mdx.textual_inversion.add(pair, path)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_half_precision(folder, tmp_path, dtype):
    model = mdx.load(folder, dtype=dtype)
    rows = vectors(2)
    taught = mdx.textual_inversion.add(model, file(tmp_path / "zq.safetensors", emb_params=rows))
    found = bfloat16.array(taught.text_encoder.params[TABLE])[ids(taught.tokenizer, "zq")]
    wanted = rows.astype(np.float16) if dtype == "float16" else bfloat16.rounded(rows)
    assert np.array_equal(found, wanted)


def test_several_words_of_one_file(model, tmp_path):
    path = tmp_path / "two.safetensors"
    save_file({"<x>": vectors(1), "<y>": vectors(2)}, path)
    taught = mdx.textual_inversion.add(model, path)
    assert len(ids(taught.tokenizer, "<x><y>")) == 3


def test_pickles_are_refused(model, tmp_path):
    path = tmp_path / "one.pt"
    path.write_bytes(b"x")
    with pytest.raises(ValueError, match="pickled"):
        mdx.textual_inversion.add(model, path)
