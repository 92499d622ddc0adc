"""A network as a value: its config, its weights, and where they came from."""

import pickle
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import mindspore
import numpy as np

from mdx.bfloat16 import array
from mdx.mapped import Place, check_files, drop
from mdx.weights import not_finite

__all__ = ["Net", "check_weights", "summary"]

# What says most of a network, where its config has it.
MAIN = (
    "sample_size", "in_channels", "latent_channels", "block_out_channels", "cross_attention_dim",
    "vocab_size", "hidden_size", "num_hidden_layers", "max_position_embeddings",
)  # fmt: skip


class Net(NamedTuple):
    """One network: what it is and what it has learned.

    A copy shares the weights. It is pickled as how it was loaded, and read from those files again;
    one whose weights or config are not what the files say is refused (pickle.PicklingError), which
    takes reading them all.
    """

    config: Any  # the net's own Config record
    params: Any  # flat dict of name to tensor, mutable() so that graphs take it as an input
    places: Mapping[str, Place] = MappingProxyType(
        {}
    )  # of those that are used as they lie in files
    again: Callable[[], "Net"] | None = None  # loads it from its files; None: it has none

    def __repr__(self) -> str:
        """What it is in two lines; the weights are in its fields."""
        try:
            fields = [name for name in MAIN if hasattr(self.config, name)]
            numbers = ", ".join(f"{name}={getattr(self.config, name)}" for name in fields)
            kind = type(self.config).__module__.rpartition(".")[2].removesuffix("_config")
            return f"Net({kind}: {summary(self)};\n    {numbers})"
        except (AttributeError, TypeError, ValueError):
            return "Net(of fields that make none)"

    def __copy__(self) -> "Net":
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> "Net":
        """Another dict of the same weights, to change by name."""
        return self._replace(params=mindspore.mutable(dict(self.params)))

    def __reduce__(self) -> tuple[Any, ...]:
        if self.again is None:
            raise pickle.PicklingError(
                "this net was not loaded from files, which is what a pickle would hold: save its "
                "weights with mdx.weights.save"
            )
        if changed := _changed(self, self.again()):
            raise pickle.PicklingError(
                f"{changed} of this net changed since it was loaded, and a pickle holds only what "
                "it was loaded from: save its weights with mdx.weights.save"
            )
        return _loaded, (self.again,)


def summary(net: Net) -> str:
    """A net's parameters in words: how many, of how many bytes, and whether those are mapped."""
    params = net.params
    dtypes = ", ".join(sorted({str(param.dtype).lower() for param in params.values()}))
    mapped = sum(param.nbytes for name, param in params.items() if name in net.places)
    total = sum(param.nbytes for param in params.values())
    where = "mapped from its files" if mapped == total else f"{mapped / 1e6:.1f} MB of it mapped"
    count = sum(param.size for param in params.values())
    return (
        f"{count:,} parameters, {dtypes}, {total / 1e6:.1f} MB, "
        f"{where if mapped else 'held in memory'}"
    )


def _changed(net: Net, other: Net) -> str:
    """What of a net is not as in another one; "" if they are the same bit for bit."""
    check_files(net.places.values())
    if net.config != other.config:
        return "the config"
    if net.params.keys() != other.params.keys():
        return "the names of the weights"
    for name, param in net.params.items():
        now, then = array(param), array(other.params[name])
        if param.dtype != other.params[name].dtype or not np.array_equal(now, then):
            return name
    # The pages that were looked at hold what is in the files.
    drop([*net.places.values(), *other.places.values()])
    return ""


def _loaded(again: Callable[[], Net]) -> Net:
    return again()


def check_weights(*nets: Net) -> None:
    """Raise FloatingPointError that names the weights that hold NaN or infinity, if any do."""
    if spoilt := [name for net in nets for name in not_finite(net.params)]:
        more = f", ... ({len(spoilt)} in all)" if len(spoilt) > 10 else ""
        raise FloatingPointError(
            f"weights hold NaN or infinity: {', '.join(spoilt[:10])}{more}; "
            "their file is damaged or their training diverged"
        )
