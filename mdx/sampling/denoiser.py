"""A denoiser: what a sampler calls, as a value.

It is a pair of functions, as an optax transformation is: one makes what is carried from call to
call, and one makes the model's output for a sample. What changes over a run (guidance in an
interval, a second model for the last rows, a cache) is a denoiser that looks at its row.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mdx.checks import shown
from mdx.schedulers import Table

__all__ = [
    "Carry",
    "Denoiser",
    "Row",
    "in_parts",
    "lift",
    "nothing",
    "parts_of",
    "per_image",
    "rows",
]

Carry: TypeAlias = dict[str, Any]  # arrays or tensors by name; a saved run holds it


class Row(NamedTuple):
    """What a denoiser sees of the table: the row that it is called for.

    Numbers are () where all images run one sampler, and (B,) where the table is stacked.
    """

    index: int  # of the row, counted from 0  # pyright: ignore[reportIncompatibleMethodOverride]
    count: int  # rows of the table  # pyright: ignore[reportIncompatibleMethodOverride]
    t: NDArray[np.float64]  # the model's time
    alpha: NDArray[np.float64]  # signal factor of the sample
    sigma: NDArray[np.float64]  # noise factor of the sample
    scale: NDArray[np.float64]  # what the sample was multiplied by to become the model's input


class Denoiser(NamedTuple):
    """A model as a sampler calls it, with its conditioning inside."""

    init: Callable[
        [tuple[int, ...]], Carry
    ]  # shape of the sample (B, ...) -> what is carried first
    # (carry, x (B, ...) float32 Tensor, row) -> output (B, ...) in the type of `prediction`, carry
    apply: Callable[[Carry, Tensor, Row], tuple[Any, Carry]]
    prediction: str | None = None  # of the output, as schedulers.PREDICTIONS has it; None: unasked


def nothing(shape: tuple[int, ...]) -> Carry:
    """`init` of a denoiser that carries nothing."""
    return {}


def lift(denoiser: Any) -> Denoiser:
    """What `sample` makes of a denoiser: itself, or a plain function (x, t) -> output.

    The function is called with numpy arrays, x (B, ...) and t (B,), both float32, and may return
    an array or a Tensor. What has an `init` and an `apply` is a denoiser, whatever its class; one
    that has a `lowered`, as a network has, is made ready for a run by it. TypeError for what is
    neither.
    """
    if hasattr(denoiser, "lowered"):
        denoiser = denoiser.lowered()
    if isinstance(denoiser, Denoiser):
        return denoiser
    if hasattr(denoiser, "init") and hasattr(denoiser, "apply"):
        prediction = getattr(denoiser, "prediction", None)
        return Denoiser(denoiser.init, denoiser.apply, prediction)
    if not callable(denoiser):
        raise TypeError(
            f"denoiser must be a Denoiser or a function of (x, t), not {shown(denoiser)}"
        )

    def apply(carry: Carry, x: Tensor, row: Row) -> tuple[Any, Carry]:
        array = x.asnumpy()
        return denoiser(array, per_image(row.t, len(array))), carry

    return Denoiser(nothing, apply)


def rows(table: Table) -> list[Row]:
    """What a denoiser sees of each row of a table."""
    return [
        Row(i, table.rows, table.t[i], table.alpha[i], table.sigma[i], table.scale[i])
        for i in range(table.rows)
    ]


def per_image(factor: Any, count: int) -> NDArray[np.float32]:
    """One number, or one an image, as (count,) float32."""
    return np.broadcast_to(factor, (count,)).astype(np.float32)


# What several denoisers carry is one flat dict, the names of each behind its number.


def in_parts(carries: list[Carry]) -> Carry:
    """The carries of several denoisers as one."""
    return {f"{i}.{name}": value for i, one in enumerate(carries) for name, value in one.items()}


def parts_of(carry: Carry, count: int) -> list[Carry]:
    """The carries of `count` denoisers that one was made of."""
    parts: list[Carry] = [{} for _ in range(count)]
    for name, value in carry.items():
        number, _, inner = name.partition(".")
        if not number.isdecimal() or int(number) >= count:
            raise ValueError(
                f"the state carries {shown(name)}, which no denoiser of this run has: go on with "
                "the one that made it"
            )
        parts[int(number)][inner] = value
    return parts
