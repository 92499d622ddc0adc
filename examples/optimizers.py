"""AdamW, gradient clipping and an average of the weights, as pure functions.

They work on one vector that holds all weights of a net end to end (`join`, `part`): a handful of
operators a step instead of a dozen for each of some hundred tensors. All but `learning_rate`
run inside mindspore.jit.
"""

import math
from typing import NamedTuple

import mindspore
import numpy as np
from mindspore import Tensor, ops

__all__ = ["State", "average", "clip", "init", "join", "layout", "learning_rate", "part", "update"]

BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-8


class State(NamedTuple):
    """What the next step needs beside the weights."""

    mean: mindspore.Tensor  # (P,) running mean of the gradients
    square: mindspore.Tensor  # (P,) running mean of their squares


def init(weights) -> State:
    """The state before the first step, for weights (P,)."""
    zeros = np.zeros(weights.shape, np.float32)
    return State(Tensor(zeros), Tensor(zeros.copy()))


def update(weights, mean, square, gradient, step, rate, decay):
    """One step of AdamW: -> (weights, mean, square), (P,) each.

    step counts from 1; rate is the learning rate; decay (P,) says how fast each weight is pulled
    to zero, in units of the rate. All float32 tensors. arXiv 1711.05101, algorithm 2.
    """
    mean = mean * BETA1 + gradient * (1.0 - BETA1)
    square = square * BETA2 + ops.square(gradient) * (1.0 - BETA2)
    # Both means start from zero: divide by the sum of the factors so far.
    m = mean / (1.0 - ops.exp(step * math.log(BETA1)))
    v = square / (1.0 - ops.exp(step * math.log(BETA2)))
    change = m / (ops.sqrt(v) + EPSILON) + weights * decay
    return weights - change * rate, mean, square


def clip(gradient, limit):
    """Shorten gradient (P,) to length `limit` where it is longer: -> (gradient, length)."""
    length = ops.sqrt(ops.reduce_sum(ops.square(gradient)))
    return gradient * (limit / ops.clamp(length, limit, None)), length


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


def layout(shapes, start=0) -> tuple:
    """Where each parameter lies in a vector: ((name, start, end, shape), ...)."""
    places = []
    for name, shape in shapes.items():
        end = start + math.prod(shape)
        places.append((name, start, end, tuple(shape)))
        start = end
    return tuple(places)


def join(params, layout):
    """A dict of tensors as one vector (P,)."""
    return ops.concat([params[name].reshape((-1,)) for name, _, _, _ in layout])


def part(vector, layout):
    """The dict of tensors that a vector (P,) holds: the inverse of `join`."""
    return {name: vector[start:end].reshape(shape) for name, start, end, shape in layout}
