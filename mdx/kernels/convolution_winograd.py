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
from mdx.kernels.arguments import Map, Spans, Weight
from mdx.kernels.constants import sides
from mdx.kernels.convolution_weights import KERNEL_BYTES, as_rows, as_tensor, turn, turn_spans
from mdx.kernels.device import as_weight
from mdx.kernels.parts import PART_BYTES, even_spans, joined, pictures
from mdx.kernels.winograd_matrices import TILE, VALUES


def winograd(
    x: Tensor,
    weight: Weight,
    bias: Tensor,
    doubled: bool = False,
    part_bytes: int = PART_BYTES,
    kernel_bytes: int = KERNEL_BYTES,
) -> Tensor:
    """x (B, I, H, W), weight (O, I, 3, 3), bias (O,), a border of 1 -> (B, O, H, W), or of 2H, 2W.

    The sides of the result are multiples of TILE. Where all values of x would take more than
    part_bytes the work is done `in_bands`. Where they do not, kernels take turns, by kernel_bytes.
    """
    if bands(x.shape, doubled, part_bytes):
        return in_bands(x, weight, bias, _unchanged, doubled, part_bytes)
    batch, inputs, height, _ = x.shape
    step = TILE // 2 if doubled else TILE
    values = _values(x, step, 1)
    found = ()
    for span in turn_spans(as_tensor(weight).shape, kernel_bytes):
        # When their input is there, and one after the other: at once they would hold all their
        # values, and those of other layers, together.
        some = turn(weight, len(found), span, found[-1] if found else x)
        kernels = kernel_values(some, inputs)
        found = (*found, _pixels(kernels, values, batch, height // step))
    return ops.BiasAdd()(joined(found, 1), bias)


@ops.constexpr
def bands(shape: tuple[int, ...], doubled: bool = False, part_bytes: int = PART_BYTES) -> Spans:
    """Where bands of rows of tiles begin and end, each with values of part_bytes or less.

    No bands where all values of pictures of this shape, (B, I, H, W), take no more than that.
    """
    batch, inputs, height, width = shape
    step = TILE // 2 if doubled else TILE
    count, row_bytes = height // step, 4 * VALUES * inputs * (width // step)
    if batch * count * row_bytes <= part_bytes:
        return ()
    return even_spans(count, row_bytes, part_bytes)


def in_bands(
    x: Tensor,
    weight: Weight,
    bias: Tensor,
    before: Map,
    doubled: bool = False,
    part_bytes: int = PART_BYTES,
) -> Tensor:
    """`winograd` of one picture after the other, and of its `bands`, of which there are some.

    before(rows) is what is convolved in place of rows of x (1, I, h, W), pixel by pixel: it is
    never there for all of x at once.
    """
    kernels = kernel_values(ops.depend(as_rows(weight), x), x.shape[1])
    whole = ()
    for picture in pictures(x):
        some = picture
        if whole:
            some = ops.depend(picture, whole[-1])
        found = _bands_of(some, kernels, bias, before, bands(x.shape, doubled, part_bytes), doubled)
        whole = (*whole, joined(found, 2))
    return joined(whole)


def doubled_bands(x: Tensor, weight: Weight, bias: Tensor) -> tuple[Tensor, ...]:
    """`winograd` of one picture x (1, I, H, W), doubled: its bands of rows, not joined."""
    kernels = kernel_values(ops.depend(as_rows(weight), x), x.shape[1])
    return _bands_of(x, kernels, bias, _unchanged, bands(x.shape, True), True)


def _bands_of(
    picture: Tensor, kernels: Tensor, bias: Tensor, before: Map, cuts: Spans, doubled: bool
) -> tuple[Tensor, ...]:
    """Each band of the result for a picture (1, I, H, W), one after the other."""
    step = TILE // 2 if doubled else TILE
    found = ()
    for first, last in cuts:
        band = picture
        if found:
            band = ops.depend(picture, found[-1])
        if last - first == picture.shape[2] // step:
            values = _values(before(band), step, 1)
        else:
            values = _values(_band(band, before, step * first, step * last), step, 0)
        # The bias here, not when they are joined: that would be the whole once more.
        found = (*found, ops.BiasAdd()(_pixels(kernels, values, 1, last - first), bias))
    return found


def of_rows(rows: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
    """`winograd` of rows (1, I, h + 2, W), a row of neighbours included, by `kernel_values`."""
    values = _values(rows, TILE, 0)
    return ops.BiasAdd()(_pixels(kernels, values, 1, (rows.shape[2] - 2) // TILE), bias)


def _unchanged(rows: Tensor) -> Tensor:
    return rows


def kernel_values(rows: Tensor, inputs: int) -> Tensor:
    """(O * I, 9) -> (VALUES, O, I)."""
    values = ops.MatMul(transpose_b=True)(_of_kernels(), as_weight(rows))
    return values.reshape((VALUES, -1, inputs))


def _values(x: Tensor, step: int, border: int) -> Tensor:
    """Rows of tiles (B, I, H, W), `step` pixels from one to the next -> (VALUES, I, B * tiles)."""
    batch, channels, _, _ = x.shape
    size = step + 2
    # A primitive, as is Col2Im below: the functions unfold and fold are traced slowly.
    patches = ops.Im2Col((size, size), (step, step), (1, 1), (border, 1))(x)
    tiles = patches.shape[3]
    patches = _reversed(patches.reshape((-1, tiles)), (batch, channels, size * size))
    values = ops.MatMul()(_of_patches(step), patches.reshape((size * size, -1)))
    return values.reshape((VALUES, channels, batch * tiles))


def _pixels(kernels: Tensor, values: Tensor, batch: int, rows: int) -> Tensor:
    """Products of kernels (VALUES, O, I) and values (VALUES, I, B * tiles) -> (B, O, h, w)."""
    channels, tiles = kernels.shape[1], values.shape[2] // batch
    products = ops.BatchMatMul()(kernels, values).reshape((VALUES, -1))
    pixels = ops.MatMul()(_of_products(), products).reshape((-1, tiles))
    pixels = _reversed(pixels, (TILE * TILE, channels, batch))
    pixels = pixels.reshape((batch, channels, TILE * TILE, tiles))
    out = sides(TILE * rows, TILE * (tiles // rows))
    return ops.Col2Im((TILE, TILE), (1, 1), (0, 0), (TILE, TILE))(pixels, out)


def _band(picture: Tensor, before: Map, begin: int, end: int) -> Tensor:
    """before(rows [begin - 1, end + 1) of a picture (1, I, H, W)); beyond it they are zero."""
    _, channels, height, width = picture.shape
    rows = picture.reshape((channels, height, width))
    rows = ops.Gather()(rows, _range(max(begin - 1, 0), min(end + 1, height)), 1)
    rows = before(rows.reshape((1, channels, -1, width)))
    zero = ops.zeros((1, channels, 1, width), picture.dtype)
    if begin == 0:
        return ops.Concat(2)((zero, rows))
    if end == height:
        return ops.Concat(2)((rows, zero))
    return rows


def _reversed(rows: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Rows (a * b * c, n), in the order (c, b, a); a transpose would hold memory for good."""
    return ops.Gather()(rows, _reversed_order(sizes), 0)


@ops.constexpr
def _range(begin: int, end: int) -> Tensor:
    return Tensor(np.arange(begin, end, dtype=np.int32))


@ops.constexpr
def _reversed_order(sizes: tuple[int, ...]) -> Tensor:
    count = int(np.prod(sizes))
    return Tensor(np.arange(count, dtype=np.int32).reshape(sizes).transpose().reshape(-1))


@ops.constexpr
def _of_kernels() -> Tensor:
    return Tensor(winograd_matrices.of_kernels())


@ops.constexpr
def _of_patches(step: int) -> Tensor:
    return Tensor(winograd_matrices.of_patches(doubled=step < TILE))


@ops.constexpr
def _of_products() -> Tensor:
    return Tensor(winograd_matrices.of_products())
