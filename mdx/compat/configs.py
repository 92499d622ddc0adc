"""Configs as scripts read them."""

from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["Config"]


class Config(dict[str, Any]):
    """A config that is read by key or as an attribute, and is never changed."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        # Its items are its attributes: a name that is none of them is an ordinary AttributeError.
        object.__setattr__(self, "__dict__", self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Config, (dict(self),)


def _refuse(config: Config, *_: Any, **__: Any) -> NoReturn:
    raise TypeError(
        "a config is never changed: make another scheduler with "
        "from_config(pipe.scheduler.config, key=value)"
    )


for _name in (
    "__setattr__", "__setitem__", "__delattr__", "__delitem__", "__ior__", "clear", "pop",
    "popitem", "setdefault", "update",
):  # fmt: skip
    setattr(Config, _name, _refuse)
