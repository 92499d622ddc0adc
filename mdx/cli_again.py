"""What `mdx --from` asks for: the settings that a picture carries, of mdx or of another program."""

import warnings
from collections.abc import Mapping
from typing import Any

from mdx import images, infotext
from mdx.checks import shown
from mdx.cli_drawing import Asked
from mdx.cli_files import folder_of, keep, keep_again, model_named
from mdx.cli_samplers import overrides
from mdx.options import FIELDS, Command, Settings, flag
from mdx.settings import checked, from_json, of_new, version
from mdx.settings_infotext import foreign, names

__all__ = ["again"]

OF_MODEL = ("model", "variant", "revision", "prediction_type")  # what says which weights, and how

WORKFLOW = "workflow"  # keyword of the text that ComfyUI writes


def again(command: Command, given: Mapping[str, Any]) -> Asked:
    """The settings of the PNG that --from names, and the model to load.

    mdx's own settings come first. A picture may come from anywhere: what it names is loaded if it
    is the packaged checkpoint, or with --trust; a --model that is given takes its place. Raises
    ValueError for other options, for settings that make no sense, and where the model or a file
    must be named.
    """
    picture = str(command.source)
    if images.read_text(picture, images.KEYWORD) is None:
        text = images.read_text(picture, images.PARAMETERS)
        if text is not None:
            return _foreign(command, given, infotext.read(text))
        if images.read_text(picture, WORKFLOW) is not None:
            raise ValueError(
                f"{picture} carries a workflow of ComfyUI, which mdx does not read, and no A1111 "
                "parameters beside it: give its prompt and its numbers as options"
            )
    own = [name for name in given if not ((option := FIELDS[name].option) and option.beside)]
    if own:
        drop = ", ".join(dict.fromkeys(flag(name) for name in FIELDS if name in own))
        raise ValueError(f"--from takes everything but the model from the picture; drop {drop}")
    settings, files = keep_again(_alone(_settings(picture), picture), given, picture)
    asked = Asked(settings, None, command, files)
    if "model" in given:
        return _with_model(asked, given)
    if beside := [flag(name) for name in OF_MODEL if name in given]:
        raise ValueError(f"{beside[0]} is of the model: with --from, give --model, too")
    for option, value in (("--keep-path", command.keep_path), ("--config", command.config)):
        if value:
            raise ValueError(f"{option} is of the model: with --from, give --model, too")
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


def _settings(picture: str) -> Settings:
    """The settings that a picture of mdx carries, as this mdx writes them."""
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
            stacklevel=3,
        )
    return settings._replace(version=version())


def _alone(settings: Settings, picture: str) -> Settings:
    """The settings of a picture whose batch is not all there, without it."""
    if settings.batch == 1 or len(settings.prompts) * len(settings.seeds) > 1:
        return settings
    warnings.warn(
        f"{picture} was drawn with {settings.batch - 1} others at once, and is drawn alone: last "
        "bits may differ",
        stacklevel=3,
    )
    return settings._replace(batch=1)


def _with_model(asked: Asked, given: Mapping[str, Any]) -> Asked:
    """What a picture asks for, with the model that --model names in the place of its own."""
    before, command = asked.settings, asked.command
    own = {name: given[name] for name in OF_MODEL if name in given}
    settings = checked(before._asdict() | own, {name: flag(name) for name in FIELDS})
    folder = folder_of(settings.model)
    same = {settings.model} if folder is None else {str(folder), folder.name}
    if before.model not in same:
        was = "the packaged model" if before.model is None else shown(before.model)
        warnings.warn(
            f"{command.source} was made with {was}, not with {shown(settings.model)}, so the "
            "picture may differ",
            stacklevel=3,
        )
        # A commit of one repository is none of another.
        settings = settings._replace(revision=given.get("revision"))
    named = settings._replace(model=model_named(settings.model, command.keep_path))
    return asked._replace(settings=named, source=settings.model)


def _foreign(command: Command, given: Mapping[str, Any], text: infotext.Text) -> Asked:
    """What another program's text asks for; every option that is given takes its place.

    ValueError where no --model is given, and for what cannot be taken over.
    """
    from mdx import listing

    picture = command.source
    try:
        found = foreign(text)
        kept, files = keep(given)
        calls = {k: flag(k) if k in given else word for k, word in names().items()}
        settings = checked({**of_new(), **found.given, **given, **kept}, calls)
        overrides(settings.set, "--set")
    except ValueError as error:
        raise ValueError(f"{picture}: {error}") from None
    if "model" not in given:
        own = f" with {shown(found.model)}" if found.model else ""
        raise ValueError(
            f"{picture} was made by another program{own}: give the model that is to draw it, a "
            "folder or a Hub id, with --model"
        )
    try:
        if settings.scheduler is not None:
            listing.find(settings.scheduler)
    except ValueError as error:
        raise ValueError(f"{picture}: {error}; give one with --scheduler") from None
    warnings.warn(
        f"{picture} was made by another program, whose seeds draw other noise: prompt and numbers "
        "are the same, and the picture is another",
        stacklevel=3,
    )
    if found.left_out:
        some = ", ".join(map(shown, found.left_out[:10]))
        warnings.warn(f"{picture} says more, which is left out: {some}", stacklevel=3)
    named = settings._replace(model=model_named(settings.model, command.keep_path))
    return Asked(named, settings.model, command, files, foreign="clip_skip" not in given)
