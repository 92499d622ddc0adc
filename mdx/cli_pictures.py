"""The work of `mdx PROMPT ...`: options to settings, settings to pictures in files."""

import argparse
import secrets
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from mdx import cli_tasks, images
from mdx.checks import shown
from mdx.cli_arguments import said
from mdx.cli_files import Places, keep, keep_again
from mdx.cli_samplers import overrides
from mdx.files import check_writable
from mdx.options import FIELDS, Command, Settings, flag
from mdx.settings import check_grid, checked, from_json, to_json, version
from mdx.terminal import interactive, report

__all__ = ["again", "first_time", "outputs", "pictures"]


class Asked(NamedTuple):
    """What a command asks for."""

    settings: Settings  # as the PNGs carry them
    source: str | None  # what to load: the settings may say less of it
    command: Command = Command()
    files: Places = MappingProxyType({})  # where a field's files lie


def pictures(options: argparse.Namespace) -> None:
    """Make the pictures that the options ask for. Raises ValueError or OSError for bad input."""
    command, given = said(options)
    if command.trust and not command.source:
        raise ValueError("--trust is of the picture that --from names: give that, too")
    asked = again(command, given) if command.source else first_time(command, given)
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
    values = {name: field.option.default for name, field in FIELDS.items() if field.option}
    values |= {"version": version(), "seeds": [secrets.randbelow(2**32)]}
    values |= Settings._field_defaults
    kept, files = keep(given)
    settings = checked(values | given | kept, {name: flag(name) for name in FIELDS})
    overrides(settings.set, "--set")
    named = _named(settings.model, command.keep_path)
    return Asked(settings._replace(model=named), settings.model, command, files)


def again(command: Command, given: Mapping[str, Any]) -> Asked:
    """The settings of the PNG that --from names, and the model to load.

    A picture may come from anywhere: what it names is loaded if it is the packaged checkpoint, or
    with --trust; a --model that is given takes its place. Raises ValueError for other options, for
    settings that make no sense, and where the model or a file must be named.
    """
    picture = str(command.source)
    own = [name for name in given if not ((option := FIELDS[name].option) and option.beside)]
    if own:
        names = ", ".join(dict.fromkeys(flag(name) for name in FIELDS if name in own))
        raise ValueError(f"--from takes everything but the model from the picture; drop {names}")
    found = images.read_settings(picture)
    try:
        settings = from_json(found)
        overrides(settings.set, "the settings' set")
    except ValueError as error:
        raise ValueError(f"{picture}: {error}") from None
    if settings.version != version():
        warnings.warn(
            f"{picture} was made by mdx {settings.version}; this is {version()}, "
            "so the picture may differ",
            stacklevel=2,
        )
    settings = settings._replace(version=version())
    settings, files = keep_again(settings, given, picture)
    asked = Asked(settings, None, command, files)
    if "model" in given:
        return _with_model(asked, given)
    if beside := [flag(name) for name in ("variant", "revision") if name in given]:
        raise ValueError(f"{beside[0]} is of the model: with --from, give --model, too")
    if command.keep_path:
        raise ValueError("--keep-path is of the model: with --from, give --model, too")
    if settings.model is None:
        return asked
    if not command.trust:
        raise ValueError(
            f"{picture} was made with the model {shown(settings.model)}: give it, or the one you "
            "want, with --model; --trust loads what the picture names, whatever it is"
        )
    if "/" not in settings.model and "\\" not in settings.model:
        raise ValueError(
            f"{picture} was made with a model in a folder called {shown(settings.model)}, and does "
            "not say where that is: give it with --model"
        )
    return asked._replace(source=settings.model)


def _with_model(asked: Asked, given: Mapping[str, Any]) -> Asked:
    """What a picture asks for, with the model that --model names in the place of its own."""
    before, command = asked.settings, asked.command
    own = {name: given[name] for name in ("model", "variant", "revision") if name in given}
    settings = checked(before._asdict() | own, {name: flag(name) for name in FIELDS})
    folder = _folder(settings.model)
    same = {settings.model} if folder is None else {str(folder), folder.name}
    if before.model not in same:
        was = "the packaged model" if before.model is None else shown(before.model)
        warnings.warn(
            f"{command.source} was made with {was}, not with {shown(settings.model)}, so the "
            "picture may differ",
            stacklevel=2,
        )
        # A commit of one repository is none of another.
        settings = settings._replace(revision=given.get("revision"))
    named = settings._replace(model=_named(settings.model, command.keep_path))
    return asked._replace(settings=named, source=settings.model)


def _folder(model: str | None) -> Path | None:
    """The absolute folder that a model's name means; None for a Hub id, or what is nothing."""
    if model is None:
        return None
    try:
        path = Path(model).expanduser()
        return path.resolve() if path.exists() else None
    except (OSError, RuntimeError):  # too long a name, or a home of nobody; loading it says so
        return None


def _named(model: str | None, keep_path: bool) -> str | None:
    """What a picture says of its model: where a folder lies is the user's own business."""
    folder = _folder(model)
    if folder is None:
        return model
    return str(folder) if keep_path else folder.name or "model"


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


def draw(asked: Asked, files: list[Path]) -> None:
    """Load the model, make the pictures and write them. Raises as loading and making do."""
    begin = time.perf_counter()

    import mdx
    from mdx import hub, listing
    from mdx.interrupts import python_waits

    with python_waits():
        from mdx import loading

    settings = asked.settings
    folder = loading.found(
        asked.source,
        variant=settings.variant,
        dtype=settings.dtype,
        revision=settings.revision,
        offline=asked.command.offline,
    )
    settings = settings._replace(revision=hub.commit(folder) or settings.revision)
    model = mdx.load(folder, dtype=settings.dtype, variant=settings.variant)
    scheduler: Any = settings.scheduler
    if settings.set:
        name = settings.scheduler or model.scheduler.name
        options = overrides(settings.set, "--set")
        scheduler = listing.chosen(model.scheduler, name, options, strict=True)
    loaded = time.perf_counter()
    made, count = [], 0
    work, keywords = cli_tasks.work(settings, keywords_of(asked))
    # One at a time: a picture then depends on its own settings alone, down to the last bit.
    for prompt in settings.prompts:
        for seed in settings.seeds:
            [image] = work(
                model, prompt, seed=seed, scheduler=scheduler, progress=interactive(), **keywords
            )
            if settings.hires is None:
                settings = settings._replace(width=image.width, height=image.height)
            if settings.grid is None:
                own = settings._replace(prompts=(prompt,), seeds=(seed,))
                _save(image, files[count], own)
            else:
                check_grid(settings)
                made.append(image)
            count += 1
    if settings.grid is not None:
        _save(images.grid(made, *settings.grid), files[0], settings)
    end = time.perf_counter()
    words = f"{count} pictures" if count > 1 else "1 picture"
    report(f"{words} in {end - begin:.1f} s ({loaded - begin:.1f} s of it loading)")


def keywords_of(asked: Asked) -> dict[str, Any]:
    """What `generate` is given as the settings have it, and of files what they hold."""
    found: dict[str, Any] = {}
    for name, field in FIELDS.items():
        if not field.option or not field.option.keyword:
            continue
        value = getattr(asked.settings, name)
        if value is not None and field.kind.used:
            opened = [field.kind.used(path) for path in asked.files[name]]
            value = opened if field.length is not None else opened[0]
        found[field.option.keyword] = value
    return found


def _save(image: Any, path: Path, settings: Settings) -> None:
    images.save_png(image, path, to_json(settings))
    report(f"{path} (seed {' '.join(map(str, settings.seeds))})")
