"""Prompts to the conditioning that a model is given: `encode_prompt`."""

from collections.abc import Sequence
from typing import Any

from mdx import sizes as micro
from mdx.checks import flag, shown, whole
from mdx.compile_cache import run
from mdx.conditioning import Conditioning
from mdx.families import Asked, Model, check_encoders, check_model
from mdx.memory import Memory, checked, release

__all__ = ["encode_prompt", "listed"]


@run()
def encode_prompt(
    model: Model,
    texts: str | Sequence[str] | None,
    *,
    negative: bool = False,
    second: str | Sequence[str] | None = None,
    sizes: micro.Sizes | None = None,
    clip_skip: int | None = None,
    memory: Memory | None = None,
) -> Conditioning:
    """Make of prompts what a model is given: `generate` takes it wherever it takes a text.

    Args:
        model: what `load` returned.
        texts: a prompt, or a list of B. None, with `negative`, is the one that nobody gave: what
            the checkpoint reads then, the empty text or zeros.
        negative: whether they are what guidance moves away from, which some families read
            otherwise (SDXL's refiner has another aesthetic score for it).
        second: what the second text encoder reads, as many texts; None for the same ones.
        sizes: for models that were told the sizes of pictures (SDXL), what to tell it; None for the
            size of the picture that is drawn, uncropped.
        clip_skip: how many of CLIP's last layers are left out beyond those that always are; None
            or 0 for none. It holds for these texts alone: give it for the negative prompt, too.
        memory: what is held in memory after it, see `Memory`.

    Returns:
        A Conditioning of B images.

    Raises:
        ValueError, TypeError: for what does not fit, and arguments that the family does not read.
    """
    family, memory = check_model(model), checked(memory)
    negative = flag("negative", negative)
    given = listed("texts", texts) if texts is not None or not negative else None
    asked = Asked(
        negative,
        None if second is None else tuple(listed("second", second)),
        None if sizes is None else micro.checked(sizes),
        None if clip_skip is None else whole("clip_skip", clip_skip, 0),
    )
    if asked.second is not None and len(asked.second) != len(given or ""):
        raise ValueError(f"second has {len(asked.second)} texts for {len(given or '')}")
    check_encoders(model)
    found = family.encode(model, given, asked)
    for name in family.encoders(model):
        release(getattr(model, name), memory)
    return found


def listed(name: str, value: Any) -> list[str]:
    """A text or a list of them as a list; TypeError or ValueError by name for anything else."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} must be a str or a list of str, not {shown(value)}")
    if not texts:
        raise ValueError(f"{name} is an empty list: give at least one")
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{name} is not valid Unicode at {error.start}: {shown(text)}"
            ) from None
    return list(texts)
