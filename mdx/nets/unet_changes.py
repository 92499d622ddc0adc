"""What may be altered inside a UNet, in one place: guidance, ControlNets and adapters use it.

A `Changes` record is a constant of the graph. Arrays that change from picture to picture are
entries of the conditioning, weights of an adapter are entries of the parameters, each by its name:

- "skip.N" (B, C, h, w) is added to skip number N of the way down, where it is
  joined: 0 is that of conv_in. ControlNet, arXiv 2302.05543, section 3.2.
- "after.STAGE" (B, C, h, w) is added to what a stage makes, and so to what is kept of it:
  ControlNet's residual of the middle, and T2I-Adapter's, arXiv 2302.08453, section 3.3.
- "image.N" (B, T, D), where Changes.images counts them, are the tokens of image prompt N, which a
  second attention attends to: "BLOCK.attn2.processor.to_k_ip.N.weight" and "to_v_ip" weigh them.
  What it gives is scaled by "image_scale.N" (B,), or by "image_scale.N.STAGE" where that is there.
  IP-Adapter, arXiv 2308.06721, section 3.2.

STAGE and BLOCK are names of the checkpoint's layers. What is not asked for leaves no trace in the
graph.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from mindspore import Tensor, ops
from numpy.typing import NDArray

from mdx import kernels
from mdx.nets.stage import Stage

__all__ = [
    "NONE", "NOTHING", "Changes", "Own", "Scaled", "check", "inputs_of", "joined", "of_stage",
    "with_skip",
]  # fmt: skip


class Scaled(NamedTuple):
    """FreeU's factors for the blocks of a part on the way up. arXiv 2309.11497, section 3.2."""

    part: str  # the name, or what it begins with: "up_blocks.0"
    backbone: float  # times the first half of the running map's channels
    skip: float  # times the lowest frequencies of the map that is joined to it


class Changes(NamedTuple):
    """What is done otherwise; names may be those of parts: "mid_block" is all that is in it."""

    # Transformers, layers of them, and residual blocks that are left out (arXiv 2502.12154).
    skipped: tuple[str, ...] = ()
    # Transformers and layers in which each pixel attends to itself alone: perturbed-attention
    # guidance, arXiv 2403.17377, section 4.2.
    alone: tuple[str, ...] = ()
    scaled: tuple[Scaled, ...] = ()  # parts on the way up; the first that fits counts
    images: int = 0  # image prompts


class Own(NamedTuple):
    """What of `Changes` one stage has: stages that are equal otherwise share a graph."""

    skipped: bool = False
    skipped_layers: tuple[int, ...] = ()  # of a transformer
    alone: tuple[int, ...] = ()  # layers of a transformer
    backbone: float = 1.0
    skip: float = 1.0
    images: int = 0


NOTHING, NONE = Changes(), Own()


def of_stage(changes: Changes, stage: Stage) -> Own:
    """What one stage has of the changes."""
    skipped = _within(stage.name, changes.skipped)
    if stage.kind == "transformer":
        layers = _layers(stage)
        return Own(
            skipped=skipped,
            skipped_layers=tuple(i for i in layers if _within(layers[i], changes.skipped)),
            alone=tuple(i for i in layers if _within(layers[i], changes.alone)),
            images=changes.images,
        )
    if stage.pop_skip:
        for one in changes.scaled:
            if _within(stage.name, (one.part,)):
                return Own(backbone=one.backbone, skip=one.skip)
    return Own(skipped=skipped) if stage.kind == "resnet" else NONE


def check(changes: Changes, stages: Sequence[Stage], text_only: bool) -> None:
    """ValueError for a name that no stage, and no layer of one, has, or that changes nothing there.

    text_only: whether transformers have no attention of pixels to each other.
    """
    transformers = [stage for stage in stages if stage.kind == "transformer"]
    layers = [layer for stage in transformers for layer in _layers(stage).values()]
    # A residual block that changes the channels cannot be left out.
    blocks = [one.name for one in stages if one.kind == "resnet" and one.inputs == one.outputs]
    known = {
        "skipped": [*(stage.name for stage in transformers), *layers, *blocks],
        "alone": [] if text_only else layers,
        "scaled": [stage.name for stage in stages if stage.pop_skip],
    }
    given = {
        "skipped": changes.skipped,
        "alone": changes.alone,
        "scaled": tuple(one.part for one in changes.scaled),
    }
    for field, parts in given.items():
        for part in parts:
            if not any(_within(name, (part,)) for name in known[field]):
                some = ", ".join(known[field][:2])
                raise ValueError(
                    f"changes.{field} has {part!r}, and nothing in this unet is of that name and "
                    f"can be so changed: expected a name as {some}, or what it begins with"
                )


def _layers(stage: Stage) -> dict[int, str]:
    """The names of a transformer's layers by their number."""
    return {i: f"{stage.name}.transformer_blocks.{i}" for i in range(stage.depth)}


def _within(name: str, parts: tuple[str, ...]) -> bool:
    """Whether a layer is one of the parts, or in one."""
    return any(name == part or name.startswith(part + ".") for part in parts)


def inputs_of(inputs: Mapping[str, Tensor], name: str, skip: str, own: str) -> dict[str, Tensor]:
    """What a stage reads of all inputs, in a graph that it may share with others.

    name, skip: of the stage, and of what is added to the skip it pops: see `unet_stages.skips`.
    own: what the stage is called in that graph, and so in the result; that map's is "skip" there.
    """
    found: dict[str, Tensor] = {}
    for key, value in inputs.items():
        kind, *rest = key.split(".", 2)
        if key == skip:
            found["skip"] = value
        elif key == "after." + name:
            found["after." + own] = value
        elif kind == "image_scale" and rest[1:] == [name]:
            found[f"image_scale.{rest[0]}.{own}"] = value
        elif kind in ("embedding", "context") or (
            kind in ("image", "image_scale") and len(rest) == 1
        ):
            found[key] = value
    return found


def with_skip(inputs: Mapping[str, Tensor], skip: str) -> dict[str, Tensor]:
    """All inputs, and one of them as "skip" too; inside a graph of all stages."""
    found = {"skip": inputs[skip]}
    found.update(inputs)
    return found


def joined(own: Own, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
    """FreeU's scaling of the running map x (B, C, h, w) and the one that is joined to it."""
    if own.backbone != 1.0:
        batch, channels = x.shape[0], x.shape[1]
        x = kernels.scale_channels(x, ops.cast(_half(batch, channels, own.backbone), x.dtype))
    if own.skip != 1.0:
        skip = skip + _lowest(skip) * (own.skip - 1.0)
    return x, skip


@ops.constexpr
def _half(batch: int, channels: int, factor: float) -> Tensor:
    """(B, C) float32: the factor for the first half of the channels, 1 for the others."""
    first = np.arange(channels) < channels // 2
    return Tensor(np.tile(np.where(first, factor, 1.0).astype(np.float32), (batch, 1)))


def _lowest(x: Tensor) -> Tensor:
    """What maps (B, C, h, w) have of their lowest frequencies: see `lowest_waves`."""
    height, width = x.shape[2], x.shape[3]
    rows = x.reshape((-1, height * width))
    waves = ops.cast(_waves(height, width), x.dtype)
    return ops.MatMul()(ops.MatMul(transpose_b=True)(rows, waves), waves).reshape(x.shape)


@ops.constexpr
def _waves(height: int, width: int) -> Tensor:
    """`lowest_waves` while a graph is compiled."""
    return Tensor(lowest_waves(height, width).astype(np.float32))


def lowest_waves(height: int, width: int) -> NDArray[np.float64]:
    """Cosines and sines of the frequencies -1 and 0 along each side of a map, as rows (K, h * w).

    x waves^T waves is the real part of what a map x (h * w,) has of them.
    """
    turns = [
        np.add.outer(down * np.arange(height) / height, right * np.arange(width) / width)
        for down in ((-1, 0) if height > 1 else (0,))
        for right in ((-1, 0) if width > 1 else (0,))
    ]
    angles = 2 * np.pi * np.reshape(turns, (len(turns), -1))
    return np.concatenate([np.cos(angles), np.sin(angles)]) / np.sqrt(height * width)
