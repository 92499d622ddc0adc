"""The UNet as a list of stages, each of which can run by itself.

A stage takes the running feature map and gives the next one: a residual block, a transformer, or a
change of resolution. Maps of the way down are kept, and joined to the running one on the way up.
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
from mdx.nets.unet_config import MID, PLAIN_MID, Config, at, has_reads, reads

# What all stages are given beside the running map: "embedding" of the time (B, E), after its
# activation, "context", the text (B, T, D), and whatever else unet_changes.py names.
Inputs: TypeAlias = Mapping[str, Tensor]


def stages(config: Config) -> tuple[Stage, ...]:
    """All stages, in the order in which they run."""
    channels = config.block_out_channels
    levels = len(channels)
    found, running, kept = [], channels[0], [channels[0]]

    def add(
        kind: str,
        name: str,
        level: int,
        *,
        takes: bool = False,
        keeps: bool = False,
        mid: bool = False,
        depth: int = 0,
    ) -> None:
        nonlocal running
        inputs, running = running + (kept.pop() if takes else 0), channels[level]
        found.append(Stage(kind, name, level, inputs, running, takes, keeps, mid, depth))
        if keeps:
            kept.append(running)

    def block(part: str, name: str, level: int, layer: int) -> None:
        takes, keeps, mid = part == "up", part == "down", part == "mid"
        read = has_reads(config, part, level) and not (mid and layer > 0)
        keeps_now = keeps and not read
        add("block", f"{name}.resnets.{layer}", level, takes=takes, keeps=keeps_now, mid=mid)
        if read:
            depth = reads(config, part, level, layer)
            add("read", f"{name}.attentions.{layer}", level, keeps=keeps, mid=mid, depth=depth)

    for level in range(levels):
        name = f"down_blocks.{level}"
        for layer in range(at(config.layers_per_block, level)):
            block("down", name, level, layer)
        if level < levels - 1:
            add("halve", f"{name}.downsamplers.0.conv", level, keeps=True)
    for layer in range({MID: 2, PLAIN_MID: 1, None: 0}[config.mid_block_type]):
        block("mid", "mid_block", levels - 1, layer)
    for level in reversed(range(levels)):
        name = f"up_blocks.{levels - 1 - level}"
        for layer in range(at(config.layers_per_block, level) + 1):
            block("up", name, level, layer)
        if level > 0:
            add("double", f"{name}.upsamplers.0.conv", level)
    return tuple(found)


def shapes(config: Config, stage: Stage) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter of one stage, by its name in the checkpoint."""
    if stage.kind == "read":
        return transformer.shapes(stage.name, reader(config, stage))
    if stage.kind == "block":
        size = embedding_size(config)
        return resnet.shapes(stage.name, residual(config), stage.inputs, stage.outputs, size)
    return layers.convolution_shapes(stage.name, stage.inputs, stage.outputs)


def skips(config: Config) -> tuple[str, ...]:
    """What is added to the map that each stage takes, by its name in the conditioning; "" if none.

    See unet_changes.py. The stages read it as "skip", so that those that are equal share a graph.
    """
    count, found = 1, []
    for stage in stages(config):
        count += stage.keeps - stage.takes
        found.append(f"skip.{count}" if stage.takes else "")
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

    run(number, x, known) is the map that stage `number` of the list makes of the running map x;
    known is the map kept last, or x where the stage does not look back. In a graph it calls
    `apply`, and from the host a graph of each stage.
    """
    kept: tuple[Tensor, ...] = (x,)
    for number in range(len(stages)):
        stage = stages[number]
        known = x
        if looks_back(stage):
            # Pyright takes `kept` for a tuple of the length that it has here, or none.
            known = kept[-1]  # pyright: ignore[reportGeneralTypeIssues]
        x = run(number, x, known)
        if stage.takes:
            kept = kept[:-1]
        if stage.keeps:
            kept = (*kept, x)
    return x


def looks_back(stage: Stage) -> bool:
    """Whether a stage looks at the map kept last.

    It is joined where the stage takes it, and gives the size of a stage that doubles: an odd size
    was halved upwards on the way down.
    """
    return stage.takes or stage.kind == "double"


def apply(
    config: Config,
    stage: Stage,
    params: Params,
    x: Tensor,
    kept: Tensor,
    inputs: Inputs,
    part_bytes: int,
    own: Own = NONE,
) -> Tensor:
    """One stage on the running map x (B, C, h, w); runs inside mindspore.jit.

    kept: the map kept last, any where the stage does not look back. own: what is done otherwise.
    """
    if not own.skipped:
        x = _made(config, stage, params, x, kept, inputs, part_bytes, own)
    if "after." + stage.name in inputs:
        x = x + ops.cast(inputs["after." + stage.name], x.dtype)
    return x


def _made(
    config: Config,
    stage: Stage,
    params: Params,
    x: Tensor,
    kept: Tensor,
    inputs: Inputs,
    part_bytes: int,
    own: Own,
) -> Tensor:
    """What a stage makes of x, but for what is added to that."""
    if stage.kind == "read":
        settings = reader(config, stage, part_bytes)
        return transformer.apply(settings, params, stage.name, x, inputs, own)
    if stage.kind == "halve":
        padding = (1, 1, 1, 1) if config.downsample_padding == 1 else (0, 1, 0, 1)
        return layers.convolution(params, stage.name, x, 2, padding)
    if stage.kind == "double":
        return layers.enlarged_convolution(params, stage.name, x, kept.shape[2], kept.shape[3])
    if stage.takes:
        if "skip" in inputs:
            kept = kept + ops.cast(inputs["skip"], kept.dtype)
        x, kept = unet_changes.joined(own, x, kept)
        x = ops.Concat(1)((x, kept))
    scale = config.mid_block_scale_factor if stage.mid else 1.0
    return resnet.apply(residual(config), params, stage.name, x, inputs["embedding"], scale)


def embedding_size(config: Config) -> int:
    """Channels of the time embedding."""
    return config.time_embedding_dim or 4 * config.block_out_channels[0]


def residual(config: Config) -> Resnet:
    """What all residual blocks have in common."""
    scale_shift = config.resnet_time_scale_shift == "scale_shift"
    return Resnet(config.act_fn, config.norm_num_groups, config.norm_eps, scale_shift)


def reader(config: Config, stage: Stage, part_bytes: int = kernels.PART_BYTES) -> Transformer:
    """What the transformer of a stage is."""
    level = stage.level
    return Transformer(
        config.block_out_channels[level],
        at(config.attention_head_dim, level),
        stage.depth,
        at(config.cross_attention_dim, level),
        config.norm_num_groups,
        config.use_linear_projection,
        not stage.mid and at(config.only_cross_attention, level),
        config.upcast_attention,
        part_bytes,
    )
