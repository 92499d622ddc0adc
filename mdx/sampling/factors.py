"""LoRAs that a network reads beside its weights, each picture its own, in one call for all."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import mindspore
import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mdx.nets.low_rank import SCALE
from mdx.sampling.denoiser import Row
from mdx.sampling.scales import Followed, at

__all__ = ["Factors", "rows_of", "taken", "told"]

ONE = np.ones((), np.float32)
ONE.setflags(write=False)


class Factors(NamedTuple):
    """Factors of L LoRAs, and how strongly each of B images takes each."""

    params: Mapping[str, Tensor]  # by the names that nets/low_rank.py has
    strengths: NDArray[np.float32]  # (B, L)
    scale: Followed = ONE  # times that, over the rows of the run: see guidance.classifier_free

    def at(self, row: Row) -> NDArray[np.float32]:
        """The strengths in a row, (B, L)."""
        return self.strengths * at(self.scale, row, len(self.strengths))[:, None]


def taken(factors: Factors, images: slice, scale: Followed) -> Factors:
    """Those of some images, with a scale of theirs."""
    return factors._replace(strengths=factors.strengths[images], scale=scale)


def told(inputs: Mapping[str, Tensor], strengths: NDArray[np.float32], guided: bool) -> Any:
    """What the graphs read, and the strengths (B, L), of both halves where it is guided."""
    each = np.concatenate([strengths, strengths]) if guided else strengths
    return mindspore.mutable({**inputs, SCALE: Tensor(np.ascontiguousarray(each))})


def rows_of(factors: Factors, rows: list[Row], length: int, guided: bool) -> Tensor:
    """The strengths of each row, zeros up to a length: (N, B, L), or (N, 2B, L)."""
    each = np.stack([factors.at(row) for row in rows])
    each = np.concatenate([each, each], 1) if guided else each
    more = np.zeros((length - len(each), *each.shape[1:]), np.float32)
    return Tensor(np.concatenate([each, more]))
