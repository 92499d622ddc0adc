"""The record of one stage of a UNet: see unet_stages.py."""

from typing import NamedTuple

__all__ = ["Stage"]


class Stage(NamedTuple):
    """What happens to the running map, (B, inputs, h, w) -> (B, outputs, h', w')."""

    kind: str  # "block", "read" (a transformer), "halve" or "double"
    name: str  # of its layers in the checkpoint
    level: int  # counted from the finest
    inputs: int  # channels, those of the kept map included
    outputs: int  # channels
    takes: bool = False  # the map kept last is joined to the running one
    keeps: bool = False  # the result is kept
    mid: bool = False  # in the middle of the UNet
    depth: int = 0  # of a transformer: its attention + feed-forward layers
