"""What `generate` is asked of LoRAs: which images wear which, and whose texts are read by what."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx.adapters.lora_rows import Some, each_image, text_models, worn
from mdx.conditioning import concat
from mdx.families import Family
from mdx.prompt_schedule import Changing, Schedule, at, every
from mdx.sampling.factors import Factors, taken
from mdx.sampling.scales import Followed
from mdx.sampling.scales import scales as scales_of

__all__ = ["Asked", "Loras", "asked", "factors_of", "joined", "readers", "weighed"]


class Asked(NamedTuple):
    """What of `generate`'s arguments LoRAs depend on."""

    lora: Any
    scale: Any
    images: int
    rows: int  # of the longest table
    texts: bool  # whether any prompt is a text, which is yet to be encoded


class Loras(NamedTuple):
    """The LoRAs of a run, looked at."""

    each: tuple[Some, ...]  # of each image, those of its texts
    factors: Factors | None  # of all images; None where no LoRA changes the network
    scale: Followed  # (), (B,), (N, B) or a function of the row
    groups: tuple[int, ...]  # (B,) which of `readers` reads the image's texts
    read: bool  # whether texts are read by more than the model itself


def asked(model: Any, given: Asked) -> Loras | None:
    """What is asked, or None for no LoRA at all.

    ValueError or TypeError by the argument's name for what does not fit, and for texts that would
    have to be read anew in each row.
    """
    if given.lora is None:
        if given.scale is not None:
            raise ValueError("lora_scale is of LoRAs: give lora, too")
        return None
    each = each_image("lora", given.lora, given.images)
    scale = _scale(given)
    found = worn(model, each)
    constant = None if callable(scale) or scale.ndim == 2 else np.broadcast_to(scale, given.images)
    if not any(found.each) or not given.texts:
        return Loras(each, found.factors, scale, (0,) * given.images, False)
    if constant is None:
        raise ValueError(
            "lora_scale follows the rows, and a LoRA of the run changes a text encoder, which "
            "reads a prompt once: give prompts that encode_prompt made with a model into which "
            'mdx.lora.merge put it, as merge(model, lora, {"unet": 0})'
        )
    own = tuple(
        tuple((lora, float(strength * factor)) for lora, strength in some)
        for some, factor in zip(found.each, constant, strict=True)
    )
    kinds = list(dict.fromkeys(own))
    groups = tuple(kinds.index(some) for some in own)
    return Loras(own, found.factors, scale, groups, True)


def _scale(given: Asked) -> Followed:
    """How strongly, of each image, and in each row."""
    scale = scales_of("lora_scale", 1.0 if given.scale is None else given.scale)
    if callable(scale):
        return scale
    shapes = ((), (given.images,), (given.rows, given.images))
    if scale.shape not in shapes:
        raise ValueError(
            f"lora_scale must be a number, ({given.images},) or ({given.rows}, {given.images}): "
            f"one an image, or one a row and image, not {scale.shape}"
        )
    return scale


def readers(model: Any, family: Family, loras: Loras | None) -> list[Any]:
    """The models that read prompts, by `Loras.groups`: each with its images' LoRAs in the text."""
    if loras is None or not loras.read:
        return [model]
    kinds = dict(zip(loras.groups, loras.each, strict=True))
    return text_models(model, family.network, [kinds[group] for group in sorted(kinds)])


def joined(
    model: Any, run: Any, made: Callable[[Any, Any], tuple[Changing, Changing | None]]
) -> tuple[Changing, Changing | None]:
    """What made(reader, run) says of all prompts and negative ones, one reader after the other."""
    found = [made(one, run) for one in readers(model, run.family, run.loras)]
    negatives = [negative for _, negative in found if negative is not None]
    return _one_after_other([one for one, _ in found]), (
        _one_after_other(negatives) if negatives else None
    )


def _one_after_other(some: list[Changing]) -> Changing:
    """The images of all; those of one text by another reader change in the same rows."""
    if len(some) == 1:
        return some[0]
    first, numbers = some[0], range(len(every(some[0])))
    conditionings = tuple(concat(*(at(one, number) for one in some)) for number in numbers)
    if isinstance(first, Schedule):
        return first._replace(conditionings=conditionings)
    return conditionings[0]


def factors_of(loras: Loras | None, images: slice, rows: int) -> Factors | None:
    """What the images of a batch wear, over the rows of its table."""
    if loras is None or loras.factors is None:
        return None
    scale = loras.scale
    if isinstance(scale, np.ndarray) and scale.ndim:
        part: NDArray[np.float32] = scale[:rows, images] if scale.ndim == 2 else scale[images]
        scale = part
    return taken(loras.factors, images, scale)


def weighed(model: Any, family: Family, loras: Loras | None) -> Any:
    """The model with what images wear among its weights, for a plan of memory."""
    if loras is None or loras.factors is None:
        return model
    net = getattr(model, family.network)
    both = net._replace(params={**net.params, **loras.factors.params})
    return model._replace(**{family.network: both})
