"""Prompts as they are written: grammars, chunks and rules, against a few lines that say the same.

Grammars are tested from the other end: a tree of texts and weights is drawn at random, written
down, and read again. Nothing here runs a network.
"""

import contextlib
import time
import warnings
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import tokenizer
from mdx.text import SYNTAXES, a1111, comfyui, compel, edits
from mdx.text.chunks import Chunk, filled
from mdx.text.syntaxes import WEIGHED, chunks_of
from mdx.text.weighting import faded, from_empty, restored

PARSERS = {"a1111": a1111.parse, "comfyui": comfyui.parse, "compel": compel.parse}


def spread(parts):
    """The letters of a text and the weight of each, without white space."""
    return [
        (letter, piece.weight)
        for part in parts
        for piece in part
        for letter in piece.text
        if not letter.isspace()
    ]


def same(got, expected):
    assert [letter for letter, _ in got] == [letter for letter, _ in expected]
    np.testing.assert_allclose(
        [w for _, w in got], [w for _, w in expected], rtol=1e-9, atol=1e-300
    )


# Trees: a text, or (kind, number, children).

LETTERS = "abcXYZ éß日本 ,.;!'/()[]\\:|+-=\"\n"
NUMBERS = ["0", "1", "1.3", ".5", "0.25", "2."]


def trees(kinds, without="", least=0):
    """Trees of such kinds, of at least so many letters in a text, and none of some."""
    text = st.text(
        "".join(one for one in LETTERS if one not in without), min_size=least, max_size=6
    )
    number = st.sampled_from(NUMBERS)
    inner_most = text
    if "quoted" in kinds:
        inner_most |= st.tuples(st.just("quoted"), number, text.map(lambda one: [one]))
    others = st.sampled_from([kind for kind in kinds if kind != "quoted"])
    return st.recursive(
        inner_most,
        lambda inner: st.tuples(others, number, st.lists(inner, min_size=least, max_size=3)),
        max_leaves=12,
    )


def letters(text, weight):
    return [(letter, weight) for letter in text if not letter.isspace()]


def written(signs, wrap, tree):
    """A tree in a syntax: `signs` are its signs, which a backslash makes letters of."""
    if isinstance(tree, str):
        return "".join("\\" + one if one in signs else one for one in tree)
    kind, number, children = tree
    return wrap[kind].format("".join(written(signs, wrap, one) for one in children), number)


def weighed(factor, tree, weight=1.0):
    """Its letters, weighed: `factor` is the weight within a bracket by its kind and number."""
    if isinstance(tree, str):
        return letters(tree, weight)
    kind, number, children = tree
    inner = factor(kind, float(number), weight)
    return [one for child in children for one in weighed(factor, child, inner)]


WEBUI = {"more": "({})", "less": "[{}]", "as": "({}:{})"}
COMFY = {"more": "({})", "as": "({}:{})"}
COMPEL = {
    "as": "({}){}",
    "quoted": '"{}"{}',
    "more": "({})++",
    "less": "({})---",
    "attend": "({}).attend({})",
    "none": "({})",
}


@given(trees(WEBUI))
def test_what_the_webui_writes_is_read_again(tree):
    def factor(kind, number, around):
        return around * {"more": 1.1, "less": 1 / 1.1, "as": number}[kind]

    same(spread(a1111.parse(written("()[]\\:", WEBUI, tree))), weighed(factor, tree))


@given(trees(COMFY, ":\\", 1))
def test_what_comfyui_writes_is_read_again(tree):
    """A number is the weight itself, whatever is around it."""

    def factor(kind, number, around):
        return number if kind == "as" else around * 1.1

    same(spread(comfyui.parse(written("()", COMFY, tree))), weighed(factor, tree))


@given(trees(COMPEL, "\\"))
def test_what_compel_writes_is_read_again(tree):
    powers = {"more": 1.1**2, "less": 0.9**3, "none": 1.0}

    def factor(kind, number, around):
        return around * powers.get(kind, number)

    same(spread(compel.parse(written('()",.+-=', COMPEL, tree))), weighed(factor, tree))


READ = {
    "a1111": {
        "(x)": [("x", 1.1)],
        "((x))": [("x", 1.21)],
        "[x]": [("x", 1 / 1.1)],
        "(x:1.3)": [("x", 1.3)],
        "(x: 1.3 )": [("x", 1.3)],
        "((a:2)b:0.5)": [("a", 1.0), ("b", 0.5)],
        "(a": [("a", 1.1)],
        "[a(b": [("a", 1 / 1.1), ("b", 1.0)],
        "a)b]": [(letter, 1.0) for letter in "a)b]"],
        r"\(a\)\[\]\\": [(letter, 1.0) for letter in "(a)[]\\"],
        "([a)b]": [("a", 1.0), ("b", 1 / 1.1)],
        "(a:1.2.3)": [(letter, 1.1) for letter in "a:1.2.3"],
        "[a:1.3]": [(letter, 1 / 1.1) for letter in "a:1.3"],
        "(a:-1)": [("a", -1.0)],
        "": [],
    },
    "comfyui": {
        "(x)": [("x", 1.1)],
        "((x))": [("x", 1.21)],
        "[x]": [(letter, 1.0) for letter in "[x]"],
        "((a:2)b:0.5)": [("a", 2.0), ("b", 0.5)],
        "((a)b:0.5)": [("a", 0.55), ("b", 0.5)],
        "(a:b)": [(letter, 1.1) for letter in "a:b"],
        "(:1.3)": [(letter, 1.1) for letter in ":1.3"],
        "(a": [("(", 1.0), ("a", 1.0)],
        r"\(a\)": [(letter, 1.0) for letter in "(a)"],
        "": [],
    },
    "compel": {
        "a+ b": [("a", 1.1), ("b", 1.0)],
        "a-- b": [("a", 0.81), ("b", 1.0)],
        "(a)1.3 (b)-": [("a", 1.3), ("b", 0.9)],
        "(a (b)1.5)2": [("a", 2.0), ("b", 3.0)],
        "(a b+)++": [("a", 1.21), ("b", 1.331)],
        '"a"+': [("a", 1.1)],
        "a.attend(0.5)": [("a", 0.5)],
        "(a)+, b": [("a", 1.1), (",", 1.0), ("b", 1.0)],
        "hot-dog +x": [(letter, 1.0) for letter in "hot-dog+x"],
        "hot-dog-": [(letter, 0.9) for letter in "hot-dog"],
        r"a\+": [("a", 1.0), ("+", 1.0)],
        "(a": [("(", 1.0), ("a", 1.0)],
        '"(a" b)+': [(letter, 1.0) for letter in '"(a"b)+'],
        "": [],
    },
}


@pytest.mark.parametrize(("syntax", "text"), [(s, t) for s, some in READ.items() for t in some])
def test_by_hand(syntax, text):
    same(spread(PARSERS[syntax](text)), READ[syntax][text])


def test_break_begins_a_part_within_brackets_too():
    parts = a1111.parse("a BREAK (b BREAK c:1.5) BREAK")
    assert [spread([part]) for part in parts] == [[("a", 1.0)], [("b", 1.5)], [("c", 1.5)], []]
    assert len(a1111.parse("BREAKFAST aBREAK \\BREAK")) == 1


def test_words_of_one_weight_are_one_piece():
    assert [p.text for p in a1111.parse("(un)(necessary) brackets")[0]] == [
        "unnecessary",
        " brackets",
    ]
    # A bracket of compel's parts words, and what has one weight fades together.
    assert [p.text.split() for p in compel.parse("(sun)flower a- b-")[0]] == [
        ["sun", "flower"],
        ["a", "b"],
    ]


REFUSED = {
    "AND": ("a1111", "a cat AND a dog", r"mdx\.guidance\.compose"),
    "a LoRA": ("a1111", "a <lora:paper:0.8>", r"'<lora:paper:0\.8>'.*mdx\.lora\.merge"),
    "a LoRA in ComfyUI": ("comfyui", "a <lora:paper:0.8>", r"mdx\.lora\.merge"),
    "a LoRA in compel": ("compel", "a withLora(paper, 0.8)", r"mdx\.lora\.merge"),
    "a hypernetwork": ("a1111", "<hypernet:x:1>", "names a network that mdx has not"),
    "a blend": ("compel", '("a", "b").blend(1, 1)', r"mdx\.conditioning\.blend"),
    "a conjunction": ("compel", '("a", "b").and()', r"mdx\.conditioning\.join"),
    "a swap": ("compel", "a cat.swap(dog)", "does not exchange words"),
    "beyond float32": ("a1111", "(a:" + "9" * 39 + ")", "beyond what numbers of 32 bits hold"),
    "nested beyond": ("comfyui", "(" * 9000 + "a" + ")" * 9000, "beyond what numbers of 32 bits"),
    "signs beyond": ("compel", "a" + "+" * 9000, "beyond what numbers of 32 bits hold"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_text_is_refused_with_what_does_it(name):
    syntax, text, words = REFUSED[name]
    with pytest.raises(ValueError, match=words) as caught:
        PARSERS[syntax](text)
    assert len(str(caught.value)) < 1000


ANY = st.text("()[]:|\\\"'+-.,019 aB<>\n日\u0301\U0001f600", max_size=40)


@settings(max_examples=60)
@given(st.sampled_from([*PARSERS]), ANY | st.text(max_size=40))
def test_whatever_is_written_is_read_or_refused(syntax, text):
    try:
        parts = PARSERS[syntax](text)
    except ValueError:
        return
    found = [letter for letter, weight in spread(parts) if np.isfinite(weight)]
    left = iter(text)
    assert all(letter in left for letter in found), "letters that are in the text, in their order"


@given(ANY, st.integers(1, 30))
def test_whatever_changes_is_read_or_refused(text, rows):
    try:
        template = edits.parse(text)
    except ValueError:
        return
    for row in range(rows):
        left = iter(text)
        assert all(letter in left for letter in edits.at_row(template, row, rows))


LONG = 100_000
PATTERNS = {
    "open, with text": "(a" * (LONG // 2),
    "crossed": "([)]" * (LONG // 4),
    "a number without an end": "(a:" + "1" * LONG,
    "white space": "(a:" + " " * LONG,
    "quotation marks": '"' * LONG,
    "nested edits": "[a:" * (LONG // 6) + ":1]" * (LONG // 6),
    "nested turns": "[a|" * (LONG // 4) + "]" * (LONG // 4),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_long_texts_take_linear_time(name):
    """Quadratic time would be minutes: each takes below half a second where it is measured."""
    text, begun = PATTERNS[name], time.process_time()
    functions = [*PARSERS.values(), lambda text: edits.at_row(edits.parse(text), 0, 1)]
    for function in functions if len(text) > LONG - 10 else []:
        with contextlib.suppress(ValueError):  # for weights beyond float32
            function(text)
    assert time.process_time() - begun < 20


# Prompts that change.


def edit(tree):
    """A tree of edits as the webui writes it."""
    if isinstance(tree, str):
        return "".join("\\" + one if one in "[]():|" else one for one in tree)
    kind, number, children = tree
    inner = [edit(child) for child in children]
    return f"[{inner[0]}:{inner[1]}:{number}]" if kind == "edit" else f"[{'|'.join(inner)}]"


def on_row(tree, row, rows):
    """The text that it is in a row."""
    if isinstance(tree, str):
        return edit(tree)
    kind, number, children = tree
    if kind == "turns":
        return on_row(children[row % len(children)], row, rows)
    ends = float(number) * rows if float(number) < 1 else float(number)
    return on_row(children[0 if row < int(ends + 1e-9) else 1], row, rows)


EDITS = st.recursive(
    st.text("abé ,\\()[]:|", max_size=4).map(lambda text: text.replace("\\", "")),
    lambda inner: st.tuples(
        st.just("edit"), st.sampled_from(["0", "0.29", ".5", "0.99", "1", "3", "1.0", "40"]),
        st.lists(inner, min_size=2, max_size=2),
    )
    | st.tuples(st.just("turns"), st.none(), st.lists(inner, min_size=2, max_size=4)),
    max_leaves=10,
)  # fmt: skip


@given(EDITS, st.integers(1, 40))
def test_edits_that_are_written_are_read_again(tree, rows):
    template = edits.parse(edit(tree))
    for row in {0, rows // 3, rows // 2, rows - 1}:
        assert edits.at_row(template, row, rows) == on_row(tree, row, rows)


# As the webui's own documentation and tests have them, of ten steps: text and its last row.
CHANGES = {
    "test": [(10, "test")],
    "a [b:3]": [(3, "a "), (10, "a b")],
    "a [b: 3]": [(3, "a "), (10, "a b")],
    "a [[[b]]:2]": [(2, "a "), (10, "a [[b]]")],
    "[(a:2):3]": [(3, ""), (10, "(a:2)")],
    "a [b : c : 1] d": [(1, "a b  d"), (10, "a  c  d")],
    "a[b:[c:d:2]:1]e": [(1, "abe"), (2, "ace"), (10, "ade")],
    "a [unbalanced": [(10, "a [unbalanced")],
    "a [b:.5] c": [(5, "a  c"), (10, "a b c")],
    "[a::4]": [(4, "a"), (10, "")],
    "((a][:b:c [d:3]": [(3, "((a][:b:c "), (10, "((a][:b:c d")],
    "[less] (more)": [(10, "[less] (more)")],
    "[a:b]": [(10, "[a:b]")],
}


@pytest.mark.parametrize("text", CHANGES)
def test_changes_by_hand(text):
    template, begun = edits.parse(text), 0
    for end, said in CHANGES[text]:
        assert {edits.at_row(template, row, 10) for row in range(begun, end)} == {said}
        begun = end
    assert edits.changes(template) is (len(CHANGES[text]) > 1)


def test_turns_are_a_row_each():
    template = edits.parse("[a|b|] x")
    assert [edits.at_row(template, row, 5) for row in range(5)] == [
        "a x",
        "b x",
        " x",
        "a x",
        "b x",
    ]


def test_edits_that_cannot_be_are_refused_or_warned_of():
    with pytest.raises(ValueError, match=r"one colon or two.*at 0\.5 has 3"):
        edits.parse("[a:b:c:0.5]")
    with pytest.raises(ValueError, match="at '-1': expected 0 or more"):
        edits.parse("[a:b:-1]")
    with pytest.warns(UserWarning, match=r"the edit at '20' never happens: the run has 20 rows"):
        edits.warn_of_never(edits.parse("a [b|[c:d:20]]"), 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        edits.warn_of_never(edits.parse("[a:b:19] [a:b:0.999]"), 20)


# Chunks.


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
