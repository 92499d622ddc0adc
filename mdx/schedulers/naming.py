"""What a name of another program's menus means here: a sampler and its options.

Capitals and spaces make no difference, but where they tell A1111's names from ComfyUI's.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from mdx.checks import did_you_mean, shown

from .menus import A1111, COMFYUI, Menu, Named, Timing
from .samplers import SAMPLERS
from .schedules import OPTIONS

__all__ = ["Meaning", "every", "meant", "nearest", "own_names"]

LEVELS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")


class Meaning(NamedTuple):
    """A name of a menu, and what it comes to."""

    spelling: str  # as the menus have it: "DPM++ 2M Karras", "dpmpp_2m karras"
    program: str
    sampler: str | None  # short name here; None for what is not here
    options: Mapping[str, Any]  # of its config
    why: str  # why it is not here, and what is nearest


def own_names() -> tuple[str, ...]:
    """The names that samplers have here."""
    return tuple(name for sampler in SAMPLERS for name in sampler.names)


def every(menu: Menu) -> Iterator[Meaning]:
    """All that a menu can be asked for: each sampler alone, and with each schedule."""
    for name, named in menu.samplers.items():
        if name not in own_names():
            yield meaning(menu, name, name, menu.usual)
        if menu is A1111:
            yield meaning(menu, f"{name} Automatic", name, named.automatic)
        for schedule in menu.schedules:
            yield meaning(menu, f"{name} {schedule}", name, schedule)


def meaning(menu: Menu, spelling: str, name: str, schedule: str) -> Meaning:
    """What a sampler with a schedule comes to."""
    named, timing = menu.samplers[name], menu.schedules[schedule]
    alone = spelling in (name, f"{name} Automatic")
    lacks, nearest = "", [named.nearest or name, "" if alone else timing.nearest or schedule]
    if named.sampler is None:
        lacks = named.why
    elif named.own_levels and not alone:
        lacks = f"{name} goes by levels of its own, which no schedule changes"
    elif timing.schedule is None and not named.own_levels:
        lacks = timing.why
    if lacks:
        if named.own_levels:
            nearest = nearest[:1]
        near = " ".join(filter(None, nearest))
        why = f"{menu.program}'s {spelling!r} is not here ({lacks}): the nearest is {near!r}"
        return Meaning(spelling, menu.program, None, {}, why)
    return Meaning(spelling, menu.program, named.sampler, options_of(named, timing), "")


def options_of(named: Named, timing: Timing) -> dict[str, Any]:
    """The options that make a sampler what another program means, whatever a checkpoint says."""
    [known] = [one.defaults for one in SAMPLERS if one.names[1] == named.sampler]
    found: dict[str, Any] = {key: False for key in LEVELS if key in known}
    found |= {key: value for key, value in OPTIONS.items() if key in known}
    if not named.own_levels:
        found |= {"schedule": timing.schedule, "discard_penultimate": named.discard}
    return {**found, **named.options}


def plain(name: str) -> str:
    """A name without what makes no difference; ComfyUI's two words may stand beside a slash."""
    return re.sub(r"[\s/,]+", "", name).lower()


@cache
def known() -> Mapping[str, tuple[Meaning, ...]]:
    """What plain names may mean; each of several is of one program."""
    found: dict[str, tuple[Meaning, ...]] = {}
    for menu in (A1111, COMFYUI):
        for one in every(menu):
            spellings = {plain(one.spelling)}
            if menu is COMFYUI:
                spellings.add(one.spelling.replace(" ", "_"))
            for spelling in spellings:
                found[spelling] = (*found.get(spelling, ()), one)
    return found


def meant(name: str) -> Meaning | None:
    """What a name of a menu means; None for what is in none.

    ValueError for what is not here, and for what two programs have for two things, unless it is
    spelled as one of them does.
    """
    found = known().get(plain(name), ())
    exact = [one for one in found if one.spelling == " ".join(name.split())]
    several = len({(one.sampler, tuple(one.options.items())) for one in found}) > 1
    if several and len(exact) != 1:
        ways = " or ".join(f"{one.spelling!r} as {one.program} does" for one in found)
        raise ValueError(f"scheduler {shown(name)} is two things: spell it {ways}")
    if not found:
        return None
    [one, *_] = exact or found
    if one.sampler is None:
        raise ValueError(one.why)
    return one


def nearest(name: str) -> str:
    """The end of an error about a name that nobody has: what it may be, or ""."""
    # Of names that differ in signs alone the last is told.
    menus = [one for menu in (COMFYUI, A1111) for one in every(menu) if one.sampler]
    return did_you_mean(name, [*(one.spelling for one in menus), *own_names()])
