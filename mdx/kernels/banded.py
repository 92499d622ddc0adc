"""Large maps of one picture as bands of rows, (1, C, h, W) each, from top to bottom; on a CPU.

What is made band by band of bands needs little room beside what it reads: a band is let go when
its neighbours are done.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from mindspore import Tensor, ops

from mdx.kernels.arguments import Map
from mdx.kernels.constants import filled
from mdx.kernels.convolution_weights import as_rows
from mdx.kernels.convolution_winograd import bands, doubled_bands, kernel_values, of_rows
from mdx.kernels.convolutions import convolution
from mdx.kernels.device import as_weight, choice, choose_convolution
from mdx.kernels.norm_batch import moments
from mdx.kernels.parts import Tree, after, joined

Bands: TypeAlias = tuple[Tensor, ...]  # of rows of one picture's maps (1, C, h, W)


def enlarges_in_bands(x: Tensor, weight: Tensor) -> bool:
    """Whether `enlarged_bands` takes x (B, I, H, W): what fits one part has no bands."""
    batch, _, height, width = x.shape
    if choice("fused"):
        return False
    kind = choose_convolution(weight.shape, 1, (1, 1, 1, 1), batch, 2 * height, 2 * width)
    return kind == "winograd" and batch == 1 and len(bands(x.shape, True)) > 1


def enlarged_bands(x: Tensor, weight: Tensor, bias: Tensor) -> Bands:
    """x (1, I, H, W) doubled both ways and convolved, 3 by 3 -> bands of (1, O, 2H, 2W)."""
    return doubled_bands(x, weight, as_weight(bias))


def group_moments(maps: Bands, groups: int, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the group that each channel is in, (C,) each, in bands of maps.

    bias: any weight of the net, see norm_batch.py.
    """
    rows = 0
    mean, variance = filled(0.0, groups), filled(0.0, groups)
    for band in maps:
        its_mean, its_variance = moments(after(band, variance), groups, bias)
        # Of two parts to those of both: Chan, Golub, LeVeque 1979, equations 2.1.
        rows += band.shape[2]
        share = band.shape[2] / rows
        away = its_mean - mean
        mean = mean + away * share
        variance = variance + (its_variance - variance) * share
        variance = variance + ops.square(away) * (share * (1.0 - share))
    each = _each_channel(groups, maps[0].shape[1])
    return ops.Gather()(mean, each, 0), ops.Gather()(variance, each, 0)


def convolve_bands(
    maps: Bands, before: Map, weight: Tensor, bias: Tensor, then: Callable[[int, Tensor], Tree]
) -> tuple[Tree, ...]:
    """Convolve before(rows) of bands of maps, 3 by 3, to bands -> then(number, band) for each.

    before(rows) works pixel by pixel. What `then` returns is there before the next band begins. The
    heights of all bands suit the convolution if that of the first does.
    """
    _, inputs, height, width = maps[0].shape
    kind = choose_convolution(weight.shape, 1, (1, 1, 1, 1), 1, height, width)
    kernels = ()
    if kind == "winograd":
        kernels = kernel_values(after(as_rows(weight), maps[-1]), inputs)
    found = ()
    for number in range(len(maps)):
        some = maps
        if found:
            some = after(maps, found[-1])
        rows = _with_neighbours(some, number, before)
        if kind == "winograd":
            # Values there are, for this is the same kind.
            band = of_rows(rows, kernels, as_weight(bias))  # pyright: ignore[reportArgumentType]
        else:
            band = convolution(rows, weight, bias, 1, (0, 0, 1, 1))
        found = (*found, then(number, band))
    return found


def _with_neighbours(maps: Bands, number: int, before: Map) -> Tensor:
    """before(rows) of a band and of one row above and below; beyond the picture they are zero."""
    band = maps[number]
    _, channels, _, width = band.shape
    parts = (band,)
    if number > 0:
        above = maps[number - 1]
        last = ops.Slice()(above, (0, 0, above.shape[2] - 1, 0), (1, channels, 1, width))
        parts = (last, *parts)
    if number < len(maps) - 1:
        first = ops.Slice()(maps[number + 1], (0, 0, 0, 0), (1, channels, 1, width))
        parts = (*parts, first)
    rows = before(joined(parts, 2))
    zero = ops.zeros((1, channels, 1, width), band.dtype)
    if number == 0:
        rows = ops.Concat(2)((zero, rows))
    if number == len(maps) - 1:
        rows = ops.Concat(2)((rows, zero))
    return rows


@ops.constexpr
def _each_channel(groups: int, channels: int) -> Tensor:
    return Tensor(np.repeat(np.arange(groups, dtype=np.int32), channels // groups))
