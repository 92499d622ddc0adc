"""Names of one net's weights to those that a file has for them, and back, as data."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["Names", "Source", "read_by", "source"]

NOTHING: Mapping = MappingProxyType({})


class Source(NamedTuple):
    """Where a file has one weight of a net."""

    key: str  # the name of a tensor in the file
    block: int = 0  # which of `blocks` runs of that tensor's rows, all of one height
    blocks: int = 1  # 1: all of it
    transposed: bool = False  # whether the file has rows where the net has columns


class Names(NamedTuple):
    """How a file calls the weights of one net.

    A module's name stands for all that is below it, so the longest that fits is taken; "" is the
    whole net.
    """

    modules: Mapping[str, str]  # a module of the net to the file's
    # A module of the net to the tensors that hold its weight and its bias as one of three runs of
    # rows: what their names begin with, and which run.
    stacked: Mapping[str, tuple[str, int]] = NOTHING
    tensors: Mapping[str, Source] = NOTHING  # single weights that go by names of their own


def source(names: Names, name: str) -> Source | None:
    """Where a file has a weight of a net; None where its modules have no place for it.

    Args:
        names: how the file calls them.
        name: of the weight in the net.

    Returns:
        The Source.
    """
    if name in names.tensors:
        return names.tensors[name]
    module, _, last = name.rpartition(".")
    if module in names.stacked:
        begin, block = names.stacked[module]
        return Source(f"{begin}_{last}", block, 3)
    renamed = _renamed(names.modules, name)
    return None if renamed is None else Source(renamed)


def read_by(names: Names, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The weights of a net that each of a file's tensors is read for, by the tensor's name.

    Args:
        names: how the file calls them.
        keys: of the tensors.

    Returns:
        The weights' names; none for a tensor that belongs to no module of the net.
    """
    own = {found.key: name for name, found in names.tensors.items()}
    runs: dict[str, list[str]] = {}
    for module, (begin, _) in names.stacked.items():
        runs.setdefault(begin, []).append(module)
    back = {theirs: ours for ours, theirs in names.modules.items()}
    found: dict[str, tuple[str, ...]] = {}
    for key in keys:
        begin, _, last = key.rpartition("_")
        if key in own:
            found[key] = (own[key],)
        elif begin in runs:
            found[key] = tuple(f"{module}.{last}" for module in runs[begin])
        else:
            name = _renamed(back, key)
            found[key] = () if name is None else (name,)
    return found


def _renamed(modules: Mapping[str, str], name: str) -> str | None:
    """A name whose longest beginning that is a module is exchanged; None if none is."""
    head, _, _ = name.rpartition(".")
    while head and head not in modules:
        head, _, _ = head.rpartition(".")
    if head not in modules:
        return None
    rest = name[len(head) :].removeprefix(".")
    return f"{modules[head]}.{rest}" if modules[head] else rest
