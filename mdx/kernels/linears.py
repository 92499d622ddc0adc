"""Linear layers on rows of tokens, and what follows one where it is a gate."""

from mindspore import ops

from mdx.kernels.device import as_weight


def linear(x, weight, bias=None):
    """x (..., I) @ weight (O, I) transposed + bias (O,) -> (..., O)."""
    rows = x.reshape((-1, x.shape[-1]))
    out = ops.MatMul(transpose_b=True)(rows, as_weight(weight))
    if bias is not None:
        out = ops.BiasAdd()(out, as_weight(bias))
    return out.reshape((*x.shape[:-1], weight.shape[0]))


def linear_halves(x, weight, bias):
    """`linear`, and the channels of its result in two halves: -> 2 times (..., O / 2).

    What is copied to have them apart is the weight or the result, whichever is smaller.
    """
    inputs = x.shape[-1]
    rows = x.reshape((-1, inputs))
    if rows.shape[0] > inputs:
        first, second = ops.Split(0, 2)(weight)
        first_bias, second_bias = ops.Split(0, 2)(bias)
        return linear(x, first, first_bias), linear(x, second, second_bias)
    out = linear(x, weight, bias)
    return ops.Split(len(out.shape) - 1, 2)(out)


def gated(value, gate):
    """value * gelu(gate), of sqrt(1/2) times both; gelu with the error function.

    In half as many operators as with both as they are: v g (1 + erf(g / sqrt(2))) / 2.
    """
    return value * (gate + gate * ops.erf(gate))
