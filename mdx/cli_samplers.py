"""The work of `mdx samplers` and `mdx table`, and the options of a sampler as they are given."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mdx.checks import shown
from mdx.files import check_writable
from mdx.interrupts import python_waits
from mdx.options import FIELDS, flag
from mdx.settings_kinds import fitting
from mdx.terminal import say

__all__ = ["overrides", "samplers", "table"]


def samplers(options: argparse.Namespace) -> None:
    """Print the list of samplers or of menus, or the options of one. ValueError for no name."""
    from mdx import listing, listing_menus

    if options.menus and options.name is not None:
        raise ValueError("--menus lists all names: give it alone")
    own = listing.samplers() if options.name is None else listing.options(options.name)
    for line in listing_menus.lines() if options.menus else own:
        say(line)


def table(options: argparse.Namespace) -> None:
    """Print a table, and draw it if asked. Raises ValueError or OSError for bad input."""
    from mdx import listing, schedulers

    if options.plot is not None:
        if options.plot.suffix.lower() != ".png":
            raise ValueError(f"--plot must name a .png file, not {shown(str(options.plot))}")
        check_writable(options.plot)
    scheduler = listing.chosen(
        _scheduler(options.model, options.config, options.prediction_type),
        options.name,
        overrides(options.options, "an option"),
        strict=options.model is not None,
    )
    made = schedulers.table(scheduler, options.steps)
    if options.plot is not None:
        _plot(scheduler, made, options.plot)
    for line in listing.rows(scheduler, made):
        say(line)


def overrides(words: Sequence[str], name: str) -> dict[str, Any]:
    """KEY=VALUE words as a dict; a value that is no JSON is a word.

    ValueError for other words, in which `name` is what they are called.
    """
    found: dict[str, Any] = {}
    for option in words:
        key, equals, text = option.partition("=")
        if not (key.isidentifier() and equals and text):
            raise ValueError(
                f"{name} must be KEY=VALUE, as use_karras_sigmas=true, not {shown(option)}"
            )
        if key in found:
            raise ValueError(f"{name} has {shown(key)} twice")
        try:
            found[key] = json.loads(text, parse_int=_whole)
        except ValueError:
            found[key] = text
        except OverflowError:
            raise ValueError(f"{name} {shown(key)} has a number of more than 64 bits") from None
        except RecursionError:
            raise ValueError(f"{name} {shown(key)} has too many lists in lists") from None
    return found


def _whole(digits: str) -> int:
    """A whole number that arrays can hold; OverflowError for another."""
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise OverflowError
    return int(digits)


def _plot(scheduler: Any, made: Any, path: Path) -> None:
    from mdx import listing

    try:
        listing.plot(scheduler, made, path)
    except ModuleNotFoundError as error:
        raise ValueError(f"--plot wants matplotlib: pip install 'mdx[plots]' ({error})") from None


def _scheduler(model: str | None, config: str | None, prediction_type: str | None) -> Any:
    """The scheduler of a checkpoint, as `mdx.load` gives it. The last two are of one file."""
    from mdx import hub, model_index, sources

    file = sources.single_file(model)
    if file is not None:
        with python_waits():  # that imports MindSpore
            from mdx.single_file import assembling

        if prediction_type is not None:
            fitting(FIELDS["prediction_type"].kind, flag("prediction_type"), prediction_type)
        return assembling.scheduler(file, sources.like(config), prediction_type)
    for name, value in (("config", config), ("prediction_type", prediction_type)):
        if value is not None:
            raise ValueError(f"{flag(name)} is of a --model that is one .safetensors file")
    return model_index.scheduler(model_index.read(hub.resolve(model, wanted={"scheduler": None})))
