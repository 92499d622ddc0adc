"""How long prompts are cut to CLIP's rows, and what the rules of weights do to their vectors."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdx import tokenizer
from mdx.text import SYNTAXES
from mdx.text.chunks import Chunk, filled
from mdx.text.syntaxes import WEIGHED, chunks_of
from mdx.text.weighting import faded, from_empty, restored


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """CLIP's rows of 77, where each letter is a token, as is the comma."""
    folder = tmp_path_factory.mktemp("words")
    tokenizer.train(["red red red red red"], folder, vocab_size=520, length=77)
    return tokenizer.load(folder)


def ids_of(words, text):
    return tokenizer.ids_of(words, text)[0]


def inner(chunk, words):
    """What is between start and end; the rest is as it should be."""
    length = int(np.argmax(chunk.ids == words.end)) - 1
    assert chunk.ids[0] == words.start
    assert (chunk.ids[length + 2 :] == words.pad).all()
    assert (chunk.weights[[0, *range(length + 1, len(chunk.ids))]] == 1).all()
    return chunk.ids[1 : length + 1].tolist()


def cut_at_commas(tokens, comma):
    """The webui's rule in a few lines."""
    while len(tokens) > 75:
        near = [i + 1 for i in range(55, 75) if tokens[i] == comma]
        end = near[-1] if near and tokens[75] != comma else 75
        yield tokens[:end]
        tokens = tokens[end:]
    yield tokens


@given(st.lists(st.sampled_from(["a", "b", ",", "xyz", "red"]), max_size=260))
def test_long_texts_are_cut_at_commas(words, some):
    text, comma = " ".join(some), ids_of(words, ",")[0]
    got = [inner(chunk, words) for chunk in chunks_of("a1111", words, text)]
    assert got == [*cut_at_commas(ids_of(words, text), comma)]


@given(st.lists(st.sampled_from(["a", "xyz", "abcdefg", "abcdefgh" * 3]), max_size=60))
def test_comfyui_parts_no_short_word(words, some):
    got = [inner(chunk, words) for chunk in chunks_of("comfyui", words, " ".join(some))]
    assert [*chain(*got)] == ids_of(words, " ".join(some))
    expected, left = [[]], [ids_of(words, word) for word in some]
    for word in left:
        if len(expected[-1]) + len(word) > 75 and len(word) < 8:
            expected.append([])
        for token in word:
            if len(expected[-1]) == 75:
                expected.append([])
            expected[-1].append(token)
    assert got == expected


def test_weights_and_pieces_go_with_their_tokens(words):
    [chunk] = chunks_of("a1111", words, "a (b c:1.5) d")
    a, b, c, d = ids_of(words, "a b c d")
    assert chunk.ids[:6].tolist() == [words.start, a, b, c, d, words.end]
    assert chunk.weights[:6].tolist() == [1, 1, 1.5, 1.5, 1, 1]
    assert chunk.pieces[:7].tolist() == [-1, 0, 1, 1, 2, -1, -1]


def test_break_begins_a_chunk(words):
    def parts(text):
        return [inner(chunk, words) for chunk in chunks_of("a1111", words, text)]

    a, b = ids_of(words, "a b")
    assert parts("a BREAK b") == [[a], [b]]
    assert parts("a BREAK") == [[a]]
    assert parts("BREAK a") == [[], [a]]
    assert parts("a BREAK BREAK b") == [[a], [], [b]]
    assert parts("") == parts("BREAK") == [[]]


def test_compel_cuts_off_and_says_what(words):
    with pytest.warns(UserWarning, match=r"has 80 tokens and 75 fit; dropped: 'b b c b b'"):
        [chunk] = chunks_of("compel", words, "a " * 75 + "b b c b b")
    assert len(inner(chunk, words)) == 75
    with pytest.warns(UserWarning, match=r"has 78 tokens and 75 fit; dropped: 'b c +d'"):
        chunks_of("compel", words, "(" + "a " * 74 + "b b c)0.5 d")


def test_an_added_token_of_several_vectors_stays_together(words):
    several = words._replace(vectors=((ids_of(words, "z")[0], *range(100, 109)),))
    got = [inner(chunk, several) for chunk in chunks_of("a1111", several, "a " * 70 + "z b")]
    assert [len(one) for one in got] == [70, 11]


# Rules, of an encoder that is a few products: each row depends on those before it.

WIDTH = 6


def encoder(seed, words):
    random = np.random.default_rng(seed)
    table, mix = random.standard_normal((words.size, WIDTH)), random.standard_normal((WIDTH, WIDTH))

    def encode(ids, unread=None):
        seen = np.ones(len(ids)) if unread is None else 1.0 - unread
        before = np.tril(np.ones((len(ids), len(ids)))) * seen
        return np.tanh(table[ids] + before @ table[ids] @ mix / len(ids)) + 0.1

    return encode


WEIGHTS = st.lists(st.sampled_from([0.0, 0.3, 0.9, 1.0, 1.2, 2.0]), min_size=1, max_size=5)


def chunk_of(words, weights):
    """One letter a piece, with these weights."""
    ids = ids_of(words, "a b c d e"[: 2 * len(weights) - 1])
    row = np.full(77, words.pad, np.int32)
    row[: len(ids) + 2] = [words.start, *ids, words.end]
    own, pieces = np.ones(77), np.full(77, -1)
    own[1 : len(ids) + 1], pieces[1 : len(ids) + 1] = weights, range(len(ids))
    return Chunk(row, own, pieces)


@given(st.integers(0, 99), WEIGHTS)
def test_rules_say_what_their_programs_do(words, seed, weights):
    encode, chunk, empty = encoder(seed, words), chunk_of(words, weights), filled(words, [])
    z, z_empty, w = encode(chunk.ids), encode(empty.ids), chunk.weights[:, None]
    np.testing.assert_allclose(restored(encode, chunk, empty), z * w * z.mean() / (z * w).mean())
    np.testing.assert_allclose(from_empty(encode, chunk, empty), z_empty + w * (z - z_empty))
    blended, shares = z_empty + w * (z - z_empty), 1.0
    for place, weight in enumerate(weights, 1):
        if weight < 1:
            without = encode(chunk.ids, np.arange(77) == place)
            share = np.tan((1 - max(weight, 1e-5)) * np.pi / 2)
            blended = blended + share * (z_empty + w * (without - z_empty))
            shares += share
    np.testing.assert_allclose(faded(encode, chunk, empty), blended / shares)


@pytest.mark.parametrize("syntax", WEIGHED)
def test_weights_of_one_change_no_bit(words, syntax):
    encode, chunk, empty = encoder(0, words), chunk_of(words, [1.0, 1.0]), filled(words, [])
    assert np.array_equal(WEIGHED[syntax].weigh(encode, chunk, empty), encode(chunk.ids))


def test_a_mean_that_cannot_be_restored_is_refused(words):
    chunk = chunk_of(words, [0.0])
    rows = np.zeros((77, 1))
    rows[1] = 1
    with pytest.raises(ValueError, match="the mean of the text's vectors is 0"):
        restored(lambda ids, unread: rows, chunk, chunk)


def test_there_are_four():
    assert SYNTAXES == ("plain", "a1111", "comfyui", "compel")
