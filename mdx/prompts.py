"""Prompts to the conditioning that a model is given: `encode_prompt`."""

from collections.abc import Sequence
from typing import Any, NamedTuple, overload

from mdx import conditioning
from mdx import sizes as micro
from mdx.checks import flag, shown, whole
from mdx.compile_cache import run
from mdx.conditioning import Conditioning
from mdx.families import Asked, Family, Model, check_encoders, check_model
from mdx.memory import Memory, checked, release
from mdx.prompt_schedule import Schedule
from mdx.schedulers import Table
from mdx.text import edits
from mdx.text.syntaxes import PLAIN, check_length, chunks_of, is_long, may_change
from mdx.text.syntaxes import checked as checked_syntax

__all__ = ["Texts", "check_syntax", "counted", "encode_prompt", "encoded", "listed", "over_rows"]


@overload
def encode_prompt(
    model: Model,
    texts: str | Sequence[str] | None,
    *,
    negative: bool = False,
    second: str | Sequence[str] | None = None,
    sizes: micro.Sizes | None = None,
    clip_skip: int | None = None,
    prompt_syntax: str = PLAIN,
    rows: None = None,
    chunks: int | None = None,
    memory: Memory | None = None,
) -> Conditioning: ...
@overload
def encode_prompt(
    model: Model,
    texts: str | Sequence[str] | None,
    *,
    negative: bool = False,
    second: str | Sequence[str] | None = None,
    sizes: micro.Sizes | None = None,
    clip_skip: int | None = None,
    prompt_syntax: str = PLAIN,
    rows: Table | int,
    chunks: int | None = None,
    memory: Memory | None = None,
) -> Schedule: ...
@run()
def encode_prompt(
    model: Model,
    texts: str | Sequence[str] | None,
    *,
    negative: bool = False,
    second: str | Sequence[str] | None = None,
    sizes: micro.Sizes | None = None,
    clip_skip: int | None = None,
    prompt_syntax: str = PLAIN,
    rows: Table | int | None = None,
    chunks: int | None = None,
    memory: Memory | None = None,
) -> Conditioning | Schedule:
    """Make of prompts what a model is given: `generate` takes it wherever it takes a text.

    Args:
        model: what `load` returned.
        texts: a prompt, or a list of B. None, with `negative`, is the one that nobody gave: what
            the checkpoint reads then, the empty text or zeros.
        negative: whether they are what guidance moves away from, which some families read
            otherwise (SDXL's refiner has another aesthetic score for it).
        second: what the second text encoder reads, as many texts; None for the same ones.
        sizes: for models that were told the sizes of pictures (SDXL), what to tell it; None for the
            size of the picture that is drawn, uncropped.
        clip_skip: how many of CLIP's last layers are left out beyond those that always are; None
            or 0 for none. It holds for these texts alone: give it for the negative prompt, too.
        prompt_syntax: how the texts are written: "plain", as they stand; "a1111", "comfyui" or
            "compel", whose brackets and signs give words weights, each by the rule of the program
            of that name.
        rows: the table of the run that it is for, or its number of rows: prompts may then change
            over them, as "a1111" has it. None for prompts that stay.
        chunks: at least so many of 75 tokens are made of each text ("a1111" and "comfyui"), so that
            a prompt and its negative are of one length; None for as many as a text takes. Rows of
            texts that take fewer than others are repeated, which a network does not see.
        memory: what is held in memory after it, see `Memory`.

    Returns:
        A Conditioning of B images; with `rows` a Schedule of them.

    Raises:
        ValueError, TypeError: for what does not fit, arguments that the family does not read, and
            texts that cannot be read.
    """
    family, memory = check_model(model), checked(memory)
    negative = flag("negative", negative)
    syntax = check_syntax(family, prompt_syntax)
    count = None if rows is None else _rows(rows)
    least = 1 if chunks is None else whole("chunks", chunks, 1)
    if chunks is not None and not is_long(syntax):
        raise ValueError(f"chunks: a text of prompt_syntax {syntax!r} is one chunk: leave it out")
    given = listed("texts", texts) if texts is not None or not negative else None
    others = None if second is None else listed("second", second)
    asked = Asked(
        negative,
        None,
        None if sizes is None else micro.checked(sizes),
        None if clip_skip is None else whole("clip_skip", clip_skip, 0),
        syntax,
    )
    if others is not None and len(others) != len(given or ""):
        raise ValueError(f"second has {len(others)} texts for {len(given or '')}")
    check_encoders(model)
    written = None if given is None else over_rows(given, others, syntax, count)
    counts = [1] if written is None else counted(model, family, written, syntax)
    found = encoded(model, family, written, asked, [max(least, one) for one in counts])
    for name in family.encoders(model):
        release(getattr(model, name), memory)
    if count is None:
        return found if isinstance(found, Conditioning) else found.conditionings[0]
    return found if isinstance(found, Schedule) else Schedule((found,), (0,) * count)


class Texts(NamedTuple):
    """What B prompts say at each row of a run."""

    columns: list[tuple[str, ...]]  # (B,) each: those that differ, in the order of their rows
    second: list[tuple[str, ...]] | None  # what the second text encoder reads in their place
    rows: tuple[int, ...]  # of each row its column


def over_rows(texts: list[str], second: list[str] | None, syntax: str, rows: int | None) -> Texts:
    """The texts of each row; of one where none is asked for. Warns of edits that never happen.

    ValueError for texts that change where there are no rows.
    """
    both = [*texts, *(second or [])]
    for text in both if syntax != PLAIN else []:
        check_length(text)
    if not may_change(syntax):
        each = [tuple(both)] * (rows or 1)
    else:
        templates = [edits.parse(text) for text in both]
        if rows is None and any(map(edits.changes, templates)):
            raise ValueError(
                "texts change over the rows of a run ([from:to:when] or [one|another]): give the "
                "table of the run as rows, or a backslash before brackets that are letters"
            )
        for template in templates:
            edits.warn_of_never(template, rows or 1)
        each = [
            tuple(edits.at_row(template, row, rows or 1) for template in templates)
            for row in range(rows or 1)
        ]
    numbers = {column: number for number, column in enumerate(dict.fromkeys(each))}
    own = [column[: len(texts)] for column in numbers]
    other = None if second is None else [column[len(texts) :] for column in numbers]
    return Texts(own, other, tuple(numbers[column] for column in each))


def counted(model: Any, family: Family, texts: Texts, syntax: str) -> list[int]:
    """How many chunks each of the B prompts takes, where it takes most of them."""
    if not is_long(syntax):
        return [1] * len(texts.columns[0])
    words = [getattr(model, name) for name in family.tokenizers(model)]
    columns = [*texts.columns, *(texts.second or [])]
    return [
        max(len(chunks_of(syntax, one, text)) for text in dict.fromkeys(said) for one in words)
        for said in zip(*columns, strict=True)
    ]


def encoded(
    model: Any, family: Family, texts: Texts | None, asked: Asked, chunks: list[int]
) -> Conditioning | Schedule:
    """The conditioning of B prompts, of as many chunks each; a Schedule if they change.

    `texts` None are those that nobody gave, one for each entry of `chunks`.
    """
    if asked.syntax != PLAIN:
        asked = asked._replace(chunks=tuple(chunks))
    if texts is None:
        return family.encode(model, None, asked)
    count = len(texts.columns)
    if asked.chunks is not None:
        asked = asked._replace(chunks=asked.chunks * count)
    if texts.second is not None:
        asked = asked._replace(second=tuple(text for one in texts.second for text in one))
    all_of_them = family.encode(model, [text for one in texts.columns for text in one], asked)
    if count == 1:
        return all_of_them
    size = len(chunks)
    parts = [conditioning.take(all_of_them, slice(i * size, (i + 1) * size)) for i in range(count)]
    return Schedule(tuple(parts), texts.rows)


def check_syntax(family: Family, value: Any) -> str:
    """The name of a syntax; ValueError by `prompt_syntax` for one that the family cannot have."""
    syntax = checked_syntax(value)
    if syntax != PLAIN and not family.weighs_words:
        raise ValueError(
            f"prompt_syntax {syntax!r} weighs the vectors that CLIP's text encoders make of words, "
            f"and {family.title} reads no such: leave it {PLAIN!r}"
        )
    return syntax


def _rows(rows: Any) -> int:
    """How many rows a table has, or a number of them; TypeError or ValueError for neither."""
    if isinstance(rows, Table):
        return rows.rows
    return whole("rows", rows, 1)


def listed(name: str, value: Any) -> list[str]:
    """A text or a list of them as a list; TypeError or ValueError by name for anything else."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} must be a str or a list of str, not {shown(value)}")
    if not texts:
        raise ValueError(f"{name} is an empty list: give at least one")
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{name} is not valid Unicode at {error.start}: {shown(text)}"
            ) from None
    return list(texts)
