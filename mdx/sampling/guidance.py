"""Functions from denoisers to denoisers: guidance, and denoisers that take turns."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mdx.checks import array_of, finite, shown, whole
from mdx.compile_cache import compiled
from mdx.conditioning import Conditioning, make
from mdx.prompt_schedule import at as conditioning_at
from mdx.prompt_schedule import each
from mdx.sampling.composing import agreed, compose, moved, tensor_of
from mdx.sampling.denoiser import Carry, Denoiser, Row, in_parts, lift, parts_of
from mdx.sampling.network import CHANNELS, Network, alike
from mdx.sampling.scales import Followed, Scale, at
from mdx.sampling.scales import scales as scales_of

__all__ = [
    "Between", "Guide", "Instructed", "classifier_free", "compose", "instruct", "interval", "turns",
]  # fmt: skip

Guide: TypeAlias = Callable[[Any, Any], Any]  # (positive, negative) -> denoiser


def classifier_free(positive: Any, negative: Any, scale: Scale) -> Network | Denoiser:
    """Move the output away from that of the negative conditioning.

    Where both are one network, and their conditionings have arrays of the same names and shapes,
    it is called once for both halves; otherwise each is called by itself. A row in which no image
    is guided (none has a scale above 1) calls `positive` alone. Of outputs (B, 2C, ...) the second
    half, the variance that the model learned, is no direction, and is the positive one's.

    Args:
        positive, negative: denoisers, or functions of (x, t).
        scale: 1 + w of the source: a number, one an image (B,), or (N, B) over the rows of the run,
            or a function of the `Row` that gives a number or (B,). 1 or less is no guidance.

    Returns:
        A denoiser of the prediction that both have.

    Raises:
        TypeError, ValueError: for what is no denoiser and no scale; for denoisers of different
            predictions.

    Classifier-free diffusion guidance, arXiv 2207.12598, equation 6.
    """
    followed = scales_of("scale", scale)
    networks = isinstance(positive, Network) and isinstance(negative, Network)
    if networks and alike(positive, negative):
        return positive._replace(negative=negative.conditioning, scale=followed)
    towards, away = lift(positive), lift(negative)
    prediction = agreed([towards, away])

    def init(shape: tuple[int, ...]) -> Carry:
        return in_parts([towards.init(shape), away.init(shape)])

    def apply(carry: Carry, x: Tensor, row: Row) -> tuple[Any, Carry]:
        own, other = parts_of(carry, 2)
        count = x.shape[0]
        factor = at(followed, row, count)
        out, own = towards.apply(own, x, row)
        if (factor > 1).any():
            # At 1 the negative half counts for nothing, as for an image that is made without one.
            factor = Tensor(np.maximum(factor, 1))
            out_away, other = away.apply(other, x, row)
            origin = tensor_of(out_away)
            out = moved(origin, origin, tensor_of(out), factor, x)
        return out, in_parts([own, other])

    return Denoiser(init, apply, prediction)


class Between(NamedTuple):
    """A scale that holds between two parts of a run, counted in its rows; beyond them it is 1."""

    scale: NDArray[np.float32]  # () or (B,)
    begin: float  # 0 is the first row
    end: float  # 1 is beyond the last

    def __call__(self, row: Row) -> NDArray[np.float32]:
        within = self.begin <= row.index / row.count < self.end
        return self.scale if within else np.ones_like(self.scale)


def interval(scale: float | NDArray[np.floating], begin: float = 0.0, end: float = 1.0) -> Guide:
    """Classifier-free guidance in a part of the run only: what `generate` takes as `guidance`.

    Args:
        scale: a number, or one an image (B,), as for `classifier_free`.
        begin, end: fractions of a run's rows, 0 to 1, in order: it holds from the row at which
            `begin` of the rows is done to the one at which `end` is.

    Returns:
        A function (positive, negative) -> denoiser.

    Raises:
        ValueError, TypeError: for other numbers.

    Applying guidance in a limited interval improves sample and distribution quality in diffusion
    models, arXiv 2404.07724.
    """
    begin, end = finite("begin", begin), finite("end", end)
    if not 0 <= begin <= end <= 1:
        raise ValueError(f"begin and end must be fractions of a run, in order, not {begin}, {end}")
    factor = array_of("scale", scale)
    if factor.ndim > 1 or factor.dtype.kind not in "fiu" or not np.isfinite(factor).all():
        raise ValueError(f"scale must be a finite number, or one an image, not {shown(scale)}")
    between = Between(factor.astype(np.float32), begin, end)

    def guide(positive: Any, negative: Any) -> Network | Denoiser:
        return classifier_free(positive, negative, between)

    return guide


class Instructed(NamedTuple):
    """Two scales, of the text and of the picture, as a function (positive, negative)."""

    text: Followed  # (), (B,) or (N, B)
    image: Followed

    def __call__(self, positive: Any, negative: Any) -> Denoiser:
        networks = isinstance(positive, Network) and isinstance(negative, Network)
        if not networks or CHANNELS not in conditioning_at(negative.conditioning, 0).arrays:
            raise ValueError(
                "guidance by instruct is for networks that read a picture in channels, as "
                "InstructPix2Pix does, and this one reads none"
            )

        def without(one: Conditioning) -> Conditioning:
            none = {CHANNELS: np.zeros_like(one.arrays[CHANNELS])}
            return make(one.family, {**one.arrays, **none})

        nothing = negative._replace(conditioning=each(negative.conditioning, without))
        return self._of([lift(one) for one in (positive, negative, nothing)])

    def _of(self, parts: list[Denoiser]) -> Denoiser:
        """Of denoisers that read text and picture, the picture alone, and neither."""

        def init(shape: tuple[int, ...]) -> Carry:
            return in_parts([one.init(shape) for one in parts])

        def apply(carry: Carry, x: Tensor, row: Row) -> tuple[Any, Carry]:
            own, count = parts_of(carry, len(parts)), x.shape[0]
            text, image = at(self.text, row, count), at(self.image, row, count)
            total = None
            for i, factor in enumerate((text, image - text, 1 - image)):
                if not factor.any():
                    continue  # it counts for nothing
                out, own[i] = parts[i].apply(own[i], x, row)
                out = _times(tensor_of(out), Tensor(factor))
                total = out if total is None else _plus(total, out)
            return total, in_parts(own)

        return Denoiser(init, apply, agreed(parts))


def instruct(text: Scale, image: Scale = 1.5) -> Guide:
    """Guidance by an instruction and by a picture: what `generate` takes as `guidance`.

    With what the network makes of both, of the picture alone, and of neither, the output is
    neither + image (picture - neither) + text (both - picture). Each is a call of its own, of as
    many images as the run; one that counts for nothing is left out.

    Args:
        text: how far the picture follows the text, as for `classifier_free`.
        image: how far it holds on to the picture that is given.

    Returns:
        A function (positive, negative) -> denoiser, for networks that read a picture in channels.

    Raises:
        TypeError, ValueError: for what is no scale.

    InstructPix2Pix: learning to follow image editing instructions, arXiv 2211.09800, equation 3.
    """
    return Instructed(scales_of("text", text), scales_of("image", image))


def turns(*denoisers: Any, ends: list[int] | tuple[int, ...]) -> Denoiser:
    """One denoiser after another: as a base and a refiner take their turns within one run.

    Args:
        denoisers: denoisers, or functions of (x, t). All of them carry what they carry from their
            own rows.
        ends: one fewer. Denoiser i is called for the rows below ends[i] that those before it are
            not called for; the last one for the rest.

    Returns:
        A denoiser of the prediction that all have.

    Raises:
        ValueError: unless `ends` rise, and are one fewer; for denoisers of different predictions.
        TypeError: for what is no denoiser.
    """
    parts = [lift(one) for one in denoisers]
    bounds = [whole("ends", end, 0) for end in ends]
    if len(bounds) != len(parts) - 1 or bounds != sorted(bounds):
        raise ValueError(
            f"ends of turns of {len(parts)} denoisers are one fewer, and rise, not {shown(ends)}"
        )
    prediction = agreed(parts)

    def init(shape: tuple[int, ...]) -> Carry:
        return in_parts([one.init(shape) for one in parts])

    def apply(carry: Carry, x: Tensor, row: Row) -> tuple[Any, Carry]:
        own = parts_of(carry, len(parts))
        i = sum(row.index >= end for end in bounds)
        out, own[i] = parts[i].apply(own[i], x, row)
        return out, in_parts(own)

    return Denoiser(init, apply, prediction)


def _scaled(out: Tensor, factor: Tensor) -> Tensor:
    return out * factor.reshape((-1,) + (1,) * (len(out.shape) - 1))


def _added(one: Tensor, other: Tensor) -> Tensor:
    return one + other


_times, _plus = compiled(_scaled), compiled(_added)
