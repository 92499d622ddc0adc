"""Models made of models' weights: a blend of two, and the difference of two added to a third."""

from collections.abc import Callable, Mapping
from typing import Any

import mindspore
import numpy as np

from mdx import bfloat16, casting, families
from mdx.checks import finite, shown
from mdx.families import Model
from mdx.mapped import check_files, drop
from mdx.net import Net
from mdx.weights import dtype_of

__all__ = ["add_difference", "blend"]


def blend(a: Model, b: Model, share: float | Mapping[str, float]) -> Model:
    """A model whose weights lie between those of two: (1 - share) a + share b.

    It is a's in all else. Weights that are the same in both stay where a has them, mapped; others
    are computed in float32 and held in a's dtype.

    Args:
        a: what `load` returned.
        b: of the same family and sizes.
        share: how much of b it has, 0 to 1, or beyond; or by part, as {"unet": 0.3}: others are
            a's.

    Returns:
        The model.

    Raises:
        TypeError, ValueError: for models that do not fit each other, and a share that is no number.
    """
    shares = _shares(a, share)

    def mixed(part: str) -> Callable[..., Any]:
        amount = np.float32(shares[part])
        return lambda x, y: (np.float32(1) - amount) * x + amount * y

    return _made(a, {"b": b}, {part: mixed(part) for part in shares}, [("a", "b")])


def add_difference(
    a: Model, b: Model, base: Model, share: float | Mapping[str, float] = 1.0
) -> Model:
    """A model with what another has learned beyond a third: a + share (b - base).

    Args:
        a: what `load` returned; the result is a's in all but weights.
        b: of the same family and sizes.
        base: what b was made of.
        share: how much of the difference is added; or by part, as in `blend`.

    Returns:
        The model. Weights that are the same in b and base stay where a has them.

    Raises:
        TypeError, ValueError: as for `blend`.
    """
    shares = _shares(a, share)

    def added(part: str) -> Callable[..., Any]:
        amount = np.float32(shares[part])
        return lambda x, y, z: x + amount * (y - z)

    others = {"b": b, "base": base}
    return _made(a, others, {part: added(part) for part in shares}, [("b", "base")])


def _shares(model: Any, share: Any) -> dict[str, float]:
    """The share of each part that has one."""
    names = families.nets_of(model)
    if not isinstance(share, Mapping):
        amount = finite("share", share)
        return dict.fromkeys(names, amount) if amount else {}
    if strange := [name for name in share if name not in names]:
        raise ValueError(f"share has no part {shown(strange[0])}: expected {', '.join(names)}")
    shares = {name: finite(f"share[{name!r}]", amount) for name, amount in share.items()}
    return {name: amount for name, amount in shares.items() if amount}


def _made(
    a: Any,
    others: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]],
    alike: list[tuple[str, str]],
) -> Any:
    """`a` with the weights that functions make of its own and the others'; where `alike`, its own.

    A pair of names that is alike for a weight says that nothing changes.
    """
    models = {"a": a, **others}
    for name, model in models.items():
        try:
            families.check_model(model)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
    for name, other in others.items():
        if type(other) is not type(a):
            kinds = families.family_of(other).title, families.family_of(a).title
            raise ValueError(f"{name} is a {kinds[0]}, and a is a {kinds[1]}: expected one family")
    parts = {}
    for part, function in functions.items():
        nets = {name: getattr(model, part) for name, model in models.items()}
        for name, net in nets.items():
            if net is None:
                raise ValueError(f"{name}.{part} is None, and a has one")
            _check_alike(name, part, nets["a"], net)
        parts[part] = _net(part, nets, function, alike)
    return a._replace(**parts)


def _check_alike(name: str, part: str, first: Net, net: Net) -> None:
    ours = {key: tuple(param.shape) for key, param in first.params.items()}
    theirs = {key: tuple(param.shape) for key, param in net.params.items()}
    if ours != theirs:
        other = next(key for key in [*ours, *theirs] if ours.get(key) != theirs.get(key))
        raise ValueError(
            f"{name}.{part} has {other} of shape {theirs.get(other)} where a has "
            f"{ours.get(other)}: expected models of one size"
        )


def _net(
    part: str, nets: Mapping[str, Net], function: Callable[..., Any], alike: list[tuple[str, str]]
) -> Net:
    """One net, of all the models'."""
    first = nets["a"]
    check_files([place for net in nets.values() for place in net.places.values()])
    dtype = dtype_of(first.params)
    params, places = {}, {}
    for name, own in first.params.items():
        if any(_same(nets[x].params[name], nets[y].params[name]) for x, y in alike):
            params[name] = own
            if name in first.places:
                places[name] = first.places[name]
        else:
            try:
                numbers = function(*(casting.floats(net.params[name]) for net in nets.values()))
                params[name] = casting.tensor(np.asarray(numbers, np.float32), dtype)
            except ValueError as error:
                raise ValueError(f"{part}: {name} {error}") from None
        # What was read of the files is not needed again before the next use.
        drop([net.places[name] for net in nets.values() if name in net.places])
    return Net(first.config, mindspore.mutable(params), places)


def _same(one: mindspore.Tensor, other: mindspore.Tensor) -> bool:
    return one is other or (
        one.dtype == other.dtype and np.array_equal(bfloat16.array(one), bfloat16.array(other))
    )
