"""Settings as A1111's text of a picture has them, and what of such a text they can be made of."""

import re
from typing import Any, NamedTuple

from mdx import infotext
from mdx.checks import shown
from mdx.infotext import Text
from mdx.options import FIELDS, Settings
from mdx.settings_kinds import variation

__all__ = ["Foreign", "foreign", "names", "written"]

CLIP_SKIP = "Clip skip"  # counts the last layer, as 1
VARIATION = ("Variation seed", "Variation seed strength")

# What A1111 reads out of a prompt: files of networks, which are no words of it.
FILES = re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>")

# What says nothing of the picture that settings could hold: of files, programs and their own paths.
SILENT = {
    "Version", "Model", "Model hash", "VAE", "VAE hash", "Schedule type", "RNG", "Hashes",
    "Lora hashes", "TI hashes", "User", "Created Date", "Emphasis",
}  # fmt: skip


class Foreign(NamedTuple):
    """What another program's text comes to."""

    given: dict[str, Any]  # by the settings' fields
    model: str | None  # what it calls the checkpoint, in its own words
    left_out: list[str]  # files that its prompts name, and the keys that settings cannot hold


def written(settings: Settings) -> str | None:
    """A1111's text of one picture; None for several, and for a prompt that the form cannot hold."""
    if len(settings.prompts) != 1 or len(settings.seeds) != 1:
        return None
    pairs: dict[str, str] = {}
    for name, value in settings._asdict().items():
        option = FIELDS[name].option
        if option is None or option.key is None or value is None:
            continue
        word = _word(value[0] if isinstance(value, tuple) else value)
        pairs[option.key] = f"{pairs[option.key]}x{word}" if option.key in pairs else word
    if "Sampler" in pairs:
        pairs |= _menu_names(pairs["Sampler"])
    if settings.variation is not None:
        pairs |= zip(VARIATION, map(_word, variation(settings.variation)), strict=True)
    if settings.clip_skip:
        pairs[CLIP_SKIP] = str(settings.clip_skip + 1)
    if settings.model is not None:
        pairs["Model"] = settings.model
    order = ["Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size"]
    pairs = {key: pairs[key] for key in sorted(pairs, key=lambda key: [*order, key].index(key))}
    pairs["Version"] = f"mdx {settings.version}"
    return infotext.write(Text(settings.prompts[0], settings.negative or "", pairs))


def foreign(text: Text) -> Foreign:
    """What another program's text comes to. ValueError by its key for a value that makes none."""
    prompt, negative = (FILES.sub("", words).strip() for words in text[:2])
    given: dict[str, Any] = {
        "prompts": [prompt],
        "negative": negative or None,
        "prompt_syntax": "a1111",
    }
    used = set(SILENT)
    for name, field in FIELDS.items():
        option = field.option
        if option is None or option.key is None or option.key not in text.pairs:
            continue
        used.add(option.key)
        word = text.pairs[option.key]
        try:
            if option.split:
                sharing = [n for n, f in FIELDS.items() if f.option and f.option.key == option.key]
                value = option.split(word)[sharing.index(name)]
            else:
                value = field.kind.read(word)
        except ValueError:
            raise ValueError(f"its {option.key} makes none: {shown(word)}") from None
        given[name] = [value] if field.length is not None else value
    if "scheduler" in given:
        given["scheduler"] = _scheduler(given["scheduler"], text.pairs.get("Schedule type"))
    if CLIP_SKIP in text.pairs:
        given["clip_skip"] = _skipped(text.pairs[CLIP_SKIP])
        used.add(CLIP_SKIP)
    if all(key in text.pairs for key in VARIATION):
        given["variation"] = ":".join(text.pairs[key] for key in VARIATION)
        used |= set(VARIATION)
    left_out = [key for key in text.pairs if key not in used]
    files = [found[0] for words in text[:2] for found in FILES.finditer(words)]
    return Foreign(given, text.pairs.get("Model"), [*files, *left_out])


def names() -> dict[str, str]:
    """What errors call the fields of a foreign text."""
    keys = {name: field.option.key for name, field in FIELDS.items() if field.option}
    return {name: f"its {keys.get(name) or name}" for name in FIELDS}


def _skipped(word: str) -> int | None:
    """How many layers a clip skip leaves out. ValueError for what is none."""
    if word.isdecimal() and 1 <= int(word[:4]) <= 100:
        return int(word) - 1 or None
    raise ValueError(f"its {CLIP_SKIP} makes none: {shown(word)}")


def _word(value: Any) -> str:
    """A value as A1111 writes it: whole numbers without a point."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _scheduler(sampler: str, schedule: str | None) -> str:
    """Both in one name; of a sampler with levels of its own A1111 says a schedule in vain."""
    from mdx.schedulers.menus import A1111

    named = A1111.samplers.get(sampler)
    return sampler if schedule is None or (named and named.own_levels) else f"{sampler} {schedule}"


def _menu_names(name: str) -> dict[str, str]:
    """Sampler and schedule as A1111's menu has them, if it has what is meant."""
    from mdx.schedulers.menus import A1111
    from mdx.schedulers.naming import meaning, meant, own_names

    if name in own_names():
        return {}
    try:
        wanted = meant(name)
    except ValueError:
        wanted = None
    if wanted is None:
        return {}
    for sampler in A1111.samplers:
        for schedule in A1111.schedules:
            one = meaning(A1111, f"{sampler} {schedule}", sampler, schedule)
            if (one.sampler, one.options) == (wanted.sampler, wanted.options):
                return {"Sampler": sampler, "Schedule type": schedule}
        one = meaning(A1111, sampler, sampler, A1111.usual)
        if (one.sampler, one.options) == (wanted.sampler, wanted.options):
            return {"Sampler": sampler}
    return {}
