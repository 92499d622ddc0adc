"""Prompts that change over a run: [from:to:when], [to:when], [from::when] and [one|another].

`from` holds for the first rows of a run, then `to`: `when` is a fraction of the rows below 1, and a
number of rows from 1. Of [one|another] a row has one, the next row another, in turns. A row is one
call of the network. What is none of these stays as it stands, brackets and all.
"""

import re
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from mdx.checks import shown

__all__ = ["Template", "at_row", "changes", "parse"]

SIGNS = re.compile(r"\\.?|[()\[\]:|]|[^\\()\[\]:|]+", re.DOTALL)
WHEN = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*")


class Edit(NamedTuple):
    """One text, and then another."""

    before: list["Item"]
    after: list["Item"]
    when: Decimal  # 0 or more


class Turns(NamedTuple):
    """Texts that take turns, a row each."""

    texts: list[list["Item"]]


Item: TypeAlias = str | Edit | Turns
Template: TypeAlias = list[Item]


class Frame(NamedTuple):
    """A bracket that is open."""

    sign: str  # "[" or "("
    begin: int  # of what it holds, among the items
    colons: list[int]  # which items are colons of its own
    bars: list[int]  # and which are bars


def parse(text: str) -> Template:
    """A text as what stays, and what changes; ValueError for brackets that cannot be read."""
    items: list[Item] = []
    opened: list[Frame] = []
    squares = 0
    for found in SIGNS.finditer(text):
        sign = found[0]
        if sign == "]" and squares:
            while opened[-1].sign != "[":
                opened.pop()  # a round bracket that nobody closes is a letter
            squares -= 1
            _close(items, opened.pop())
            continue
        if sign == ")" and opened and opened[-1].sign == "(":
            opened.pop()
        elif sign == ":" and opened:
            opened[-1].colons.append(len(items))
        elif sign == "|" and opened:
            opened[-1].bars.append(len(items))
        items.append(sign)
        if sign in ("[", "("):
            squares += sign == "["
            opened.append(Frame(sign, len(items), [], []))
    return items


def _close(items: list[Item], frame: Frame) -> None:
    """Put in the place of an open bracket, and of all behind it, what it says."""
    last = items[-1]
    when = None
    if frame.colons and frame.colons[-1] == len(items) - 2 and isinstance(last, str):
        when = WHEN.fullmatch(last)
    if when is not None:
        first, *others = frame.colons
        if len(others) > 1:
            raise ValueError(
                f"prompt: an edit has one colon or two, [from:to:when], and one at {when[1]} has "
                f"{len(frame.colons)}: write \\: for those that are letters"
            )
        number = Decimal(when[1])
        if number < 0:
            raise ValueError(f"prompt: an edit is at {shown(when[1])}: expected 0 or more")
        before = items[frame.begin : first] if others else []
        after = items[(first + 1 if others else frame.begin) : frame.colons[-1]]
        items[frame.begin - 1 :] = [Edit(before, after, number)]
    elif frame.bars:
        ends = [*frame.bars, len(items)]
        begins = [frame.begin, *(bar + 1 for bar in frame.bars)]
        texts = [items[begin:end] for begin, end in zip(begins, ends, strict=True)]
        items[frame.begin - 1 :] = [Turns(texts)]
    else:
        items.append("]")


def changes(template: Template) -> bool:
    """Whether it is another text at another row."""
    return not all(isinstance(item, str) for item in template)


def at_row(template: Template, row: int, rows: int) -> str:
    """The text of one of `rows` rows, counted from 0."""
    found: list[str] = []
    # By hand, for brackets may lie deeper in each other than functions may call themselves.
    left: list[Iterator[Item]] = [iter(template)]
    while left:
        item = next(left[-1], None)
        if item is None:
            left.pop()
        elif isinstance(item, str):
            found.append(item)
        elif isinstance(item, Edit):
            left.append(iter(item.before if row < _row(item.when, rows) else item.after))
        else:
            left.append(iter(item.texts[row % len(item.texts)]))
    return "".join(found)


def _row(when: Decimal, rows: int) -> int:
    """How many rows come before an edit."""
    if when >= rows:
        return rows
    return int(when * rows) if when < 1 else int(when)


def warn_of_never(template: Template, rows: int) -> None:
    """Warn of edits that come after the last row, which never happen."""
    left: list[Item] = list(template)
    while left:
        item = left.pop()
        if isinstance(item, Edit):
            if item.when >= rows and item.when >= 1:
                warnings.warn(
                    f"prompt: the edit at {shown(str(item.when))} never happens: the run has "
                    f"{rows} rows, and below 1 it would be a fraction of them",
                    stacklevel=2,
                )
            left += [*item.before, *item.after]
        elif isinstance(item, Turns):
            left += [one for text in item.texts for one in text]
