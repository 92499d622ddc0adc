"""The vectors of options that operators in graphs take first: see source/graph.cpp.

Each is numpy float32, to be made a Tensor: a constant of the graph, that MindIR keeps. Layouts,
kinds and activations are the numbers in calls.py. An array that a `True` speaks of follows the
others, in the order of the parameters here.
"""

from typing import NamedTuple

import numpy as np

from mdx.kernels.native.calls import AUTOMATIC, IDENTITY, MAPS, NO_GATE, NO_NORM


class Norm(NamedTuple):
    """What is normalised before an operator reads it."""

    kind: int = NO_NORM
    groups: int = 0  # of a group norm
    activation: int = IDENTITY  # that follows
    epsilon: float = 1e-5
    weight: bool = False  # whether there is one
    bias: bool = False


NONE = Norm()


def linear(
    x_layout: int,
    out_layout: int,
    *,
    activation: int = IDENTITY,
    gate: int = NO_GATE,
    bfloat16: bool = False,
    bias: bool = False,
    residual: bool = False,
    norm: Norm = NONE,
) -> np.ndarray:
    """Of Linear: options, x, weight."""
    return _vector(x_layout, out_layout, activation, gate, bfloat16, bias, residual, *norm)


def convolution(
    stride: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    *,
    enlarged: tuple[int, int] = (0, 0),
    method: int = AUTOMATIC,
    bias: bool = False,
    shift: bool = False,
    residual: bool = False,
    norm: Norm = NONE,
) -> np.ndarray:
    """Of Convolution: options, x, weight; padding (top, left, bottom, right), enlarged (H, W)."""
    return _vector(stride, *padding, *enlarged, method, bias, shift, residual, *norm)


def attention(
    heads: int,
    key_heads: int,
    scale: float,
    layouts: tuple[int, int, int, int] = (MAPS, MAPS, MAPS, MAPS),
    *,
    causal: bool = False,
    bfloat16: bool = False,
    mask: bool = False,
) -> np.ndarray:
    """Of Attention: options, q, k, v; layouts of q, k, v and what is read."""
    return _vector(heads, key_heads, *layouts, causal, bfloat16, scale, mask)


def normalise(layout: int, norm: Norm) -> np.ndarray:
    """Of Norm: options, x."""
    return _vector(layout, *norm)


def activate(layout: int, activation: int, gate: int = NO_GATE) -> np.ndarray:
    """Of Activation: options, x."""
    return _vector(layout, activation, gate)


def rotate(layout: int, heads: int, interleaved: bool) -> np.ndarray:
    """Of Rotary: options, x, cos, sin."""
    return _vector(layout, heads, interleaved)


def _vector(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)
