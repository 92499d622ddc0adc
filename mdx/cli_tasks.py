"""What the command draws by: `generate`, or what is made of it for large and for wider pictures."""

from collections.abc import Callable
from typing import Any

from mdx.options import Settings

__all__ = ["check", "work"]


def check(settings: Settings) -> None:
    """Raise ValueError for options that say nothing without each other, or against each other."""
    if settings.image is None:
        for name in ("mask", "strength", "outpaint"):
            if getattr(settings, name) is not None and not (name == "strength" and settings.hires):
                raise ValueError(f"--{name} is of a picture: give --image, too")
    elif settings.hires is not None:
        raise ValueError("--hires begins by itself: leave out --image")
    if settings.variation is not None and (settings.image or settings.hires):
        other = "--image" if settings.image else "--hires"
        raise ValueError(f"--variation begins with noise, and nothing else: leave out {other}")
    if settings.outpaint is not None and settings.mask is not None:
        raise ValueError("--outpaint makes the mask of what it adds: leave out --mask")
    if settings.strength is not None and not 0 <= settings.strength <= 1:
        raise ValueError(f"--strength must be from 0 to 1, not {settings.strength:g}")


def work(settings: Settings, keywords: dict[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function that draws, and the keywords that it is given beside the model and the prompt.

    Raises ValueError and OSError for a picture that cannot be read.
    """
    import mdx

    if settings.outpaint is not None:
        image, mask = mdx.outpaint(keywords["image"], settings.outpaint)
        return mdx.generate, keywords | {"image": image, "mask": mask}
    if settings.hires is not None:
        width, height = settings.hires
        left_out = {"strength"} if settings.strength is None else set()
        given = {name: value for name, value in keywords.items() if name not in left_out}
        return mdx.hires, given | {"size": (height, width)}
    return mdx.generate, keywords
