"""What nets are called with: flat dicts of tensors."""

from collections.abc import Mapping
from typing import TypeAlias

from mindspore import Tensor

__all__ = ["Conditioning", "Params", "Shapes"]

# The weights of a net by their names in the checkpoint.
Params: TypeAlias = Mapping[str, Tensor]
# The shapes of weights by their names.
Shapes: TypeAlias = dict[str, tuple[int, ...]]
# What a net is told beside its sample and the time, by name; the batch axis comes first.
Conditioning: TypeAlias = Mapping[str, Tensor]
