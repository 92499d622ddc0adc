"""What made a picture: the record that the command line fills in and a PNG carries."""

from collections.abc import Mapping
from importlib import metadata
from typing import Any, NamedTuple

__all__ = ["Settings", "from_json", "to_json", "version"]


class Settings(NamedTuple):
    """Everything `mdx` needs to make its pictures again; None means the checkpoint's default."""

    version: str  # of the mdx that made it
    model: str | None  # Hub id or absolute folder; None is the packaged checkpoint
    variant: str | None  # of the weights' files, such as "fp16"
    revision: str | None  # the Hub commit, or what was asked for
    dtype: str  # "float32" or "float16"
    prompts: tuple[str, ...]  # pictures are made for every prompt and every seed
    seeds: tuple[int, ...]  # whole numbers from 0
    negative: str | None  # negative prompt, for all pictures
    scheduler: str | None  # its name
    steps: int | None  # of the scheduler
    guidance: float  # scale of the classifier-free guidance
    width: int | None  # pixels
    height: int | None  # pixels
    memory: str | None  # the budget, such as "6GB": what keeps within it may change last bits
    grid: tuple[int, int] | None  # rows and columns; None for pictures of their own


def version() -> str:
    """The installed mdx's version; "unknown" when it runs from a source folder."""
    try:
        return metadata.version("mdx")
    except metadata.PackageNotFoundError:
        return "unknown"


def to_json(settings: Settings) -> dict[str, Any]:
    """The settings as a JSON object; tuples become lists on the way."""
    return settings._asdict()


def from_json(json: Mapping[str, Any]) -> Settings:
    """Check a JSON object and make the record of it. Raises ValueError that names the field."""
    json = {"memory": None} | dict(json)  # pictures of before there were budgets have none
    missing, unknown = CHECKS.keys() - json.keys(), json.keys() - CHECKS.keys()
    if missing or unknown:
        raise ValueError(
            f"the settings do not fit this mdx ({version()}; they are from "
            f"{json.get('version', 'an unknown one')}): "
            f"missing {sorted(missing)}, not known {sorted(unknown)}"
        )
    for name, value in json.items():
        if not CHECKS[name](value):
            raise ValueError(f"the settings' {name} makes no sense: {value!r}")
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in json.items()}
    return Settings(**fields)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _text_or_none(value: Any) -> bool:
    return value is None or _text(value)


def _whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _whole_or_none(value: Any) -> bool:
    return value is None or _whole(value)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_text, value))


def _wholes(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_whole, value))


CHECKS = {
    "version": _text,
    "model": _text_or_none,
    "variant": _text_or_none,
    "revision": _text_or_none,
    "dtype": _text,
    "prompts": _texts,
    "seeds": _wholes,
    "negative": _text_or_none,
    "scheduler": _text_or_none,
    "steps": _whole_or_none,
    "guidance": lambda value: type(value) in (int, float),
    "width": _whole_or_none,
    "height": _whole_or_none,
    "memory": _text_or_none,
    "grid": lambda value: value is None or (_wholes(value) and len(value) == 2),
}
