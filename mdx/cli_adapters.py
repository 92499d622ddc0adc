"""What the command adds to a model before it draws: LoRAs, and words of one's own."""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from mdx.checks import shown
from mdx.cli_files import Places
from mdx.options import Command, Settings, flag
from mdx.prompt_loras import Tag, file_of, parted
from mdx.settings_files import Given, file

__all__ = ["added", "named", "worn"]

SYNTAX = "a1111"  # in which <lora:name:0.8> is no text


def named(settings: Settings, command: Command) -> Settings:
    """The settings with the LoRAs that prompts name, which lie in the folder of --lora-dir alone.

    ValueError or OSError for one that is not there, and for prompts of --batch that name others
    than each other; it is warned of one that is not the picture's own.
    """
    each = [_tags(settings, prompt) for prompt in settings.prompts]
    tags = [tag for some in each for tag in some]
    if not tags:
        return settings
    if settings.batch > 1 and len(set(each)) > 1:
        raise ValueError("prompts that name LoRAs of their own are not drawn at once: drop --batch")
    if command.lora_dir is None:
        raise ValueError(
            f"a prompt names the LoRA {shown(tags[0].name)}: say where it lies by --lora-dir"
        )
    keep: Any = file().kept
    paths = dict.fromkeys(file_of(tag, command.lora_dir) for tag in tags)
    found = tuple(keep(Given(str(path))) for path in paths)
    if {*found} <= {*settings.named}:
        return settings
    if settings.named:
        warnings.warn(
            f"LoRAs in {command.lora_dir} are not those that {command.source} was made with, so "
            "the picture may differ",
            stacklevel=2,
        )
    return settings._replace(named=found)


def _tags(settings: Settings, prompt: str) -> tuple[Tag, ...]:
    return parted(prompt)[1] if settings.prompt_syntax == SYNTAX else ()


def worn(
    model: Any, settings: Settings, command: Command
) -> Callable[[Sequence[str]], tuple[Any, list[str]]]:
    """A function of prompts that are drawn at once: the model with the LoRAs that they name, and
    the prompts without those names. Models are made as they are asked for, and the last is kept.
    """

    @functools.lru_cache(1)
    def with_tags(tags: tuple[Tag, ...]) -> Any:
        import mdx
        from mdx.families import family_of

        family = family_of(model)
        loras = []
        for tag in tags:
            encoders = dict.fromkeys(family.encoders(model), tag.text)
            file = file_of(tag, str(command.lora_dir))
            loras.append((mdx.lora.load(file), {family.network: tag.network, **encoders}))
        return mdx.lora.merge(model, loras)

    def of(prompts: Sequence[str]) -> tuple[Any, list[str]]:
        tags = _tags(settings, prompts[0])
        if not tags:
            return model, list(prompts)
        return with_tags(tags), [parted(prompt)[0] for prompt in prompts]

    return of


def added(model: Any, settings: Settings, files: Places) -> Any:
    """The model with the LoRAs and the textual inversions of the settings, from where files lie.

    ValueError or OSError by the option's name for what does not fit.
    """
    import mdx

    try:
        for path in files.get("embedding", ()):
            model = mdx.textual_inversion.add(model, path)
    except (ValueError, OSError) as error:
        raise type(error)(f"{flag('embedding')}: {error}") from None
    if not settings.lora:
        return model
    try:
        strengths = [1.0 if one.scale is None else one.scale for one in settings.lora]
        loras = [mdx.lora.load(path) for path in files["lora"]]
        return mdx.lora.merge(model, list(zip(loras, strengths, strict=True)))
    except (ValueError, OSError) as error:
        raise type(error)(f"{flag('lora')}: {error}") from None
