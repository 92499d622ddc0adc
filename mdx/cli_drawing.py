"""Settings to pictures in files: the part of the command that loads and draws."""

import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from mdx import cli_adapters, cli_tasks, images
from mdx.cli_files import Places
from mdx.cli_samplers import overrides
from mdx.options import FIELDS, Command, Settings
from mdx.settings import check_grid, to_json
from mdx.settings_infotext import written
from mdx.settings_kinds import variation
from mdx.terminal import interactive, report

__all__ = ["Asked", "draw"]


class Asked(NamedTuple):
    """What a command asks for."""

    settings: Settings  # as the PNGs carry them
    source: str | None  # what to load: the settings may say less of it
    command: Command = Command()
    files: Places = MappingProxyType({})  # where a field's files lie
    foreign: bool = False  # whether the clip skip is that of another program's text


def draw(asked: Asked, files: list[Path]) -> None:
    """Load the model, make the pictures and write them. Raises as loading and making do."""
    begin = time.perf_counter()

    import mdx
    from mdx import hub
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
    model = mdx.load(
        folder,
        dtype=settings.dtype,
        variant=settings.variant,
        offline=asked.command.offline,
        config=asked.command.config,
        prediction_type=settings.prediction_type,
    )
    model = cli_adapters.added(model, settings, asked.files)
    worn = cli_adapters.worn(model, settings, asked.command)
    if asked.foreign and settings.clip_skip and not _skips_as_a1111(model):
        warnings.warn(
            "A1111 heeds its clip skip for Stable Diffusion 1.x alone, and it is left out here "
            "(--clip-skip asks for one)",
            stacklevel=2,
        )
        settings = settings._replace(clip_skip=None)
    work, keywords = cli_tasks.work(settings, keywords_of(asked._replace(settings=settings)))
    keywords["scheduler"] = chosen(model, settings)
    loaded = time.perf_counter()
    wanted = [(prompt, seed) for prompt in settings.prompts for seed in settings.seeds]
    made, count = [], 0
    # One at a time, unless a --batch is asked: a picture then depends on its own settings alone,
    # down to the last bit.
    for first in range(0, len(wanted), settings.batch):
        part = wanted[first : first + settings.batch]
        drawn = _batch(work, worn, part, settings, keywords)
        for (prompt, seed), image in zip(part, drawn, strict=True):
            if settings.hires is None:
                settings = settings._replace(width=image.width, height=image.height)
            if settings.grid is None:
                own = settings._replace(prompts=(prompt,), seeds=(seed,), batch=len(part))
                _save(image, files[count], own, asked.command)
            else:
                check_grid(settings)
                made.append(image)
            count += 1
    if settings.grid is not None:
        _save(images.grid(made, *settings.grid), files[0], settings, asked.command)
    end = time.perf_counter()
    words = f"{count} pictures" if count > 1 else "1 picture"
    report(f"{words} in {end - begin:.1f} s ({loaded - begin:.1f} s of it loading)")


def _batch(
    work: Callable[..., list[Any]],
    worn: Callable[[list[str]], tuple[Any, list[str]]],
    part: list[tuple[str, int]],
    settings: Settings,
    keywords: Mapping[str, Any],
) -> list[Any]:
    """The pictures of some prompts and seeds, drawn at once by what draws them."""
    import mdx

    seeds = [seed for _, seed in part]
    model, prompts = worn([prompt for prompt, _ in part])
    more: dict[str, Any] = {}
    if settings.variation is not None:
        other, strength = variation(settings.variation)
        size = {name: keywords[name] for name in ("scheduler", "steps", "height", "width")}
        more["start"] = mdx.variations.start(model, seeds, other, strength, **size)
    several = settings.batch > 1
    return work(
        model,
        prompts if several else prompts[0],
        seed=seeds if several else seeds[0],
        progress=interactive(),
        **keywords,
        **more,
    )


def _skips_as_a1111(model: Any) -> bool:
    """Whether a model is one whose clip skip A1111 heeds: by its text encoder, OpenAI's CLIP."""
    encoder = model.text_encoder
    return (
        hasattr(model, "unet")
        and not hasattr(model, "text_encoder_2")
        and (encoder is not None and encoder.config.hidden_act == "quick_gelu")
    )


def chosen(model: Any, settings: Settings) -> Any:
    """The scheduler: a name, or None for the checkpoint's, or one with options of --set."""
    from mdx import listing

    if not settings.set:
        return settings.scheduler
    name = settings.scheduler or model.scheduler.name
    return listing.chosen(model.scheduler, name, overrides(settings.set, "--set"), strict=True)


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


def _save(image: Any, path: Path, settings: Settings, command: Command) -> None:
    if command.no_settings:
        images.save_png(image, path, None)
    else:
        images.save_png(image, path, to_json(settings), written(settings))
    report(f"{path} (seed {' '.join(map(str, settings.seeds))})")
