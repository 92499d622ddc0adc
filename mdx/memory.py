"""What a run holds in memory at once."""

from typing import NamedTuple

from mdx.checks import one_of, shown, whole
from mdx.kernels import PART_BYTES
from mdx.mapped import drop
from mdx.net import Net

__all__ = ["WEIGHTS", "Memory", "checked", "release"]

WEIGHTS = ("all", "net", "stage")

# A tile smaller than this shows in the picture: its norms see too little of it.
LEAST_TILE = 16


class Memory(NamedTuple):
    """What a run holds in memory at once; any choice gives the same picture, but for a tile.

    weights: those that stay in memory once they were used. "all"; those of the "net" at work, of
    the text encoder, the UNet and the VAE; or in the UNet those of the "stage" at work, a residual
    block, a transformer or a change of resolution. Weights leave memory where they are used as the
    checkpoint's files hold them, and come again from there; weights of another dtype stay, and what
    was written into weights in place.
    """

    weights: str = "all"
    part_bytes: int = PART_BYTES  # of scores, or of one hidden layer, that exist at once
    tile: int | None = None  # latents a side that the VAE decodes at once; None: the whole picture


def checked(memory: Memory | None) -> Memory:
    """The record itself, the usual one for None; TypeError or ValueError for what does not fit."""
    if memory is None:
        return Memory()
    if not isinstance(memory, Memory):
        raise TypeError(f"memory must be a mdx.Memory or None, not {shown(memory)}")
    one_of("memory.weights", memory.weights, WEIGHTS)
    whole("memory.part_bytes", memory.part_bytes, 1)
    if memory.tile is not None:
        whole("memory.tile", memory.tile, LEAST_TILE)
    return memory


def release(net: Net, memory: Memory) -> None:
    """The net has done its work: give back what its weights take, where that is asked."""
    if memory.weights != "all":
        drop(net.places.values())
