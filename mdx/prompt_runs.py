"""The prompts of a run: checked with it, and encoded with those that it moves away from."""

import math
from typing import Any, NamedTuple

from mdx import conditioning
from mdx.checks import whole
from mdx.conditioning import Conditioning
from mdx.families import Asked, Family, check_encoders
from mdx.prompt_schedule import Changing, Schedule, at, each, every
from mdx.prompt_schedule import checked as checked_prompts
from mdx.prompts import Texts, check_syntax, counted, encoded, listed, over_rows
from mdx.sizes import Sizes
from mdx.text import edits
from mdx.text.syntaxes import PLAIN, WEIGHED, check_length, may_change

__all__ = ["Prompts", "Reading", "check_absent", "checked", "given", "given_negative", "made"]


class Reading(NamedTuple):
    """How the texts of a run are read, and what of them each row has."""

    syntax: str  # of mdx.text.SYNTAXES
    clip_skip: int | None  # layers of the text encoders left out beyond the usual; None for none
    positive: Texts | None = None  # None: encoded already
    negative: Texts | None = None  # None: that, or nobody's
    chunks: tuple[int, ...] = ()  # (P,) of each prompt and its negative one

    @property
    def length(self) -> int:
        """Chunks that all prompts are made as long as."""
        return math.lcm(*self.chunks)


class Prompts(NamedTuple):
    """What a run is to be of."""

    positive: list[str] | Changing  # (P,)
    negative: list[str] | Changing | None  # (P,) or (1,); None: of nobody's, the family's own
    guided: bool  # whether any image is moved away from its negative prompt
    sizes: Sizes | None


def given(name: str, model: Any, family: Family, value: Any) -> list[str] | Changing:
    """Texts, or a conditioning that the model's network can read."""
    if not isinstance(value, Conditioning | Schedule):
        check_encoders(model)
        return listed(name, value)
    found = checked_prompts(value)
    if found.family != family.name:
        raise ValueError(
            f"{name} is a conditioning for models of {found.family}, and this one is of "
            f"{family.name}: encode the prompts with it"
        )
    try:
        for one in every(found):
            family.fits(model, one)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return found


def given_negative(
    model: Any, family: Family, value: Any, count: int
) -> list[str] | Changing | None:
    """The negative of each prompt, or one for all."""
    if value is None:
        return None
    found = given("negative_prompt", model, family, value)
    own = len(found) if isinstance(found, list) else found.batch
    for_all = isinstance(value, str | Conditioning | Schedule) and own == 1
    if own != count and not for_all:
        raise ValueError(
            f"negative_prompt: {own} negative prompts for {count} prompts: give one, or one each"
        )
    return found


def check_absent(model: Any) -> None:
    """ValueError if what stands for no negative prompt cannot be encoded."""
    try:
        check_encoders(model)
    except ValueError as error:
        raise ValueError(
            f"negative_prompt is None, and what stands for it must be encoded: {error}"
        ) from None


def checked(
    model: Any, family: Family, said: tuple[Any, Any], prompts: Prompts, rows: set[int]
) -> Reading:
    """How the texts are read, by what was said of syntax and clip skip; `rows` of the run's tables.

    ValueError, TypeError by the argument's name for what does not fit.
    """
    positive, negative, guided, _ = prompts
    syntax = check_syntax(family, said[0])
    skip = None if said[1] is None else whole("clip_skip", said[1], 0)
    told = {"prompt_syntax": syntax != PLAIN, "clip_skip": skip is not None}
    if not isinstance(positive, list) and negative is not None and not isinstance(negative, list):
        for name in (name for name, is_told in told.items() if is_told):
            raise ValueError(f"{name} is of texts, and these were encoded: give encode_prompt it")
    changing = False
    for name, some in (("prompt", positive), ("negative_prompt", negative)):
        if isinstance(some, Schedule):
            changing = True
            if {len(some.rows)} != rows:
                raise ValueError(
                    f"{name} is a schedule of {len(some.rows)} rows, and the run has {max(rows)}: "
                    "give encode_prompt the table of the run as rows"
                )
        elif isinstance(some, list) and syntax != PLAIN:
            for text in some:
                check_length(text)
                WEIGHED[syntax].parse(text)
                changing |= may_change(syntax) and edits.changes(edits.parse(text))
    if changing and len(rows) > 1:
        raise ValueError(
            "prompts that change go by the rows of a run: give schedulers of as many rows each"
        )
    towards, away = (
        over_rows(some, None, syntax, max(rows)) if isinstance(some, list) else None
        for some in (positive, negative if guided else None)
    )
    count = len(positive) if isinstance(positive, list) else positive.batch
    chunks = [1] * count
    for texts in (towards, away):
        if texts is not None:
            own = counted(model, family, texts, syntax)
            own = own if len(own) == count else own * count  # one for all
            chunks = [max(pair) for pair in zip(chunks, own, strict=True)]
    return Reading(syntax, skip, towards, away, tuple(chunks))


def made(
    model: Any, family: Family, prompts: Prompts, reading: Reading
) -> tuple[Changing, Changing | None]:
    """The conditioning of all prompts, and as many that guidance moves away from, if it does.

    What is long is made of as many chunks in a prompt and in its own negative one; what another
    prompt of the run says changes neither.
    """
    positive, negative, guided, sizes = prompts
    # An aesthetic score is of the picture that is wanted.
    unwanted = None if sizes is None else sizes._replace(aesthetic=None)
    told = [
        Asked(False, None, sizes, reading.clip_skip, reading.syntax),
        Asked(True, None, unwanted, reading.clip_skip, reading.syntax),
    ]
    chunks = list(reading.chunks)
    if isinstance(positive, list):
        towards = encoded(model, family, reading.positive, told[0], chunks)
    else:
        towards = positive
    if not guided:
        return towards, None
    if negative is not None and not isinstance(negative, list):
        return towards, _as_many(negative, towards.batch)
    texts, count = reading.negative, len(chunks)
    if reading.syntax == PLAIN:
        chunks = [1]
    elif texts is not None and len(texts.columns[0]) < count:
        texts = texts._replace(columns=[column * count for column in texts.columns])
    away = _as_many(encoded(model, family, texts, told[1], chunks), towards.batch)
    shared = at(towards, 0).arrays

    def told_too(one: Conditioning) -> Conditioning:
        more = {n: shared[n] for n in family.shared if n in shared and n not in one.arrays}
        return conditioning.make(one.family, {**one.arrays, **more})

    return towards, each(away, told_too)


def _as_many(one: Changing, count: int) -> Changing:
    """A conditioning of as many images, where it is of one for all."""
    if one.batch == count:
        return one
    return each(one, lambda some: conditioning.repeat(some, count))
