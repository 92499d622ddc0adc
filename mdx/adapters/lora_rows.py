"""LoRAs that are not merged: the factors of several beside one model's weights, to each image its
own."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import mindspore
import numpy as np
from numpy.typing import NDArray

from mdx import bfloat16
from mdx.adapters.lora_file import Layer, Lora
from mdx.adapters.lora_fit import fitted, misfit
from mdx.adapters.lora_merge import listed, merged
from mdx.adapters.lora_names import Place
from mdx.checks import entries, shown
from mdx.families import family_of
from mdx.files import as_name
from mdx.nets.low_rank import DOWN, OF, UP
from mdx.sampling.factors import Factors

__all__ = ["Some", "Worn", "each_image", "text_models", "worn"]

Some = tuple[tuple[Lora, float], ...]  # LoRAs with their strengths; none for ()

DTYPES = {"float16": np.float16, "float32": np.float32}


class Worn(NamedTuple):
    """The LoRAs of a run's images."""

    each: tuple[Some, ...]  # of each image, those that change a text encoder
    factors: Factors | None  # of all images; None where none changes the network


def each_image(name: str, value: Any, count: int) -> tuple[Some, ...]:
    """The LoRAs of each of `count` images; TypeError or ValueError by name for what is none.

    One LoRA, or a pair of one with its strength, is for all of them; a list has an entry an image:
    a LoRA, a pair, a list of those, or None.
    """
    if value is None:
        return ((),) * count
    pair = type(value) is tuple and len(value) == 2 and isinstance(value[1], (int, float))
    if isinstance(value, Lora) or pair:
        return (tuple(listed(name, value)),) * count
    given = entries(value)
    if given is None:
        raise TypeError(f"{name} must be of LoRAs that mdx.lora.load returned, not {shown(value)}")
    if len(given) != count:
        raise ValueError(f"{len(given)} entries of {name} for {count} images: give one an image")
    return tuple(() if one is None or one == [] else tuple(listed(name, one)) for one in given)


def worn(model: Any, each: tuple[Some, ...]) -> Worn:
    """What images wear, looked at: all fits, and all is of low rank.

    Raises ValueError for what does not fit, and for kinds that no image can have by itself.
    """
    some = list(dict.fromkeys(lora for one in each for lora, _ in one))
    network = family_of(model).network
    found = fitted(model, some)
    strengths = np.zeros((len(each), len(some)), np.float32)
    for image, one in enumerate(each):
        for lora, strength in one:
            strengths[image, some.index(lora)] += strength
    layers: dict[Place, list[tuple[int, Layer]]] = {}
    for number, fit in enumerate(found):
        for place, own in fit.layers.items():
            if place.part == network:
                layers.setdefault(place, []).extend((number, layer) for layer in own)
    reading = {fit.lora for fit in found if any(place.part != network for place in fit.layers)}
    params: dict[str, mindspore.Tensor] = {}
    for place, own in layers.items():
        params.update(_entries(model, place, own, some))
    factors = Factors(params, strengths) if params else None
    return Worn(tuple(tuple(o for o in one if o[0] in reading) for one in each), factors)


def text_models(model: Any, network: str, kinds: Sequence[Some]) -> list[Any]:
    """The model with LoRAs merged into its text encoders, and into nothing else, for each of some.

    network: the part that denoises.
    """
    return [
        merged(model, list(some), {network: 0.0}, warned=True) if some else model for some in kinds
    ]


def _entries(
    model: Any, place: Place, layers: Sequence[tuple[int, Layer]], some: Sequence[Lora]
) -> Mapping[str, mindspore.Tensor]:
    """What the graphs read of one layer: see nets/low_rank.py."""
    net = getattr(model, place.part)
    weight = net.params.get(place.layer + ".weight")
    downs, ups, numbers = [], [], []
    for number, layer in layers:
        try:
            down, up = _factors(layer, None if weight is None else tuple(weight.shape))
        except ValueError as error:
            raise misfit(model, some[number], place, error) from None
        downs.append(down)
        ups.append(up * np.float32(layer.scale))
        numbers += [number] * len(down)
    of = np.float32(np.arange(len(some))[:, None] == np.array(numbers)[None])
    dtype = str(net.params[place.layer + ".weight"].dtype).lower()
    return {
        place.layer + DOWN: _tensor(np.concatenate(downs), dtype),
        place.layer + UP: _tensor(np.concatenate(ups, 1), dtype),
        place.layer + OF: mindspore.Tensor(of),
    }


def _factors(
    layer: Layer, shape: tuple[int, ...] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """down (r, I) or (r, I, k, k), and up (O, r) or (O, r, 1, 1), for a weight of a shape."""
    others = sorted(layer.tensors.keys() - {"down", "up", "mid"})
    if layer.kind != "LoRA" or others:
        what = layer.kind if layer.kind != "LoRA" else f"LoRA with {others[0]}"
        raise ValueError(
            f"is a {as_name(what)}, which is no product of two factors, and cannot go to one "
            "picture by itself: mdx.lora.merge it into the model"
        )
    if shape is None:
        raise ValueError("has no weight in the model")
    down, up = (np.asarray(layer.tensors[role], np.float32) for role in ("down", "up"))
    if "mid" in layer.tensors:
        mid = np.asarray(layer.tensors["mid"], np.float32)
        inner = down.reshape(len(down), -1)
        down = np.moveaxis(np.tensordot(mid, inner, ([1], [0])), -1, 1)
    rank = len(down)
    size = shape[1:] if len(shape) == 4 and down.ndim == 4 else (shape[1], *[1] * (len(shape) - 2))
    fits = down.size == rank * np.prod(shape[1:]) and up.shape[:2] == (shape[0], rank)
    if not fits or up.size != shape[0] * rank:
        raise ValueError(f"has factors of {up.shape} and {down.shape} for a weight of {shape}")
    ones = [1] * (len(shape) - 2)
    return down.reshape(rank, *size), up.reshape(shape[0], rank, *ones)


def _tensor(array: NDArray[np.float32], dtype: str) -> mindspore.Tensor:
    if dtype == "bfloat16":
        return bfloat16.tensor(np.ascontiguousarray(bfloat16.rounded(array)))
    return mindspore.Tensor.from_numpy(np.ascontiguousarray(array, DTYPES[dtype]))
