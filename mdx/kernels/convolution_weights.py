"""A convolution's weight, and the matrices that its lowerings multiply, in the same memory.

Within a graph a reshape or a part of what comes in is a copy, which for a UNet is one of nearly all
weights a step. So whoever calls a graph may give it the matrices beside the weight. In the graph a
weight is a tensor, or with its matrices the tuple (whole, matrix, rows, turns); where no filtering
takes it, rows are None and there are no turns.
"""

from collections.abc import Mapping

import mindspore
from mindspore import Tensor, ops

from mdx import bfloat16
from mdx.kernels.arguments import Spans, Weight
from mdx.kernels.device import as_weight, choice, fits, lowering
from mdx.kernels.parts import even_spans
from mdx.kernels.winograd_matrices import VALUES

KERNEL_BYTES = 64 * 1024 * 1024  # that the values of kernels take at once, see the turns
MATRIX, ROWS = ".matrix", ".rows"  # after the name of the weight; of a turn ".rows.0", ...


def with_matrices(params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """params, and beside each weight (O, I, k, k) its matrices where this device multiplies them.

    They are its memory seen otherwise: nothing is copied.
    """
    found = dict(params)
    rules = lowering().convolution
    if all(rule.lowering in ("native", "fused") for rule in rules):
        return found
    for name, param in params.items():
        if len(param.shape) == 4:
            outputs, inputs = param.shape[:2]
            made = bfloat16.tensor if param.dtype == mindspore.bfloat16 else Tensor.from_numpy
            rows = bfloat16.array(param).reshape(outputs * inputs, -1)
            found[name + MATRIX] = made(rows.reshape(outputs, -1))
            if any(rule.lowering == "winograd" and fits(rule, param.shape) for rule in rules):
                found[name + ROWS] = made(rows)
                spans = _spans(param.shape)
                for turn, (first, last) in zip(_turns(name, len(spans)), spans, strict=True):
                    found[turn] = made(rows[first * inputs : last * inputs])
    return found


def weight_of(params: Mapping[str, Tensor], name: str) -> Weight:
    """The weight called `name`, with its matrices where they are beside it."""
    whole = params[name]
    if name + MATRIX not in params:
        return whole
    if name + ROWS not in params:
        return whole, params[name + MATRIX], None, ()
    turns = ()
    for own in turn_names(name, whole.shape):
        turns = (*turns, params[own])
    return whole, params[name + MATRIX], params[name + ROWS], turns


def as_tensor(weight: Weight) -> Tensor:
    """(O, I, k, k)."""
    if isinstance(weight, tuple):
        return weight[0]
    return weight


def as_matrix(weight: Weight) -> Tensor:
    """(O, I * k * k), but by native operators, which read it as it lies."""
    if choice("fused"):
        return as_tensor(weight)
    if isinstance(weight, tuple):
        return weight[1]
    return _reshaped(weight, (weight.shape[0], -1))


def as_rows(weight: Weight) -> Tensor:
    """(O * I, k * k)."""
    if isinstance(weight, tuple):
        # None where no filtering takes the weight, and that alone asks for its rows.
        return weight[2]  # pyright: ignore[reportReturnType]
    return _reshaped(weight, (weight.shape[0] * weight.shape[1], -1))


def _reshaped(weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A weight in another shape; a CPU reshapes none of bfloat16 before it is widened."""
    if weight.dtype == mindspore.bfloat16:
        return as_weight(weight).reshape(shape)
    return weight.reshape(shape)


def turn(weight: Weight, number: int, span: tuple[int, int], other: Tensor) -> Tensor:
    """The rows of kernels [first, last), the `number`th of `turn_spans`, once `other` is there."""
    if isinstance(weight, tuple):
        return ops.depend(weight[3][number], other)
    outputs, inputs, height, width = weight.shape
    first, last = span
    some = ops.depend(weight, other)
    if last - first < outputs:
        some = ops.Slice()(some, (first, 0, 0, 0), (last - first, inputs, height, width))
    return as_rows(some)


@ops.constexpr
def turn_spans(shape: tuple[int, ...], kernel_bytes: int = KERNEL_BYTES) -> Spans:
    """`_spans` while a graph is compiled; those of a weight with matrices are of KERNEL_BYTES."""
    return _spans(shape, kernel_bytes)


@ops.constexpr
def turn_names(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """What `with_matrices` calls the turns of the weight `name`."""
    return _turns(name, len(_spans(shape)))


def _turns(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}{ROWS}.{number}" for number in range(count))


def _spans(shape: tuple[int, ...], kernel_bytes: int = KERNEL_BYTES) -> Spans:
    """From which to which kernel each turn of a weight (O, I, k, k) goes, by its values' bytes."""
    return even_spans(shape[0], 4 * VALUES * shape[1], kernel_bytes)
