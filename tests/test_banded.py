"""Large maps as bands of rows: the same as the whole, wherever it is cut."""

import mindspore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mindspore import Tensor, ops

from mdx import kernels
from mdx.kernels import banded, convolution_winograd, device
from mdx.kernels.convolution_winograd import bands
from mdx.nets import vae, vae_strips
from tests.lowerings import close, convolved, few, randoms

# Filters convolutions however small.
FILTERS = device.CPU._replace(
    convolution=(device.Convolution("winograd", size=3, tiled=True), *device.CPU.convolution[1:])
)


def cut(x, heights):
    """x (1, C, H, W) in bands of rows of these heights."""
    return [Tensor(part) for part in np.split(x, np.cumsum(heights)[:-1], 2)]


@few
@given(
    heights=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    width=st.integers(1, 7),
    groups=st.integers(1, 3),
    mean=st.sampled_from([0.0, -3.0, 100.0]),
)
def test_moments_of_bands_are_those_of_the_whole(heights, width, groups, mean):
    x, bias = randoms((1, 2 * groups, sum(heights), width), (2 * groups,))
    x += mean
    x[:, :, : heights[0]] += 2.0  # parts that are not alike

    @mindspore.jit
    def moments(maps, bias):
        return kernels.group_moments(maps, groups, bias)

    got = moments(mindspore.mutable(cut(x, heights)), Tensor(bias))
    rows = x.astype(np.float64).reshape(groups, -1)
    close(got[0].asnumpy(), rows.mean(1).repeat(2))
    assert np.allclose(got[1].asnumpy(), rows.var(1).repeat(2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("lowering", "height"),
    [(device.CPU, 1), (device.CPU_AVX512, 1), (FILTERS, convolution_winograd.TILE)],
)
@few
@given(
    heights=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    inputs=st.integers(1, 4),
    outputs=st.integers(1, 4),
)
def test_convolution_of_bands(lowering, height, heights, inputs, outputs):
    """Of something that is made of their pixels first; beyond the picture is still 0."""
    heights = [height * some for some in heights]
    shape = 1, inputs, sum(heights), 8
    x, weight, bias = randoms(shape, (outputs, inputs, 3, 3), (outputs,))

    @mindspore.jit
    def convolve(maps, weight, bias):
        def raised(rows):
            return rows + 1.0

        def beside(number, band):
            return band, maps[number]

        return kernels.convolve_bands(maps, raised, weight, bias, beside)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "lowering", lambda: lowering)
        maps = mindspore.mutable(cut(x, heights))
        got = convolve(maps, Tensor(weight), Tensor(bias))
    assert [band.shape[2] for band, _ in got] == heights
    whole = np.concatenate([band.asnumpy() for band, _ in got], 2)
    close(whole, convolved(x + 1.0, weight, 1, (1, 1, 1, 1)) + bias[:, None, None])
    assert np.array_equal(np.concatenate([kept.asnumpy() for _, kept in got], 2), x)


def test_the_decoder_ends_in_bands_where_maps_are_large(monkeypatch):
    config = vae.Config(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
    )
    shapes = vae.shapes(config)
    params = dict(zip(shapes, map(Tensor, randoms(*shapes.values())), strict=True))
    arguments = mindspore.mutable(params), Tensor(*randoms((1, 4, 6, 8)))

    def some_bands(shape, doubled=False, part_bytes=0):
        return bands(shape, doubled, 10_000)

    def decoded():
        @mindspore.jit
        def decode(params, latents):
            return vae.decode(config, params, latents)

        return decode(*arguments).asnumpy()

    monkeypatch.setattr(device, "lowering", lambda: FILTERS)
    whole = decoded()
    assert len(bands((1, 16, 6, 8), True, 10_000)) > 1
    monkeypatch.setattr(banded, "bands", some_bands)
    monkeypatch.setattr(convolution_winograd, "bands", some_bands)
    in_bands = decoded()
    close(in_bands, whole)
    # What does it in bands is put in the place of something else, and that comes out.
    monkeypatch.setattr(vae_strips, "end", nothing)
    assert not decoded().any()


def nothing(config, settings, params, name, x):
    return ops.zeros((1, config.out_channels, 2 * x.shape[2], 2 * x.shape[3]), x.dtype)
