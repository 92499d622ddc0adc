"""Several prompts at once, and what functions of several denoisers share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Tensor, ops

from mdx.compile_cache import compiled
from mdx.sampling.denoiser import Carry, Denoiser, Row, in_parts, lift, parts_of
from mdx.sampling.scales import Scale, at
from mdx.sampling.scales import scales as scales_of

__all__ = ["agreed", "compose", "moved", "tensor_of"]


def compose(positives: Sequence[Any], negative: Any, scales: Sequence[Scale]) -> Denoiser:
    """Several prompts at once, each with a direction and a scale of its own: their sum is taken.

    What the webui writes as "one AND another :0.5" has scales of the guidance times 1 and 0.5. Each
    denoiser is called by itself. Of outputs (B, 2C, ...) the second half, the variance that the
    model learned, is no direction, and is that of the last one.

    Args:
        positives: denoisers, or functions of (x, t).
        negative: the one that all directions begin at.
        scales: of each positive, as for `classifier_free`; 1 and less count, too, and so do
            negative ones, which lead away.

    Returns:
        A denoiser of the prediction that all have.

    Raises:
        TypeError, ValueError: for what is no denoiser and no scale, for another number of scales,
            and for denoisers of different predictions.

    Compositional visual generation with composable diffusion models, arXiv 2206.01714, section 4.
    """
    towards, away = [lift(one) for one in positives], lift(negative)
    followed = [scales_of("scales", scale) for scale in scales]
    if not towards or len(followed) != len(towards):
        raise ValueError(f"scales are one a positive: {len(followed)} for {len(towards)}")
    prediction = agreed([*towards, away])

    def init(shape: tuple[int, ...]) -> Carry:
        return in_parts([one.init(shape) for one in (*towards, away)])

    def apply(carry: Carry, x: Tensor, row: Row) -> tuple[Any, Carry]:
        parts = parts_of(carry, len(towards) + 1)
        origin, parts[-1] = away.apply(parts[-1], x, row)
        out = origin = tensor_of(origin)
        for i, one in enumerate(towards):
            other, parts[i] = one.apply(parts[i], x, row)
            factor = Tensor(at(followed[i], row, x.shape[0]))
            out = moved(out, origin, tensor_of(other), factor, x)
        return out, in_parts(parts)

    return Denoiser(init, apply, prediction)


def agreed(denoisers: Sequence[Denoiser]) -> str | None:
    """What all of them return, None if none of them says; ValueError if they differ."""
    said = list(dict.fromkeys(one.prediction for one in denoisers if one.prediction is not None))
    if len(said) > 1:
        raise ValueError(
            f"denoisers that return {' and '.join(map(repr, said))} cannot be of one run: their "
            "outputs are of different kinds"
        )
    return said[0] if said else None


def tensor_of(values: Any) -> Tensor:
    if isinstance(values, Tensor):
        return values
    return Tensor(np.asarray(values, np.float32))


def _moved(so_far: Tensor, away: Tensor, towards: Tensor, scale: Tensor, x: Tensor) -> Tensor:
    shape = (x.shape[0],) + (1,) * (len(x.shape) - 1)
    out = so_far + scale.reshape(shape) * (towards - away)
    if len(x.shape) > 1 and towards.shape[1] == 2 * x.shape[1]:
        return ops.concat((out[:, : x.shape[1]], towards[:, x.shape[1] :]), 1)
    return out


# What so_far (B, C, ...) is by scale (B,) in the direction from away to towards; x: the sample.
moved = compiled(_moved)
