"""A model in a few lines."""

from typing import Any

from mdx.net import Net, summary
from mdx.schedulers import Scheduler
from mdx.tokenizer import Tokenizer

__all__ = ["described"]


def described(model: Any) -> str:
    """Its parts, one a line; what they hold is in their fields."""
    name = type(model).__name__
    try:
        parts = [_part(part, getattr(model, part)) for part in model._fields if part != "index"]
    except (AttributeError, TypeError, ValueError):
        return f"{name}(of parts that make none)"
    return "\n    ".join([f"{name}(", *parts]) + ")"


def _part(name: str, part: Any) -> str:
    if part is None:
        return f"{name}: none"
    if isinstance(part, Net):
        return f"{name}: {summary(part)}"
    if isinstance(part, Tokenizer):
        return f"{name}: {part.size} ids, {part.length} a prompt"
    if isinstance(part, Scheduler):
        return f"{name}: {part.name}"
    raise TypeError(name)
