"""The record of one stage of a UNet: see unet_stages.py."""

from typing import NamedTuple

__all__ = ["Stage"]


class Stage(NamedTuple):
    """What happens to the running map, (B, inputs, h, w) -> (B, outputs, h', w')."""

    kind: str  # "resnet", "transformer", "downsample" or "upsample"
    name: str  # of its layers in the checkpoint
    level: int  # counted from the finest
    inputs: int  # channels, those of the popped skip included
    outputs: int  # channels
    pop_skip: bool = False  # the last skip is joined to the running map
    push_skip: bool = False  # the result is kept as a skip
    mid: bool = False  # in the middle of the UNet
    depth: int = 0  # of a transformer: its attention + feed-forward layers
