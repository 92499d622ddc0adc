"""LoRAs added to the weights of a model, which stay mapped where nothing is added."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, NamedTuple

import mindspore
import numpy as np
from numpy.typing import NDArray

from mdx import bfloat16
from mdx.adapters.lora_file import Layer, Lora
from mdx.adapters.lora_fit import fitted, misfit
from mdx.adapters.lora_kinds import bias_delta, decomposes, delta
from mdx.adapters.lora_names import Place
from mdx.checks import did_you_mean, finite, shown
from mdx.families import check_model
from mdx.heap import apart
from mdx.mapped import check_files, drop
from mdx.net import Net

__all__ = ["listed", "merged", "strength"]

THREADS = 2  # that work on a weight each: what they hold beside the result is theirs times this

CHUNK = 1 << 20  # numbers that are cast at once


class Share(NamedTuple):
    """What one LoRA adds to one layer."""

    lora: Lora
    layer: Layer
    strength: float


def merged(model: Any, lora: Any, scale: Any, warned: bool = False) -> Any:
    """See `lora.merge`; warned: that there are names left over was said already."""
    check_model(model)
    some = listed("lora", lora, by_name=True)
    each = fitted(model, [one for one, _ in some], warned)
    for strengths in (scale, *(own for _, own in some)):
        checked_scale(model, strengths)
    shares: dict[Place, list[Share]] = {}
    for one, (_, own) in zip(each, some, strict=True):
        for place, layers in one.layers.items():
            factor = strength(own, place) * strength(scale, place)
            if factor:
                found = [Share(one.lora, layer, factor) for layer in layers]
                shares.setdefault(place, []).extend(found)
    changed = {}
    for part in dict.fromkeys(place.part for place in shares):
        inside = {place: found for place, found in shares.items() if place.part == part}
        changed[part] = _net(model, getattr(model, part), inside)
    return model._replace(**changed)


def listed(name: str, lora: Any, by_name: bool = False) -> list[tuple[Lora, Any]]:
    """LoRAs with their strengths; TypeError or ValueError by name for what is none.

    by_name: whether a strength may be numbers by names of the model, too.
    """
    if isinstance(lora, Lora):
        return [(lora, 1.0)]
    pair = type(lora) is tuple and len(lora) == 2 and not isinstance(lora[1], (Lora, tuple))
    given = [lora] if pair else lora
    if type(given) not in (list, tuple) or not given:
        raise TypeError(
            f"{name} must be what mdx.lora.load returns, or a list of them, not {shown(lora)}"
        )
    found = []
    for one in given:
        if isinstance(one, Lora):
            found.append((one, 1.0))
        elif type(one) is tuple and len(one) == 2 and isinstance(one[0], Lora):
            mapped = by_name and isinstance(one[1], Mapping)
            own = one[1] if mapped else finite(f"the strength of {one[0].name}", one[1])
            found.append((one[0], own))
        else:
            raise TypeError(f"{name} is of LoRAs, or of pairs with a strength, not {shown(one)}")
    return found


def checked_scale(model: Any, scale: Any) -> None:
    """TypeError or ValueError for what is neither a number nor numbers by names of the model."""
    if not isinstance(scale, Mapping):
        finite("scale", scale)
        return
    family = check_model(model)
    names = set()
    for part in (family.network, *family.encoders(model)):
        for name in getattr(model, part).params:
            parts = f"{part}.{name}".split(".")
            names.update(".".join(parts[:end]) for end in range(1, len(parts)))
    for name, value in scale.items():
        if name not in names:
            raise ValueError(
                f"scale is given for {shown(name)}, and no part or layer of the model is called so"
                f"{did_you_mean(name, sorted(names)[:2000])}"
            )
        finite(f"scale of {name}", value)


def strength(scale: Any, place: Place) -> float:
    """The number for a layer: that of the longest name that its own begins with, else 1."""
    if not isinstance(scale, Mapping):
        return float(scale)
    parts = f"{place.part}.{place.layer}".split(".")
    for end in range(len(parts), 0, -1):
        if (found := scale.get(".".join(parts[:end]))) is not None:
            return float(found)
    return 1.0


def _net(model: Any, net: Net, shares: Mapping[Place, Sequence[Share]]) -> Net:
    """A net with the changed weights in the place of its own."""
    check_files(net.places.values())

    def changed(item: tuple[Place, Sequence[Share]]) -> dict[str, mindspore.Tensor]:
        place, some = item
        found = {}
        for role in ("weight", "bias"):
            made = _parameter(model, net, place, role, some)
            if made is not None:
                found[f"{place.layer}.{role}"] = made
        return found

    new: dict[str, mindspore.Tensor] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(changed, shares.items()):
            new.update(found)
    places = {name: place for name, place in net.places.items() if name not in new}
    params = mindspore.mutable({**net.params, **new})
    return net._replace(params=params, places=MappingProxyType(places))


def _parameter(
    model: Any, net: Net, place: Place, role: str, shares: Sequence[Share]
) -> mindspore.Tensor | None:
    """One parameter with all that is added to it; None where nothing is."""
    name = f"{place.layer}.{role}"
    param = net.params.get(name)
    stored = None if param is None else bfloat16.array(param)
    total = None
    for lora, layer, factor in shares:
        try:
            change = _change(layer, role, param, stored)
        except ValueError as error:
            raise misfit(model, lora, place, error) from None
        if change is None:
            continue
        if not decomposes(layer) and total is None:
            total = change
            total *= factor
        elif total is None:
            total = change * factor
        else:
            total = total + change * factor
    if total is None or param is None or stored is None:
        return None
    made = _sum(param, stored, total)
    if not _finite(made):
        dtype = str(param.dtype).lower()
        raise ValueError(
            f"{place.part}.{name} with {', '.join(one.lora.name for one in shares)} has values too "
            f'large for {dtype}: load the model with dtype="float32", or use a smaller strength'
        )
    if name in net.places:
        drop([net.places[name]])
    if param.dtype == mindspore.bfloat16:
        return bfloat16.tensor(made)
    return mindspore.Tensor.from_numpy(made)


def _change(
    layer: Layer, role: str, param: mindspore.Tensor | None, stored: NDArray[Any] | None
) -> NDArray[Any] | None:
    """What a layer adds to a parameter at strength 1."""
    if role == "weight":
        if param is None or stored is None:
            raise ValueError("has no weight in the model")
        wide = bfloat16.widened(stored) if param.dtype == mindspore.bfloat16 else stored
        return delta(layer, wide)
    if param is None:
        if "diff_b" in layer.tensors or "up_bias" in layer.tensors:
            raise ValueError("has no bias in the model, to which it would add")
        return None
    return bias_delta(layer, param.shape)


def _sum(param: mindspore.Tensor, stored: NDArray[Any], total: NDArray[Any]) -> NDArray[Any]:
    """stored + total, in the dtype of the parameter; bfloat16 as words."""
    flat, added = stored.reshape(-1), total.reshape(-1)
    made = apart(flat.size, flat.dtype)
    half = param.dtype == mindspore.bfloat16
    for first in range(0, len(flat), CHUNK):
        some = flat[first : first + CHUNK]
        wide = bfloat16.widened(some) if half else some.astype(added.dtype)
        with np.errstate(over="ignore"):
            moved = wide + added[first : first + CHUNK]
            made[first : first + CHUNK] = bfloat16.rounded(moved) if half else moved
    return made.reshape(stored.shape)


def _finite(numbers: NDArray[Any]) -> bool:
    """Whether all are; float16 and the words of bfloat16 as whole numbers, which is quicker."""
    exponent = {np.dtype(np.float16): 0x7C00, np.dtype(np.uint16): 0x7F80}.get(numbers.dtype)
    if exponent is None:
        return bool(np.isfinite(numbers).all())
    return int((numbers.view(np.uint16) & 0x7FFF).max(initial=0)) < exponent
