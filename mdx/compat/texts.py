"""Prompts and embeddings as `mdx.generate` takes them."""

from typing import Any, NamedTuple

import numpy as np

import mdx
from mdx.checks import array_of, entries, shown
from mdx.compat.calls import Call
from mdx.families import family_of

__all__ = ["Texts", "array", "embedded", "made"]

XL = "stable_diffusion_xl"


class Texts(NamedTuple):
    """What a run is of."""

    positive: Any  # texts or a Conditioning
    negative: Any  # likewise, or None
    sizes: mdx.Sizes | None  # of texts; a Conditioning has its own
    prompts: int  # P


def made(model: Any, call: Call, *, encoded: bool) -> Texts:
    """The prompts of a call; with `encoded` as Conditionings, where they can be looked at.

    ValueError or TypeError by name for what does not go together.
    """
    _check(call)
    sizes = _sizes(call.original_size, call.crops_coords_top_left, call.target_size)
    if call.aesthetic_score is not None:
        sizes = (sizes or mdx.Sizes())._replace(aesthetic=call.aesthetic_score)
    positive = call.prompt
    if call.prompt_embeds is not None:
        positive = _embedded(model, "prompt_embeds", "pooled_prompt_embeds", call, sizes)
    elif encoded or call.clip_skip is not None or call.prompt_2 is not None:
        positive = mdx.encode_prompt(
            model, call.prompt, second=call.prompt_2, sizes=sizes, clip_skip=call.clip_skip
        )
    count = positive.batch if isinstance(positive, mdx.Conditioning) else _count(positive)
    negative = _negative(model, call, sizes, encoded)
    told = None if isinstance(positive, mdx.Conditioning) else sizes
    return Texts(positive, negative, told, count)


def _check(call: Call) -> None:
    """ValueError unless each prompt is given once, as a text or embedded."""
    if (call.prompt is None) == (call.prompt_embeds is None):
        raise ValueError("give prompt or prompt_embeds, and not both")
    if call.negative_prompt is not None and call.negative_prompt_embeds is not None:
        raise ValueError("give negative_prompt or negative_prompt_embeds, and not both")
    for name in ("prompt", "negative_prompt"):
        second, embeds = f"{name}_2", getattr(call, f"{name}_embeds")
        if embeds is not None and getattr(call, second) is not None:
            raise ValueError(f"{second} is a text, and {name}_embeds are given: they hold both")
        texts = [_count(getattr(call, one)) for one in (name, second)]
        if texts[1] and texts[0] != texts[1]:
            raise ValueError(
                f"{second} has {texts[1]} texts, and {name} {texts[0]}: give as many of both"
            )
        pooled = f"{name[:-6]}pooled_prompt_embeds"
        if embeds is None and getattr(call, pooled) is not None:
            raise ValueError(f"{pooled} goes with {name}_embeds: give both")
    if call.prompt_embeds is not None and call.clip_skip is not None:
        raise ValueError("clip_skip is of texts, and prompt_embeds are given: leave it out")


def _count(texts: Any) -> int:
    """How many texts there are."""
    listed = entries(texts)
    return len(listed) if listed is not None else int(texts is not None)


def _negative(model: Any, call: Call, sizes: mdx.Sizes | None, encoded: bool) -> Any:
    """What guidance moves away from: texts, a Conditioning, or None."""
    own = _negative_sizes(call)
    score = call.negative_aesthetic_score
    sizes = own or (sizes and sizes._replace(aesthetic=None))
    if score is not None:
        sizes = (sizes or mdx.Sizes())._replace(aesthetic=score)
    if call.negative_prompt_embeds is not None:
        names = ("negative_prompt_embeds", "negative_pooled_prompt_embeds")
        return _embedded(model, *names, call, sizes)
    second, text = call.negative_prompt_2, call.negative_prompt
    if encoded or second is not None or own is not None or score is not None:
        return mdx.encode_prompt(model, text, negative=True, second=second, sizes=sizes)
    return text


def _sizes(original: Any, crop: Any, target: Any) -> mdx.Sizes | None:
    if original is None and crop is None and target is None:
        return None
    return mdx.Sizes(original, (0, 0) if crop is None else crop, target)


def _negative_sizes(call: Call) -> mdx.Sizes | None:
    """What the negative prompt alone is told; mindone reads it where both sizes are given."""
    original, target = call.negative_original_size, call.negative_target_size
    crop = call.negative_crops_coords_top_left
    if (original is None) != (target is None) or (original is None and crop not in (None, (0, 0))):
        raise ValueError(
            "negative_original_size, negative_target_size and negative_crops_coords_top_left are "
            "read where both sizes are given: give both, or none of the three"
        )
    return None if original is None else _sizes(original, crop, target)


def _embedded(
    model: Any, name: str, pooled: str, call: Call, sizes: mdx.Sizes | None
) -> mdx.Conditioning:
    """A Conditioning of embeddings (P, S, D), and of SDXL's vectors (P, D)."""
    family = family_of(model)
    arrays = {"context": _floats(name, getattr(call, name), 3)}
    vectors = getattr(call, pooled)
    if family.name == XL:
        if vectors is None:
            raise ValueError(f"{name} of SDXL go with {pooled}: give both")
        arrays["pooled"] = _floats(pooled, vectors, 2)
    count = len(arrays["context"])
    for key, value in {} if sizes is None else sizes._asdict().items():
        if value is not None:
            arrays[key] = np.repeat(np.asarray(value, np.float32).reshape(1, -1), count, 0)
    try:
        found = mdx.conditioning.make(family.name, arrays)
        family.fits(model, found)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return found


def _floats(name: str, value: Any, axes: int) -> Any:
    found = array(name, value)
    if found.ndim != axes or found.dtype.kind != "f":
        kind = "(P, S, D)" if axes == 3 else "(P, D)"
        raise ValueError(f"{name} must be floats {kind}, not {found.dtype} {found.shape}")
    return found


def array(name: str, value: Any) -> Any:
    """A tensor or an array on the host; numpy has no bfloat16, which float32 holds."""
    import mindspore

    if isinstance(value, mindspore.Tensor) and value.dtype == mindspore.bfloat16:
        value = value.astype(mindspore.float32)
    if isinstance(value, str) or value is None:
        raise TypeError(f"{name} must be an array, not {shown(value)}")
    return array_of(name, value)


def embedded(model: Any, call: Call, guided: bool) -> tuple[Any, ...]:
    """Tensors of a call's prompts and their negatives, an entry an image: `Pipeline.encode_prompt`.

    Of SDXL then the vectors of both.
    """
    from mindspore import Tensor

    texts = made(model, call, encoded=True)
    negative = texts.negative if guided else None

    def rows(one: Any, name: str) -> Any:
        if one is None:
            return None
        alone = one.batch < texts.prompts
        values = np.repeat(one.arrays[name], texts.prompts if alone else 1, 0)
        return Tensor(np.repeat(values, call.num_images_per_prompt, 0))

    names = ("context", "pooled") if "pooled" in texts.positive.arrays else ("context",)
    return tuple(rows(one, name) for name in names for one in (texts.positive, negative))
