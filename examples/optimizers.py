"""Muon for matrices and AdamW for the rest, gradient clipping and averaging, as pure functions.

They work on one vector that holds all weights of a net end to end, matrices of one shape side by
side (`layout`, `join`, `part`): a few operators a step for each shape of matrix. All but
`learning_rate` and `layout` run inside mindspore.jit.
"""

import math
from typing import NamedTuple

import mindspore
import numpy as np
from mindspore import Tensor, ops

__all__ = [
    "Place",
    "Stack",
    "State",
    "average",
    "clip",
    "init",
    "join",
    "layout",
    "learning_rate",
    "orthogonal",
    "part",
    "stacks",
    "update",
]

BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-8  # AdamW's
MOMENTUM = 0.95  # Muon's
QUINTIC = (3.4445, -4.7750, 2.0315)  # a x + b x^3 + c x^5 takes (0, 1] near 1 in five rounds
ROUNDS = 5


class Place(NamedTuple):
    """Where a parameter lies in the vector."""

    name: str
    start: int
    end: int
    shape: tuple[int, ...]


class Stack(NamedTuple):
    """Matrices of one shape that lie side by side in the vector."""

    start: int
    end: int
    count: int
    rows: int  # outputs
    columns: int  # inputs, times the size of the kernel


class State(NamedTuple):
    """What the next step needs beside the weights."""

    momentum: mindspore.Tensor  # (M,) of the matrices' gradients
    mean: mindspore.Tensor  # (Q,) running mean of the other gradients
    square: mindspore.Tensor  # (Q,) running mean of their squares


def layout(sizes: dict) -> tuple[Place, ...]:
    """Where each parameter lies: matrices first, by shape, then embeddings, norms and biases."""

    def order(item):
        name, shape = item
        return (not is_matrix(name, shape), flat(shape) if is_matrix(name, shape) else ())

    places, start = [], 0
    for name, shape in sorted(sizes.items(), key=order):
        end = start + math.prod(shape)
        places.append(Place(name, start, end, tuple(shape)))
        start = end
    return tuple(places)


def is_matrix(name: str, shape: tuple) -> bool:
    """Whether a parameter maps one space into another: not so an embedding, which is looked up."""
    return len(shape) > 1 and "embedding.weight" not in name


def flat(shape: tuple) -> tuple[int, int]:
    """A weight's shape as a matrix's."""
    return shape[0], math.prod(shape[1:])


def stacks(places: tuple[Place, ...]) -> tuple[Stack, ...]:
    """The matrices of a layout, those of one shape together."""
    found: list[Stack] = []
    for name, start, end, shape in places:
        if not is_matrix(name, shape):
            break
        if found and (found[-1].rows, found[-1].columns) == flat(shape):
            found[-1] = found[-1]._replace(end=end, count=found[-1].count + 1)
        else:
            found.append(Stack(start, end, 1, *flat(shape)))
    return tuple(found)


def init(places: tuple[Place, ...]) -> State:
    """The state before the first step."""
    end = stacks(places)[-1].end
    rest = np.zeros(places[-1].end - end, np.float32)
    return State(Tensor(np.zeros(end, np.float32)), Tensor(rest), Tensor(rest.copy()))


def orthogonal(matrices):
    """The nearest matrices with singular values of about 1, for matrices (N, R, C).

    Newton-Schulz iteration, in which an odd polynomial acts on the singular values. Muon, an
    optimizer for hidden layers, Keller Jordan et al. 2024. Each round multiplies X by a polynomial
    of its Gram matrix, so the rounds are of square matrices of X's shorter side, and X comes last.
    """
    a, b, c = QUINTIC
    count, rows, columns = matrices.shape
    wide = rows <= columns
    times = ops.BatchMatMul()
    x = matrices / (_lengths(matrices.reshape((count, 1, -1))) + 1e-7)
    gram = ops.BatchMatMul(transpose_a=not wide, transpose_b=wide)(x, x)
    diagonal = Tensor(a * np.eye(min(rows, columns), dtype=np.float32))
    whole = factor = diagonal + b * gram + c * times(gram, gram)
    for _ in range(ROUNDS - 1):
        gram = times(factor, times(gram, factor))
        factor = diagonal + b * gram + c * times(gram, gram)
        whole = times(factor, whole)
    return times(whole, x) if wide else times(x, whole)


def update(where, weights, momentum, mean, square, gradient, step, rate, decay):
    """One step: -> (weights (P,), momentum, mean, square).

    where: the `stacks` of the weights, a constant. step counts from 1; rate is the learning rate;
    decay (P,) says how fast each weight is pulled to zero, in units of the rate. All float32
    tensors. Matrices move by an orthogonal one, scaled as AdamW's moves are large: arXiv
    2502.16982, equation 4. The rest by AdamW: arXiv 1711.05101, algorithm 2.
    """
    end = where[-1].end
    first, rest = gradient[:end], gradient[end:]
    momentum = momentum * MOMENTUM + first
    ahead = first + momentum * MOMENTUM
    moves = ()
    for stack in where:
        some = ahead[stack.start : stack.end].reshape((stack.count, stack.rows, stack.columns))
        scale = 0.2 * math.sqrt(max(stack.rows, stack.columns))
        moves += ((orthogonal(some) * scale).reshape((-1,)),)
    mean = mean * BETA1 + rest * (1.0 - BETA1)
    square = square * BETA2 + ops.square(rest) * (1.0 - BETA2)
    # Both means start from zero: divide by the sum of the factors so far.
    m = mean / (1.0 - ops.exp(step * math.log(BETA1)))
    v = square / (1.0 - ops.exp(step * math.log(BETA2)))
    moves += (m / (ops.sqrt(v) + EPSILON),)
    return weights - (ops.concat(moves) + weights * decay) * rate, momentum, mean, square


def clip(gradient, limit):
    """Shorten gradient (P,) to length `limit` where it is longer: -> (gradient, length)."""
    length = _lengths(gradient.reshape((1, 1, -1))).reshape(())
    return gradient * (limit / ops.clamp(length, limit, None)), length


def _lengths(rows):
    """The lengths (N, 1, 1) of vectors (N, 1, P).

    By products, for MindSpore splits a sum among threads as it has found to be quickest after
    twenty calls: its last bit, and with it every weight, would differ from run to run.
    """
    return ops.sqrt(ops.BatchMatMul(transpose_b=True)(rows, rows))


def average(old, weights, step, keep):
    """Running mean of weights (P,) that keeps the share `keep` of the old, less in early steps."""
    share = ops.minimum((step + 1.0) / (step + 10.0), ops.full_like(step, keep))
    return old * share + weights * (1.0 - share)


def learning_rate(step, steps, peak, warmup):
    """Linear from 0 to peak over `warmup` steps, then a cosine down to a hundredth of peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return peak * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, share))))


def join(params, places):
    """A dict of arrays as one vector (P,), a numpy array."""
    return np.concatenate([np.asarray(params[place.name], np.float32).ravel() for place in places])


def part(vector, places):
    """The dict of arrays that a vector (P,) holds: the inverse of `join`."""
    return {name: vector[start:end].reshape(shape) for name, start, end, shape in places}
