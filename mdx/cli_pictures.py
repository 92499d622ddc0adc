"""The work of `mdx PROMPT ...`: options to settings, settings to pictures in files."""

import argparse
import re
import secrets
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from mdx import images
from mdx.checks import shown
from mdx.cli_samplers import overrides
from mdx.files import check_writable
from mdx.settings import FIELDS, Settings, check_grid, checked, from_json, to_json, version
from mdx.terminal import interactive, report

__all__ = ["again", "first_time", "outputs", "pictures"]


class Asked(NamedTuple):
    """What a command asks for."""

    settings: Settings  # as the PNGs carry them
    source: str | None  # what to load: the settings may say less of it


def pictures(options: argparse.Namespace) -> None:
    """Make the pictures that the options ask for. Raises ValueError or OSError for bad input."""
    if options.trust and not options.source:
        raise ValueError("--trust is of the picture that --from names: give that, too")
    asked = again(options) if options.source else first_time(options)
    files = outputs(options, asked.settings)
    check_sampler(asked.settings, options.source)
    for file in files:
        check_writable(file)
    draw(asked, files, offline=bool(options.offline))


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


def first_time(options: argparse.Namespace) -> Asked:
    """Options to settings. Raises ValueError for what cannot be right whatever the model is."""
    if not options.prompts:
        raise ValueError('give a prompt, as in: mdx "a red circle on a blue background"')
    given = {name: getattr(options, name, None) for name in FIELDS}
    given["width"], given["height"] = _size(options.size)
    defaults = {
        "version": version(),
        "dtype": "float32",
        "seeds": [secrets.randbelow(2**32)],
        "set": [],
    }
    for name, default in defaults.items():
        given[name] = default if given[name] is None else given[name]
    settings = checked(given, {name: flag(name) for name in FIELDS})
    overrides(settings.set, "--set")
    return Asked(
        settings._replace(model=_named(settings.model, bool(options.keep_path))), settings.model
    )


def again(options: argparse.Namespace) -> Asked:
    """The settings of the PNG that --from names, and the model to load.

    A picture may come from anywhere: what it names is loaded if it is the packaged checkpoint, or
    with --trust; a --model that is given takes its place. Raises ValueError for other options, for
    settings that make no sense, and where the model must be named.
    """
    picture = options.source
    allowed = {"source", "output", "offline", "trust", "model", "variant", "revision", "keep_path"}
    given = sorted(k for k, v in vars(options).items() if k not in allowed and v not in (None, []))
    if given:
        names = ", ".join(flag(name) for name in given)
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
    if options.model is not None:
        return _with_model(options, settings)
    if beside := [k for k in ("variant", "revision", "keep_path") if getattr(options, k)]:
        raise ValueError(f"{flag(beside[0])} is of the model: with --from, give --model, too")
    if settings.model is None:
        return Asked(settings, None)
    if not options.trust:
        raise ValueError(
            f"{picture} was made with the model {shown(settings.model)}: give it, or the one you "
            "want, with --model; --trust loads what the picture names, whatever it is"
        )
    if "/" not in settings.model and "\\" not in settings.model:
        raise ValueError(
            f"{picture} was made with a model in a folder called {shown(settings.model)}, and does "
            "not say where that is: give it with --model"
        )
    return Asked(settings, settings.model)


def _with_model(options: argparse.Namespace, settings: Settings) -> Asked:
    """The settings of a picture, with the model that --model names in the place of its own."""
    own = {"model": options.model, "variant": options.variant, "revision": options.revision}
    given = {name: value for name, value in own.items() if value is not None}
    asked = checked(settings._asdict() | given, {name: flag(name) for name in FIELDS})
    folder = _folder(asked.model)
    same = {asked.model} if folder is None else {str(folder), folder.name}
    if settings.model not in same:
        was = "the packaged model" if settings.model is None else shown(settings.model)
        warnings.warn(
            f"{options.source} was made with {was}, not with {shown(asked.model)}, so the picture "
            "may differ",
            stacklevel=2,
        )
        # A commit of one repository is none of another.
        asked = asked._replace(revision=options.revision)
    return Asked(asked._replace(model=_named(asked.model, bool(options.keep_path))), asked.model)


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


def outputs(options: argparse.Namespace, settings: Settings) -> list[Path]:
    """The files to write: one, or one for each picture, numbered from 1."""
    source = Path(options.source or "mdx.png")
    # Without -o, the picture that --from reads stays as it is, to be compared.
    default = source.with_name(f"{source.stem}-again.png") if options.source else source
    path = Path(options.output) if options.output else default
    if path.suffix.lower() != ".png" or "\0" in str(path):
        raise ValueError(
            f"the output must be a .png file, which can carry its settings, not {shown(str(path))}"
        )
    count = len(settings.prompts) * len(settings.seeds)
    if settings.grid or count == 1:
        return [path]
    digits = len(str(count))
    return [path.with_name(f"{path.stem}-{i:0{digits}}{path.suffix}") for i in range(1, count + 1)]


def draw(asked: Asked, files: list[Path], *, offline: bool) -> None:
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
        offline=offline,
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
    # One at a time: a picture then depends on its own settings alone, down to the last bit.
    for prompt in settings.prompts:
        for seed in settings.seeds:
            [image] = mdx.generate(
                model,
                prompt,
                negative_prompt=settings.negative,
                scheduler=scheduler,
                steps=settings.steps,
                guidance=settings.guidance,
                seed=seed,
                height=settings.height,
                width=settings.width,
                memory=settings.memory,
                progress=interactive(),
            )
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


def flag(name: str) -> str:
    """The option that a field, or another argument, is given by."""
    field = FIELDS.get(name)
    if field is not None and field.option is not None:
        return field.option.flag
    return "--" + {"width": "size", "height": "size", "source": "from"}.get(name, name).replace(
        "_", "-"
    )


def _save(image: Any, path: Path, settings: Settings) -> None:
    images.save_png(image, path, to_json(settings))
    report(f"{path} (seed {' '.join(map(str, settings.seeds))})")


def _size(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", text)
    if not match or 0 in (sides := (int(match[1]), int(match[2] or match[1]))):
        raise ValueError(
            "--size must be a number of pixels as 64, or width and height as 96x64, "
            f"not {shown(text)}"
        )
    return sides
