"""What MindSpore says of a native operator when it is asked for derivatives: there are none.

It takes a function of an operator's inputs, its result and that one's derivative, and asks for as
many parameters as that makes: so there is one for each number of inputs.
"""

from collections.abc import Callable
from typing import Any

from mindspore import Tensor

__all__ = ["REFUSED"]

WHY = "native operators have no derivatives: take the plain ones, mdx.kernels.lowered('plain')"


def _of_2(a: Any, b: Any, out: Tensor, dout: Tensor) -> None:
    raise RuntimeError(WHY)


def _of_3(a: Any, b: Any, c: Any, out: Tensor, dout: Tensor) -> None:
    raise RuntimeError(WHY)


def _of_4(a: Any, b: Any, c: Any, d: Any, out: Tensor, dout: Tensor) -> None:
    raise RuntimeError(WHY)


def _of_5(a: Any, b: Any, c: Any, d: Any, e: Any, out: Tensor, dout: Tensor) -> None:
    raise RuntimeError(WHY)


def _of_6(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, out: Tensor, dout: Tensor) -> None:
    raise RuntimeError(WHY)


def _of_7(
    a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, out: Tensor, dout: Tensor
) -> None:
    raise RuntimeError(WHY)


def _of_8(
    a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, out: Tensor, dout: Tensor
) -> None:
    raise RuntimeError(WHY)


# By the number of inputs, the vector of options among them.
REFUSED: dict[int, Callable[..., Any]] = {
    2: _of_2, 3: _of_3, 4: _of_4, 5: _of_5, 6: _of_6, 7: _of_7, 8: _of_8,
}  # fmt: skip
