"""The UNet as a list of stages, each of which can run by itself.

A stage takes the running feature map and gives the next one: a residual block, a transformer, or a
change of resolution. Maps of the way down are kept as skips, and joined to the
running one on the way up.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from mindspore import Tensor, ops

from mdx import kernels
from mdx.nets import layers, resnet, transformer, unet_changes
from mdx.nets.params import Params
from mdx.nets.resnet import Resnet
from mdx.nets.stage import Stage
from mdx.nets.transformer import Transformer
from mdx.nets.unet_changes import NONE, Changes, Own
from mdx.nets.unet_config import (
    MID,
    PLAIN_MID,
    Config,
    has_transformers,
    per_level,
    transformer_depth,
)

# What all stages are given beside the running map: "embedding" of the time (B, E), after its
# activation, "context", the text (B, T, D), and whatever else unet_changes.py names.
Inputs: TypeAlias = Mapping[str, Tensor]


def stages(config: Config) -> tuple[Stage, ...]:
    """All stages, in the order in which they run."""
    channels = config.block_out_channels
    levels = len(channels)
    found, running, skips = [], channels[0], [channels[0]]

    def add(
        kind: str,
        name: str,
        level: int,
        *,
        pop_skip: bool = False,
        push_skip: bool = False,
        mid: bool = False,
        depth: int = 0,
    ) -> None:
        nonlocal running
        inputs, running = running + (skips.pop() if pop_skip else 0), channels[level]
        found.append(Stage(kind, name, level, inputs, running, pop_skip, push_skip, mid, depth))
        if push_skip:
            skips.append(running)

    def block(part: str, name: str, level: int, layer: int) -> None:
        pop, push, mid = part == "up", part == "down", part == "mid"
        attends = has_transformers(config, part, level) and not (mid and layer > 0)
        last = push and not attends
        add("resnet", f"{name}.resnets.{layer}", level, pop_skip=pop, push_skip=last, mid=mid)
        if attends:
            depth = transformer_depth(config, part, level, layer)
            attention = f"{name}.attentions.{layer}"
            add("transformer", attention, level, push_skip=push, mid=mid, depth=depth)

    for level in range(levels):
        name = f"down_blocks.{level}"
        for layer in range(per_level(config.layers_per_block, level)):
            block("down", name, level, layer)
        if level < levels - 1:
            add("downsample", f"{name}.downsamplers.0.conv", level, push_skip=True)
    for layer in range({MID: 2, PLAIN_MID: 1, None: 0}[config.mid_block_type]):
        block("mid", "mid_block", levels - 1, layer)
    for level in reversed(range(levels)):
        name = f"up_blocks.{levels - 1 - level}"
        for layer in range(per_level(config.layers_per_block, level) + 1):
            block("up", name, level, layer)
        if level > 0:
            add("upsample", f"{name}.upsamplers.0.conv", level)
    return tuple(found)


def shapes(config: Config, stage: Stage) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter of one stage, by its name in the checkpoint."""
    if stage.kind == "transformer":
        return transformer.shapes(stage.name, transformer_config(config, stage))
    if stage.kind == "resnet":
        size = embedding_size(config)
        return resnet.shapes(stage.name, resnet_config(config), stage.inputs, stage.outputs, size)
    return layers.convolution_shapes(stage.name, stage.inputs, stage.outputs)


def skips(config: Config) -> tuple[str, ...]:
    """What is added to the skip that each stage pops, by its name in the conditioning; "" if none.

    See unet_changes.py. The stages read it as "skip", so that those that are equal share a graph.
    """
    count, found = 1, []
    for stage in stages(config):
        count += stage.push_skip - stage.pop_skip
        found.append(f"skip.{count}" if stage.pop_skip else "")
    return tuple(found)


def owns(config: Config, changes: Changes) -> tuple[Own, ...]:
    """What each stage has of the changes, in their order.

    Raises:
        ValueError: for a name that no stage, and no layer of one, has, and for what cannot be done
            there.
    """
    known = stages(config)
    unet_changes.check(changes, known, bool(config.only_cross_attention))
    return tuple(unet_changes.of_stage(changes, stage) for stage in known)


def fold(
    stages: Sequence[Stage], run: Callable[[int, Tensor, Tensor], Tensor], x: Tensor
) -> Tensor:
    """The last feature map of the first one x (B, C, h, w), by all stages in their order.

    run(number, x, skip) is the map that stage `number` of the list makes of the running map x; skip
    is the one pushed last, or x where the stage needs none. In a graph it calls `apply`, and from
    the host a graph of each stage.
    """
    skips: tuple[Tensor, ...] = (x,)
    for number in range(len(stages)):
        stage = stages[number]
        skip = x
        if needs_skip(stage):
            # Pyright takes `skips` for a tuple of the length that it has here, or none.
            skip = skips[-1]  # pyright: ignore[reportGeneralTypeIssues]
        x = run(number, x, skip)
        if stage.pop_skip:
            skips = skips[:-1]
        if stage.push_skip:
            skips = (*skips, x)
    return x


def needs_skip(stage: Stage) -> bool:
    """Whether a stage looks at the skip pushed last.

    It is joined where the stage pops it, and gives the size that an upsampling stage makes: an odd
    size was halved upwards on the way down.
    """
    return stage.pop_skip or stage.kind == "upsample"


def apply(
    config: Config,
    stage: Stage,
    params: Params,
    x: Tensor,
    skip: Tensor,
    inputs: Inputs,
    part_bytes: int,
    own: Own = NONE,
) -> Tensor:
    """One stage on the running map x (B, C, h, w); runs inside mindspore.jit.

    skip: the one pushed last, any where the stage needs none. own: what is done otherwise.
    """
    if not own.skipped:
        x = _made(config, stage, params, x, skip, inputs, part_bytes, own)
    if "after." + stage.name in inputs:
        x = x + ops.cast(inputs["after." + stage.name], x.dtype)
    return x


def _made(
    config: Config,
    stage: Stage,
    params: Params,
    x: Tensor,
    skip: Tensor,
    inputs: Inputs,
    part_bytes: int,
    own: Own,
) -> Tensor:
    """What a stage makes of x, but for what is added to that."""
    if stage.kind == "transformer":
        settings = transformer_config(config, stage, part_bytes)
        return transformer.apply(settings, params, stage.name, x, inputs, own)
    if stage.kind == "downsample":
        padding = (1, 1, 1, 1) if config.downsample_padding == 1 else (0, 1, 0, 1)
        return layers.convolution(params, stage.name, x, 2, padding)
    if stage.kind == "upsample":
        return layers.upsample_conv(params, stage.name, x, skip.shape[2], skip.shape[3])
    if stage.pop_skip:
        if "skip" in inputs:
            skip = skip + ops.cast(inputs["skip"], skip.dtype)
        x, skip = unet_changes.joined(own, x, skip)
        x = ops.Concat(1)((x, skip))
    scale = config.mid_block_scale_factor if stage.mid else 1.0
    return resnet.apply(resnet_config(config), params, stage.name, x, inputs["embedding"], scale)


def embedding_size(config: Config) -> int:
    """Channels of the time embedding."""
    return config.time_embedding_dim or 4 * config.block_out_channels[0]


def resnet_config(config: Config) -> Resnet:
    """What all residual blocks have in common."""
    scale_shift = config.resnet_time_scale_shift == "scale_shift"
    return Resnet(config.act_fn, config.norm_num_groups, config.norm_eps, scale_shift)


def transformer_config(
    config: Config, stage: Stage, part_bytes: int = kernels.PART_BYTES
) -> Transformer:
    """What the transformer of a stage is."""
    level = stage.level
    return Transformer(
        config.block_out_channels[level],
        per_level(config.attention_head_dim, level),
        stage.depth,
        per_level(config.cross_attention_dim, level),
        config.norm_num_groups,
        config.use_linear_projection,
        not stage.mid and per_level(config.only_cross_attention, level),
        config.upcast_attention,
        part_bytes,
    )
