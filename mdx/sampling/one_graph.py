"""All rows of a run in one compiled graph, to the same numbers bit for bit."""

import functools
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, ops

from mdx.compile_cache import compiled
from mdx.nets import low_rank
from mdx.nets.params import Params
from mdx.nets.unet_changes import NOTHING, Changes
from mdx.sampling.denoiser import per_image, rows
from mdx.sampling.factors import rows_of
from mdx.sampling.network import (
    Network,
    all_params,
    guided_in,
    inputs,
    predict,
    prompts_in,
)
from mdx.schedulers import State, Table
from mdx.schedulers.device import advance
from mdx.schedulers.step import factors

__all__ = ["run"]

# Tables are padded to a multiple of this many rows, so that another number of steps needs no other
# graph.
ROWS = 64

ROWS_OF_SCALE = "lora_scale.rows"  # strengths of LoRAs in each row (N, B, L)


def run(network: Network, table: Table, state: State, step_noise: list[Any]) -> State:
    """The state after all rows; step_noise has the noise of each row (B, C, h, w), or None.

    Rows that follow each other, guided all or none of them and by the same prompts, are one call of
    a graph.
    """
    _, count, *shape = state.slots.shape
    # The length of the arrays is part of the graph, the number of rows that it runs is not.
    length = -(-table.rows // ROWS) * ROWS
    noise = np.zeros((length, count, *shape), np.float32)
    if len(step_noise) < table.rows:
        raise ValueError(
            f"step_noise ends at row {len(step_noise)} of {table.rows}: give one entry a row"
        )
    for i in range(state.index, table.rows):
        if table.reads_variance(i):
            raise ValueError(
                f"row {i} reads the variance that the model learned, which this network has not"
            )
        if not table.needs_noise(i):
            continue
        drawn = step_noise[i]
        if drawn is None:
            raise ValueError(f"row {i} adds noise, and none was given")
        if np.shape(drawn) != noise.shape[1:]:
            raise ValueError(
                f"noise of row {i} has shape {np.shape(drawn)}, the sample {noise.shape[1:]}"
            )
        noise[i] = drawn
    times, rescale = (
        _lengthened([per_image(x, count) for x in array], length)
        for array in (table.t, table.scale)
    )
    each = zip(*(factors(table, i, count) for i in range(table.rows)), strict=True)
    denoise, mix, clip = (_lengthened(array, length) for array in each)
    scales = [guided_in(network, row, count) for row in rows(table)]
    prompts = [prompts_in(network, row) for row in rows(table)]
    ones = np.ones(count, np.float32)
    scale = _lengthened([ones if one is None else one for one in scales], length)

    slots, begin, noise = state.slots, state.index, Tensor(noise)
    kinds = [(scale is not None, which) for scale, which in zip(scales, prompts, strict=True)]
    for (guided, which), group in groupby(range(begin, table.rows), kinds.__getitem__):
        end = max(group) + 1
        runner = _runner(network.net.config, guided, network.memory.part_bytes, network.changes)
        read = inputs(network, (count, *shape), guided, which)
        if network.factors is not None:
            each = rows_of(network.factors, rows(table), length, guided)
            read = mindspore.mutable({**read, ROWS_OF_SCALE: each})
        slots = runner(
            all_params(network), slots, noise, times, rescale, denoise, mix, clip, read, scale,
            Tensor(begin, mindspore.int32), Tensor(end, mindspore.int32),
        )  # fmt: skip
        begin = end
    return state._replace(slots=slots, index=table.rows)


def _lengthened(rows: Any, length: int) -> Tensor:
    """Rows of a table as one tensor, with zeros up to the length."""
    rows = np.stack(list(rows))
    more = np.zeros((length - len(rows), *rows.shape[1:]), np.float32)
    return Tensor(np.concatenate([rows, more]))


@functools.cache
def _runner(config: Any, guided: bool, part_bytes: int, changes: Changes = NOTHING) -> Any:
    predicted = predict(config, guided, part_bytes, changes)

    def run(
        params: Params,
        slots: Tensor,
        fresh: Tensor,
        t: Tensor,
        rescale: Tensor,
        denoise: Tensor,
        mix: Tensor,
        clip: Tensor,
        conditioning: Mapping[str, Tensor],
        scale: Tensor,
        i: Tensor,
        rows: Tensor,
    ) -> Tensor:
        # Rows by gather: an index in brackets might be negative, and the graph would check it.
        while i < rows:
            time, factor = ops.gather(t, i, 0), ops.gather(rescale, i, 0)
            x = slots[0] * factor.reshape((-1, 1, 1, 1))
            read = conditioning
            if ROWS_OF_SCALE in conditioning:
                own = ops.gather(conditioning[ROWS_OF_SCALE], i, 0)
                read = low_rank.with_scale(conditioning, own)
            out = predicted(params, x, time, read, ops.gather(scale, i, 0))
            noise, to_x0 = ops.gather(fresh, i, 0), ops.gather(denoise, i, 0)
            to_slots, bound = ops.gather(mix, i, 0), ops.gather(clip, i, 0)
            slots, _ = advance(slots, out, noise, to_x0, to_slots, bound)
            i = i + 1
        return slots

    return compiled(run)
