"""Convolution with 3 by 3 kernels by Winograd's minimal filtering, arXiv 1509.09308, section 4.

A tile of 4 by 4 pixels of the result comes of 36 products for each pair of channels, in place of
144. What a tile reads is taken to that many values by a matrix, and so are the kernels; the
products back to pixels by another: see winograd_matrices.py.

Of a picture whose pixels are first doubled both ways, each tile reads a patch of half the size, and
the doubling is part of the matrix.
"""

import numpy as np
from mindspore import Tensor, ops

from mdx.kernels import winograd_matrices
from mdx.kernels.parts import PART_BYTES, even_size, joined, pictures
from mdx.kernels.winograd_matrices import TILE, VALUES

KERNEL_BYTES = 64 * 1024 * 1024  # that the values of kernels take at once


def winograd(x, weight, doubled=False, part_bytes=PART_BYTES, kernel_bytes=KERNEL_BYTES):
    """x (B, I, H, W), weight (O, I, 3, 3), a border of 1 -> (B, O, H, W), or (B, O, 2H, 2W).

    The sides of the result are multiples of TILE. Where all values of x would take more than
    part_bytes the pictures take turns, and where those of one would, bands of its rows do. Where
    they take no turns, kernels do, by kernel_bytes.
    """
    batch, inputs, height, width = x.shape
    step = TILE // 2 if doubled else TILE
    row_bytes = 4 * VALUES * inputs * (width // step)
    # Kernels wait for their input: else those of all layers would be made, and held, at once.
    rows = ops.depend(weight.reshape((-1, 9)), x)
    if batch * (height // step) * row_bytes <= part_bytes:
        values = _values(x, step, 1)
        found = ()
        for first, last in _spans(weight.shape[0], 4 * VALUES * inputs, kernel_bytes):
            some = rows
            if found:
                # One after the other: at once they would hold all their values together.
                some = ops.depend(rows, found[-1])
            if last - first < weight.shape[0]:
                some = ops.Slice()(some, (first * inputs, 0), ((last - first) * inputs, 9))
            kernels = _kernel_values(some, inputs)
            found = (*found, _pixels(kernels, values, batch, height // step))
        return joined(found, 1)
    kernels = _kernel_values(rows, inputs)
    whole = ()
    for picture in pictures(x):
        bands = ()
        for first, last in _spans(height // step, row_bytes, part_bytes):
            band = picture
            if whole or bands:
                band = ops.depend(picture, bands[-1] if bands else whole[-1])
            if last - first == height // step:
                values = _values(band, step, 1)
            else:
                values = _values(_rows(band, step * first - 1, step * last + 1), step, 0)
            bands = (*bands, _pixels(kernels, values, 1, last - first))
        whole = (*whole, joined(bands, 2))
    return joined(whole)


def _kernel_values(rows, inputs):
    """(O * I, 9) -> (VALUES, O, I)."""
    values = ops.MatMul(transpose_b=True)(_of_kernels(), rows)
    return values.reshape((VALUES, -1, inputs))


def _values(x, step, border):
    """Rows of tiles (B, I, H, W), `step` pixels from one to the next -> (VALUES, I, B * tiles)."""
    batch, channels = x.shape[:2]
    size = step + 2
    patches = ops.unfold(x, size, 1, (border, 1), step)
    tiles = patches.shape[2]
    patches = _reversed(patches.reshape((-1, tiles)), (batch, channels, size * size))
    values = ops.MatMul()(_of_patches(step), patches.reshape((size * size, -1)))
    return values.reshape((VALUES, channels, batch * tiles))


def _pixels(kernels, values, batch, rows):
    """Products of kernels (VALUES, O, I) and values (VALUES, I, B * tiles) -> (B, O, h, w)."""
    channels, tiles = kernels.shape[1], values.shape[2] // batch
    products = ops.BatchMatMul()(kernels, values).reshape((VALUES, -1))
    pixels = ops.MatMul()(_of_products(), products).reshape((-1, tiles))
    pixels = _reversed(pixels, (TILE * TILE, channels, batch))
    pixels = pixels.reshape((batch, channels, TILE * TILE, tiles))
    sides = _sides(TILE * rows, TILE * (tiles // rows))
    return ops.fold(pixels, sides, TILE, 1, 0, TILE)


def _rows(picture, begin, end):
    """Rows [begin, end) of a picture (1, I, H, W); a row beyond it is zero."""
    _, channels, height, width = picture.shape
    inner = picture.reshape((channels, height, width))
    inner = ops.gather(inner, _range(max(begin, 0), min(end, height)), 1)
    inner = inner.reshape((1, channels, -1, width))
    zero = ops.zeros((1, channels, 1, width), picture.dtype)
    if begin < 0:
        return ops.concat((zero, inner), 2)
    if end > height:
        return ops.concat((inner, zero), 2)
    return inner


def _reversed(rows, sizes):
    """Rows (a * b * c, n), in the order (c, b, a); a transpose would hold memory for good."""
    return ops.gather(rows, _reversed_order(sizes), 0)


@ops.constexpr
def _spans(count, each_bytes, part_bytes):
    """Where each part of so many things begins and ends."""
    size = even_size(count, each_bytes, part_bytes)
    return tuple((i, min(i + size, count)) for i in range(0, count, size))


@ops.constexpr
def _range(begin, end):
    return Tensor(np.arange(begin, end, dtype=np.int32))


@ops.constexpr
def _reversed_order(sizes):
    count = int(np.prod(sizes))
    return Tensor(np.arange(count, dtype=np.int32).reshape(sizes).transpose().reshape(-1))


@ops.constexpr
def _sides(height, width):
    return Tensor(np.array([height, width], np.int32))


@ops.constexpr
def _of_kernels():
    return Tensor(winograd_matrices.of_kernels())


@ops.constexpr
def _of_patches(step):
    return Tensor(winograd_matrices.of_patches(doubled=step < TILE))


@ops.constexpr
def _of_products():
    return Tensor(winograd_matrices.of_products())
