"""Prompts that change during a run, as the webui writes them: what is said on which row."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdx.text import edits


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
