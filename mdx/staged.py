"""The UNet run stage by stage from the host, with the weights of one stage in memory at a time.

A stage is one compiled function, and stages of the same kind and shape share it: there is less to
compile than in one graph of all of them. The arithmetic is the same.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import mindspore
from mindspore import Tensor

from mdx.nets import unet, unet_stages
from mdx.nets.unet_stages import Stage

__all__ = ["Part", "parts", "run"]

# The name of a stage when it is compiled, so that another stage can be the same graph.
NAME = "stage"


class Part(NamedTuple):
    """One stage with what it needs of the weights."""

    stage: Stage | None  # called NAME; None for entry and exit
    names: tuple[str, ...]  # of its parameters in the checkpoint
    params: Any  # mutable dict of tensors under the stage's own names


def parts(config: unet.Config, params: Mapping[str, Tensor]) -> tuple[Part, ...]:
    """The UNet's parameters by stage, in the order in which they run: entry, stages, exit."""
    found = [_part(None, params, {name: name for name in unet.entry_shapes(config)})]
    for stage in unet_stages.stages(config):
        names = {n: NAME + n.removeprefix(stage.name) for n in unet_stages.shapes(config, stage)}
        found.append(_part(stage._replace(name=NAME), params, names))
    found.append(_part(None, params, {name: name for name in unet.exit_shapes(config)}))
    return tuple(found)


def _part(stage, params, names):
    own = {short: params[name] for name, short in names.items()}
    return Part(stage, tuple(names), mindspore.mutable(own))


def run(config, parts, x, t, context, score_bytes, used):
    """`unet.apply` on tensors, from the host; used(part) is called when a part has run."""
    first, *stages, last = parts
    x, embedding, context = _entry(config)(first.params, x, t, context)
    used(first)
    kept = [x]
    for part in stages:
        stage = part.stage
        # A stage that reads no kept map gets its own input in its place: one signature for all.
        known = kept[-1] if stage.takes or stage.kind == "double" else x
        # What is kept is no part of the graph.
        compiled = _stage(config, stage._replace(keeps=False), score_bytes)
        x = compiled(part.params, x, known, embedding, context)
        del known
        used(part)
        if stage.takes:
            kept.pop()
        if stage.keeps:
            kept.append(x)
    out = _exit(config)(last.params, x)
    used(last)
    return out


@functools.cache
def _entry(config):
    @mindspore.jit
    def enter(params, x, t, context):
        return unet.enter(config, params, x, t, context)

    return enter


@functools.cache
def _stage(config, stage, score_bytes):
    @mindspore.jit
    def apply(params, x, kept, embedding, context):
        return unet_stages.apply(config, stage, params, x, kept, embedding, context, score_bytes)

    return apply


@functools.cache
def _exit(config):
    @mindspore.jit
    def leave(params, x):
        return unet.leave(config, params, x)

    return leave
