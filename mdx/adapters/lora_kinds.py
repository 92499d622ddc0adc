"""What each kind of LoRA adds to a weight, by its formula.

In float32, or float64 where a file holds that. LoRA: arXiv 2106.09685, equation 3; of convolutions
LyCORIS, arXiv 2309.14859, section 3, whose LoHa (FedPara, arXiv 2108.06098, equation 2) and LoKr
these are; DoRA: arXiv 2402.09353, equation 5.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdx.adapters.lora_file import Layer

__all__ = ["bias_delta", "decomposes", "delta"]

Tensors = Mapping[str, NDArray[Any]]
Shape = tuple[int, ...]


def delta(layer: Layer, weight: NDArray[Any]) -> NDArray[Any] | None:
    """What is added to a weight (O, ...) at strength 1; None where the layer has only a bias.

    ValueError that says which shape does not fit.
    """
    made = DELTAS[layer.kind](_wide(layer.tensors), weight.shape)
    if made is None:
        return None
    if made.shape[0] != weight.shape[0] or made.size != weight.size:
        raise ValueError(f"is for a weight of shape {made.shape}, not {weight.shape}")
    change = made.reshape(weight.shape)
    if layer.kind == "difference":
        change = change.copy()  # for what was read stays as it is
    change *= change.dtype.type(layer.scale)
    if decomposes(layer):
        return _decomposed(layer, weight, change)
    return change


def bias_delta(layer: Layer, shape: Shape) -> NDArray[Any] | None:
    """What is added to a bias (O,) at strength 1; None where that is nothing."""
    total = None
    for role, scale in (("diff_b", 1.0), ("up_bias", layer.scale)):
        if role in layer.tensors:
            if layer.tensors[role].size != np.prod(shape):
                raise ValueError(
                    f"is for a bias of shape {layer.tensors[role].shape}, not {tuple(shape)}"
                )
            change = _widened(layer.tensors[role]).reshape(shape) * scale
            total = change if total is None else total + change
    return total


def decomposes(layer: Layer) -> bool:
    """Whether the layer sets lengths of the weight's rows or columns, which is no sum."""
    return "dora_scale" in layer.tensors or "magnitude" in layer.tensors


def _low_rank(tensors: Tensors, shape: Shape) -> NDArray[Any]:
    """up (O, r) down (r, I k k), or with a kernel of its own between the two (r, s, k, k)."""
    up, down = tensors["up"], tensors["down"]
    if "mid" in tensors:
        mid, outer, inner = tensors["mid"], _matrix(up), _matrix(down)
        if mid.ndim < 3 or outer.shape[1] != mid.shape[0] or inner.shape[0] != mid.shape[1]:
            raise ValueError(f"has factors of {up.shape}, {mid.shape} and {down.shape}")
        rows = np.tensordot(outer, mid, 1)  # (O, s, k, k)
        return np.moveaxis(np.tensordot(rows, inner, ([1], [0])), -1, 1)
    return _product(up, down)


def _hadamard(tensors: Tensors, shape: Shape) -> NDArray[Any]:
    """The product, number by number, of two products of factors."""
    halves = []
    for n in "12":
        a, b, core = tensors[f"w{n}_a"], tensors[f"w{n}_b"], tensors.get(f"t{n}")
        halves.append(_product(a, b) if core is None else _tucker(core, a, b))
    if halves[0].shape != halves[1].shape:
        raise ValueError(f"has halves of shapes {halves[0].shape} and {halves[1].shape}")
    return halves[0] * halves[1]


def _kronecker(tensors: Tensors, shape: Shape) -> NDArray[Any]:
    """The Kronecker product of two matrices, each whole or a product of factors."""
    first = tensors.get("k1")
    if first is None:
        first = _product(tensors["k1_a"], tensors["k1_b"])
    second = tensors.get("k2")
    if second is None and "kt2" in tensors:
        second = _tucker(tensors["kt2"], tensors["k2_a"], tensors["k2_b"])
    elif second is None:
        second = _product(tensors["k2_a"], tensors["k2_b"])
    if first.ndim != 2 or second.ndim not in (2, 4):
        raise ValueError(f"has matrices of {first.shape} and {second.shape}")
    if second.ndim == 4:
        first = first[:, :, None, None]
    return np.kron(first, second)


def _whole(tensors: Tensors, shape: Shape) -> NDArray[Any] | None:
    """The difference as it is."""
    return tensors.get("diff")


DELTAS: Mapping[str, Callable[[Tensors, Shape], NDArray[Any] | None]] = {
    "LoRA": _low_rank,
    "LoHa": _hadamard,
    "LoKr": _kronecker,
    "difference": _whole,
}


def _product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """a (O, r, ...) b (r, I, ...) -> (O, I, ...), where only b has further axes that are not 1."""
    left, right = _matrix(a), b.reshape(len(b), -1) if b.ndim else b.reshape(1, 1)
    if left.shape[1] != right.shape[0]:
        raise ValueError(f"has factors of {a.shape} and {b.shape}")
    return (left @ right).reshape(len(left), *b.shape[1:])


def _tucker(core: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """core (i, j, k, k), a (i, O), b (j, I) -> (O, I, k, k)."""
    if core.ndim < 3 or a.ndim != 2 or b.ndim != 2 or core.shape[:2] != (len(a), len(b)):
        raise ValueError(f"has factors of {core.shape}, {a.shape} and {b.shape}")
    rows = np.tensordot(a, core, ([0], [0]))  # (O, j, k, k)
    return np.moveaxis(np.tensordot(rows, b, ([1], [0])), -1, 1)


def _matrix(array: NDArray[Any]) -> NDArray[Any]:
    """A factor whose further axes, those of a kernel of one pixel, are 1."""
    if array.ndim < 2 or np.prod(array.shape[2:]) != 1:
        raise ValueError(f"has a factor of shape {array.shape}, where a matrix is expected")
    return array.reshape(array.shape[:2])


def _decomposed(layer: Layer, weight: NDArray[Any], change: NDArray[Any]) -> NDArray[Any]:
    """What is added so that W + change has the lengths that the layer says.

    Of each output (O, 1), as in the paper's code and in PEFT, or of each input (1, I), as in older
    files: the shape tells. The smallest number is added to a length, as LyCORIS does.
    """
    base = _widened(weight)
    moved = base + change
    outputs, inputs = weight.shape[:2] if weight.ndim > 1 else (weight.shape[0], 1)
    flat = moved.reshape(outputs, inputs, -1)
    said = layer.tensors.get("dora_scale")
    if said is None:
        said = layer.tensors["magnitude"].reshape(-1, 1)
    lengths = _widened(said)
    if lengths.size == outputs and lengths.shape[:1] == (outputs,):
        norms, lengths = np.sqrt((flat**2).sum((1, 2))), lengths.reshape(-1, 1, 1)
        norms = norms.reshape(-1, 1, 1)
    elif lengths.size == inputs and lengths.shape[:2] == (1, inputs):
        norms, lengths = np.sqrt((flat**2).sum((0, 2))), lengths.reshape(1, -1, 1)
        norms = norms.reshape(1, -1, 1)
    else:
        raise ValueError(f"has lengths of shape {said.shape} for a weight of {weight.shape}")
    scaled = flat * (lengths / (norms + np.finfo(norms.dtype).eps))
    return scaled.reshape(weight.shape) - base


def _wide(tensors: Tensors) -> dict[str, NDArray[Any]]:
    return {role: _widened(array) for role, array in tensors.items()}


def _widened(array: NDArray[Any]) -> NDArray[Any]:
    """float64 as it is, others as float32."""
    return array if array.dtype == np.float64 else array.astype(np.float32, copy=False)
