"""The UNet run stage by stage from the host, with the weights of one stage in memory at a time.

A stage is one compiled function, and stages of the same kind and shape share it: there is less to
compile than in one graph of all of them. The arithmetic is the same.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import mindspore
from mindspore import Tensor, ops

from mdx import kernels
from mdx.compile_cache import compiled
from mdx.memory import Memory
from mdx.net import Net
from mdx.nets import low_rank, unet, unet_changes, unet_stages
from mdx.nets.params import Params
from mdx.nets.unet_changes import NONE, NOTHING, Changes, Own
from mdx.nets.unet_stages import Stage

__all__ = ["Part", "combined", "doubled", "graph_of", "in_stages", "parts", "predictor"]

# The name of a stage when it is compiled, so that another stage can be the same graph.
NAME = "stage"


# Parameters from which a UNet runs stage by stage: it is compiled in half the time and holds less
# memory then. What the calls cost is lost beside what they compute, but not in a small net.
STAGED_FROM = 100_000_000


def in_stages(net: Net, memory: Memory) -> bool:
    """Whether a UNet runs stage by stage, where steps are calls of their own."""
    size = sum(param.size for param in net.params.values())
    return size >= STAGED_FROM or memory.weights == "stage"


# That a stage of each kind has at least. Few more than are needed: they take time to compile.
OPERATORS = {"resnet": 45, "transformer": 60}


class Part(NamedTuple):
    """One stage with what it needs of the weights."""

    stage: Stage | None  # called NAME; None for entry and exit
    names: tuple[str, ...]  # of its parameters in the checkpoint
    params: Any  # mutable dict of tensors under the stage's own names


def parts(config: unet.Config, params: Mapping[str, Tensor]) -> tuple[Part, ...]:
    """The UNet's parameters by stage, in the order in which they run: entry, stages, exit."""
    first, last = (_beside(params, own(config)) for own in (unet.embed_shapes, unet.head_shapes))
    found = [_part(None, params, {name: name for name in first})]
    for stage in unet_stages.stages(config):
        own = list(unet_stages.shapes(config, stage))
        # Beside the checkpoint's there may be what an adapter adds to a layer.
        own += sorted(n for n in params if n.startswith(f"{stage.name}.") and n not in set(own))
        names = {name: NAME + name.removeprefix(stage.name) for name in own}
        found.append(_part(stage._replace(name=NAME), params, names))
    found.append(_part(None, params, {name: name for name in last}))
    return tuple(found)


def _beside(params: Params, own: Mapping[str, Any]) -> list[str]:
    """A part's parameters, and what an adapter adds to its layers."""
    layers = {name.rpartition(".")[0] for name in own}
    return [*own, *sorted(n for n in params if n.rpartition(".")[0] in layers and n not in own)]


def _part(stage: Stage | None, params: Params, names: Mapping[str, str]) -> Part:
    own = {short: params[name] for name, short in names.items()}
    return Part(stage, tuple(names), mindspore.mutable(kernels.with_matrices(own)))


def predictor(
    config: unet.Config,
    parts: tuple[Part, ...],
    guided: bool,
    part_bytes: int,
    used: Callable[[Part], None],
    changes: Changes = NOTHING,
) -> Callable[..., Tensor]:
    """A function (x, t, conditioning, scale) -> the model's output (B, C, h, w).

    `guided` says whether the conditioning has a negative half, 2B in all, to move away from by
    `scale` (B,). used(part) is called when a stage has run. changes: what is done otherwise.
    """
    first, *inner, last = parts
    stages = [part.stage for part in inner if part.stage is not None]
    known, owns = unet_stages.stages(config), unet_stages.owns(config, changes)
    skips = unet_stages.skips(config)

    def read_by(part: Part, conditioning: Any) -> Any:
        """A part's parameters, and pictures' strengths of LoRAs where one changes it."""
        if low_rank.SCALE in conditioning and any(n.endswith(low_rank.UP) for n in part.names):
            scale = conditioning[low_rank.SCALE]
            return mindspore.mutable({**part.params, low_rank.SCALE: scale})
        return part.params

    def predict(x: Tensor, t: Tensor, conditioning: Any, scale: Tensor) -> Tensor:
        entry = _entry(config, guided)
        x, embedding, context = entry(read_by(first, conditioning), x, t, conditioning)
        used(first)
        told = {**conditioning, "embedding": embedding, "context": context}

        def run(number: int, x: Tensor, skip: Tensor) -> Tensor:
            stage, part = stages[number], inner[number]
            compiled = _stage(config, graph_of(config, stage), part_bytes, owns[number])
            read = unet_changes.inputs_of(told, known[number].name, skips[number], NAME)
            out = compiled(read_by(part, conditioning), x, skip, mindspore.mutable(read))
            used(part)
            return out

        x = unet_stages.fold(stages, run, x)
        out = _exit(config, guided)(read_by(last, conditioning), x, scale)
        used(last)
        return out

    return predict


def doubled(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """x and t once for each half of a guided call; runs inside a graph."""
    return ops.concat((x, x)), ops.concat((t, t))


def combined(both: Tensor, scale: Tensor) -> Tensor:
    """What guidance makes of both halves (2B, C, h, w) -> (B, C, h, w); runs inside a graph.

    arXiv 2207.12598, equation 6, with scale (B,) = 1 + w.
    """
    batch = both.shape[0] // 2
    away, towards = both[:batch], both[batch:]
    return away + scale.reshape((batch, 1, 1, 1)) * (towards - away)


def graph_of(config: unet.Config, stage: Stage) -> Stage:
    """The stage without what its graph does not depend on: stages that are equal then share it."""
    scaled = stage.kind == "resnet" and config.mid_block_scale_factor != 1
    text_only = stage.kind == "transformer" and config.only_cross_attention
    return stage._replace(push_skip=False, mid=stage.mid and bool(scaled or text_only))


@functools.cache
def _entry(config: unet.Config, guided: bool) -> Callable[..., Any]:
    def enter(
        params: Params, x: Tensor, t: Tensor, conditioning: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        if guided:
            x, t = doubled(x, t)
        x, inputs = unet.embed(config, params, x, t, conditioning)
        return x, inputs["embedding"], inputs["context"]

    return compiled(enter)


@functools.cache
def _stage(
    config: unet.Config, stage: Stage, part_bytes: int, own: Own = NONE
) -> Callable[..., Tensor]:
    def apply(params: Params, x: Tensor, skip: Tensor, inputs: unet_stages.Inputs) -> Tensor:
        out = unet_stages.apply(config, stage, params, x, skip, inputs, part_bytes, own)
        some = ops.Slice()(inputs["embedding"], (0, 0), (1, 1))
        return kernels.on_own_threads(out, some, OPERATORS.get(stage.kind, 0))

    # Of two functions with one name and line MindSpore warns as of one compiled in vain.
    apply.__name__ = "_".join(map(str, ("stage", *stage[2:], stage.kind, part_bytes)))
    if own != NONE:
        apply.__name__ += f"_{hash(own):x}".replace("-", "_")
    return compiled(apply)


@functools.cache
def _exit(config: unet.Config, guided: bool) -> Callable[..., Tensor]:
    def leave(params: Params, x: Tensor, scale: Tensor) -> Tensor:
        out = unet.head(config, params, x)
        if guided:
            return combined(out, scale)
        return out

    return compiled(leave)
