"""Prompts as they are written, in the syntaxes of three programs.

They are tested from the other end: a tree of texts and weights is drawn at random, written down,
and read again.
"""

import contextlib
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx.text import a1111, comfyui, compel, edits

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
