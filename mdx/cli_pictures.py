"""The work of `mdx PROMPT ...`: options to settings, settings to pictures in files."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mdx import cli_adapters, cli_tasks
from mdx.checks import shown
from mdx.cli_again import again
from mdx.cli_arguments import said
from mdx.cli_drawing import Asked, draw
from mdx.cli_files import keep, model_named
from mdx.cli_samplers import overrides
from mdx.files import check_writable
from mdx.options import FIELDS, Command, Settings, flag
from mdx.settings import checked, of_new

__all__ = ["again", "first_time", "outputs", "pictures"]


def pictures(options: argparse.Namespace) -> None:
    """Make the pictures that the options ask for. Raises ValueError or OSError for bad input."""
    command, given = said(options)
    if command.trust and not command.source:
        raise ValueError("--trust is of the picture that --from names: give that, too")
    asked = again(command, given) if command.source else first_time(command, given)
    asked = asked._replace(settings=cli_adapters.named(asked.settings, command))
    files = outputs(command, asked.settings)
    check_sampler(asked.settings, command.source)
    cli_tasks.check(asked.settings)
    for file in files:
        check_writable(file)
    draw(asked, files)


def check_sampler(settings: Settings, picture: str | None) -> None:
    """Raise ValueError for a sampler that there is not, and options that it, or any, has not."""
    from mdx import listing

    option = "--scheduler"
    try:
        if settings.scheduler is not None:
            listing.find(settings.scheduler)
        option = "--set"
        listing.check(settings.scheduler, overrides(settings.set, option))
    except ValueError as error:
        raise ValueError(f"{picture or option}: {error}") from None


def first_time(command: Command, given: Mapping[str, Any]) -> Asked:
    """Options to settings. Raises ValueError for what cannot be right whatever the model is."""
    if "prompts" not in given:
        raise ValueError('give a prompt, as in: mdx "a red circle on a blue background"')
    kept, files = keep(given)
    settings = checked({**of_new(), **given, **kept}, {name: flag(name) for name in FIELDS})
    overrides(settings.set, "--set")
    named = model_named(settings.model, command.keep_path)
    return Asked(settings._replace(model=named), settings.model, command, files)


def outputs(command: Command, settings: Settings) -> list[Path]:
    """The files to write: one, or one for each picture, numbered from 1."""
    source = Path(command.source or "mdx.png")
    # Without -o, the picture that --from reads stays as it is, to be compared.
    default = source.with_name(f"{source.stem}-again.png") if command.source else source
    path = Path(command.output) if command.output else default
    if path.suffix.lower() != ".png":
        raise ValueError(
            f"the output must be a .png file, which can carry its settings, not {shown(str(path))}"
        )
    count = len(settings.prompts) * len(settings.seeds)
    if settings.grid or count == 1:
        return [path]
    digits = len(str(count))
    return [path.with_name(f"{path.stem}-{i:0{digits}}{path.suffix}") for i in range(1, count + 1)]
