"""The operators of native_rows.py, by the library, by MindSpore's operators and by torch.

Each function of a side takes a row and its arrays, and returns a call that does the work and one
that gives its result as maps (B, C, ...), numpy. A linear layer and a convolution are with what
precedes and follows them in a net: a norm (and silu), bias and residual; each side keeps its own
layout of tokens.
"""

import math
from collections.abc import Callable

import numpy as np
from native_rows import GROUPS, HEADS, Arrays, Row

Work = Callable[[], object]
Side = Callable[[Row, Arrays], tuple[Work, Callable[[object], np.ndarray]]]
EPSILON = 1e-5


def native(row: Row, given: Arrays, bfloat16: bool = False):
    """By the library, in a graph of MindSpore's."""
    import mindspore
    from mindspore import Tensor

    from mdx.kernels.native import calls, custom, options

    shape = given["x"].shape
    norm = options.Norm(calls.LAYER_NORM, 0, calls.IDENTITY, EPSILON, True, True)
    groups = math.gcd(GROUPS, row.channels)
    group_norm = options.Norm(calls.GROUP_NORM, groups, calls.SILU, EPSILON, True, True)
    size = row.channels // HEADS
    layouts = (calls.MAPS,) * 4
    kind, stride, enlarged, out = row.kind, 1, (0, 0), shape
    names = ["x", "weight", "bias", "scale", "shift"]
    if kind in ("linear", "gated_linear"):
        gate = calls.GATE_LAST if kind == "gated_linear" else calls.NO_GATE
        activation = calls.GELU if gate else calls.IDENTITY
        told = options.linear(
            calls.MAPS, calls.MAPS, bias=True, norm=norm, gate=gate, activation=activation,
            bfloat16=bfloat16,
        )  # fmt: skip
        name, out = "Linear", (shape[0], row.outputs, *shape[2:])
    elif "convolution" in kind:
        if kind == "halving_convolution":
            stride, group_norm = 2, options.NONE
        if kind == "enlarging_convolution":
            enlarged, group_norm = (2 * shape[2], 2 * shape[3]), options.NONE
        if group_norm is options.NONE:
            names = names[:3]
        told = options.convolution(
            stride, (1, 1, 1, 1), enlarged=enlarged, bias=True, norm=group_norm
        )
        sides = enlarged if enlarged[0] else (shape[2] // stride, shape[3] // stride)
        name, out = "Convolution", (shape[0], row.outputs, *sides)
    elif kind == "attention":
        told = options.attention(HEADS, HEADS, size**-0.5, layouts, bfloat16=bfloat16)
        name, names = "Attention", ["x", "keys", "values"]
    elif kind == "norm":
        told, name, names = options.normalise(calls.MAPS, group_norm), "Norm", ["x", *names[3:]]
    elif kind == "activation":
        told, name, names = (
            options.activate(calls.MAPS, calls.GELU, calls.GATE_LAST),
            "Activation",
            ["x"],
        )
        out = (shape[0], shape[1] // 2, *shape[2:])
    else:
        told, name, names = options.rotate(calls.MAPS, HEADS, True), "Rotary", ["x", "cos", "sin"]
    operator, told = custom(name, out), Tensor(told)

    def graph(*tensors):
        return operator(told, *tensors)

    compiled, tensors = mindspore.jit(graph), [Tensor(given[name]) for name in names]
    return lambda: compiled(*tensors).asnumpy(), lambda result: result


def native_bfloat16(row: Row, given: Arrays):
    """With products of bfloat16 where an operator has them."""
    return native(row, given, bfloat16=True)


def mindspore(row: Row, given: Arrays):
    """By the lowerings that nets use today, of MindSpore's operators."""
    import mindspore
    from mindspore import Tensor, ops

    from mdx import kernels

    batch, channels, side = row.batch, row.channels, row.side
    groups, size = math.gcd(GROUPS, channels), channels // HEADS
    tensors = {name: Tensor(array) for name, array in given.items()}
    kind = row.kind
    if kind in ("linear", "gated_linear", "activation"):
        tensors["x"] = Tensor(_tokens(given["x"]))
    if kind == "attention":
        tensors |= {name: Tensor(_heads(given[name])) for name in ("x", "keys", "values")}
    if kind == "rotary":
        tensors["x"] = Tensor(_tokens(given["x"]).reshape(batch, -1, HEADS, size // 2, 2))
        tensors |= {name: Tensor(given[name][:, None]) for name in ("cos", "sin")}

    def gelu(x):
        return x * (ops.erf(x * math.sqrt(0.5)) * 0.5 + 0.5)

    def graph(p):
        x = p["x"]
        if kind == "norm" or kind == "convolution":
            x = ops.silu(kernels.group_norm(x, p["scale"], p["shift"], groups, EPSILON))
        if kind == "convolution":
            return kernels.convolution(x, p["weight"], p["bias"])
        if kind == "halving_convolution":
            return kernels.convolution(x, p["weight"], p["bias"], 2)
        if kind == "enlarging_convolution":
            return kernels.upsample_conv(x, p["weight"], p["bias"], 2 * side, 2 * side)
        if kind == "attention":
            scores = ops.BatchMatMul(transpose_b=True)(x * size**-0.5, p["keys"])
            return ops.BatchMatMul()(ops.Softmax(-1)(scores), p["values"])
        if kind == "linear" or kind == "gated_linear":
            x = kernels.layer_norm(x, p["scale"], p["shift"], EPSILON)
            x = kernels.linear(x, p["weight"], p["bias"])
        if kind == "gated_linear" or kind == "activation":
            value, gate = ops.Split(2, 2)(x)
            return value * gelu(gate)
        if kind == "rotary":
            a, b = x[..., 0], x[..., 1]
            return ops.stack((a * p["cos"] - b * p["sin"], b * p["cos"] + a * p["sin"]), -1)
        return x

    compiled, flat = mindspore.jit(graph), mindspore.mutable(tensors)
    return lambda: compiled(flat).asnumpy(), lambda result: _maps(result, row)


def torch(row: Row, given: Arrays, bfloat16: bool = False):
    """By torch's own operators."""
    import torch
    import torch.nn.functional as F

    dtype = torch.bfloat16 if bfloat16 else torch.float32
    p = {name: torch.from_numpy(array).to(dtype) for name, array in given.items()}
    batch, channels = row.batch, row.channels
    groups, size, kind = math.gcd(GROUPS, channels), channels // HEADS, row.kind
    x = p["x"]
    if kind in ("linear", "gated_linear", "activation"):
        x = x.reshape(batch, channels, -1).transpose(1, 2).contiguous()
    if kind == "attention":
        x, keys, values = (
            p[name].reshape(batch, HEADS, size, -1).transpose(2, 3).contiguous()
            for name in ("x", "keys", "values")
        )
    if kind == "rotary":
        x = x.reshape(batch, channels, -1).transpose(1, 2).contiguous()
        x, cos, sin = (
            x.reshape(batch, -1, HEADS, size // 2, 2),
            p["cos"][:, None],
            p["sin"][:, None],
        )

    def work():
        if kind == "norm" or kind == "convolution":
            h = F.silu(F.group_norm(x, groups, p["scale"], p["shift"], EPSILON))
            if kind == "norm":
                return h
            return F.conv2d(h, p["weight"], p["bias"], padding=1)
        if kind == "halving_convolution":
            return F.conv2d(x, p["weight"], p["bias"], stride=2, padding=1)
        if kind == "enlarging_convolution":
            return F.conv2d(F.interpolate(x, scale_factor=2), p["weight"], p["bias"], padding=1)
        if kind == "attention":
            return F.scaled_dot_product_attention(x, keys, values)
        if kind == "rotary":
            a, b = x[..., 0], x[..., 1]
            return torch.stack((a * cos - b * sin, b * cos + a * sin), -1)
        h = x
        if kind != "activation":
            h = F.layer_norm(x, (channels,), p["scale"], p["shift"], EPSILON)
            h = F.linear(h, p["weight"], p["bias"])
        if kind == "linear":
            return h
        value, gate = h.chunk(2, -1)
        return value * F.gelu(gate)

    def inferred():
        with torch.inference_mode():
            return work()

    return inferred, lambda result: _maps(result.float().numpy(), row)


def torch_bfloat16(row: Row, given: Arrays):
    """With all of it in bfloat16."""
    return torch(row, given, bfloat16=True)


SIDES: dict[str, Side] = {
    "native": native,
    "mindspore": mindspore,
    "torch": torch,
    "native bf16": native_bfloat16,
    "torch bf16": torch_bfloat16,
}


def _tokens(maps):
    """(B, C, H, W) -> (B, H W, C)."""
    rows = maps.reshape(*maps.shape[:2], -1).transpose(0, 2, 1)
    return np.ascontiguousarray(rows)


def _heads(maps):
    """(B, C, ...) -> (B HEADS, T, C / HEADS)."""
    parts = maps.reshape(len(maps) * HEADS, maps.shape[1] // HEADS, -1)
    return np.ascontiguousarray(parts.transpose(0, 2, 1))


def _maps(result, row):
    """A side's result as maps (B, C, pixels)."""
    if row.kind == "attention":
        heads = result.reshape(row.batch * HEADS, row.side**2, -1).transpose(0, 2, 1)
        return heads.reshape(row.batch, row.channels, -1)
    if row.kind in ("linear", "gated_linear", "activation", "rotary"):
        return result.reshape(row.batch, row.side**2, -1).transpose(0, 2, 1)
    return result
