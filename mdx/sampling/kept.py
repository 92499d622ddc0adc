"""A denoiser that knows a part of the picture: inpainting by a network that knows no masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Tensor, ops
from numpy.typing import ArrayLike, NDArray

from mdx.checks import floats, shown, whole
from mdx.compile_cache import compiled
from mdx.sampling.denoiser import Carry, Denoiser, Row, lift
from mdx.schedulers import PREDICTIONS

__all__ = ["keeping", "kept_at"]


def keeping(
    denoiser: Any,
    latents: NDArray[np.floating],
    noise: NDArray[np.floating],
    draws: ArrayLike,
    *,
    prediction: str | None = None,
    rows: Sequence[int] | None = None,
) -> Denoiser:
    """A denoiser to which a part of the picture is known.

    Where it is kept the network is shown alpha latents + sigma noise, and what it says is replaced
    by what makes the latents of it. A deterministic sampler that begins there with those numbers
    keeps them at every row, whatever it remembers of other rows; one that adds noise of its own is
    shown them before each call, and ends with the latents all the same.

    Args:
        denoiser: what is wrapped, guidance and all.
        latents: clean ones (B, C, h, w), as `mdx.encode` gives them.
        noise: unit noise (B, C, h, w): that of the run's beginning.
        draws: 0 where the latents are kept and 1 where they are drawn, of a shape that broadcasts
            with (B, 1, h, w). What lies between is drawn in the last rows alone, in that share of
            them: differential diffusion, arXiv 2306.00950.
        prediction: what the denoiser returns, one of schedulers.PREDICTIONS; None for what it says.
        rows: (B,) of the run, where images have fewer than its table has; None for the table's.

    Returns:
        A denoiser of the same prediction.

    Raises:
        ValueError, TypeError: for arrays that do not fit, and a prediction that nobody says.
    """
    inner = lift(denoiser)
    said = inner.prediction if prediction is None else prediction
    if said not in PREDICTIONS:
        raise ValueError(
            f"prediction must be one of {', '.join(PREDICTIONS)}, not {shown(said)}: what a "
            "denoiser says of a kept part depends on it"
        )
    clean, fixed, drawn = floats("latents", latents), floats("noise", noise), floats("draws", draws)
    if clean.ndim != 4 or clean.shape != fixed.shape:
        raise ValueError(
            f"latents and noise must be of one shape (B, C, h, w), not {clean.shape}, {fixed.shape}"
        )
    if not (drawn.size and drawn.min() >= 0 and drawn.max() <= 1):  # NaN is neither
        raise ValueError("draws must be numbers from 0, kept, to 1, drawn")
    if np.broadcast_shapes(drawn.shape, clean.shape) != clean.shape:
        raise ValueError(f"draws of shape {drawn.shape} do not fit latents {clean.shape}")
    ends = None if rows is None else np.array([whole("rows", one, 1) for one in rows])

    def apply(carry: Carry, x: Tensor, row: Row) -> tuple[Any, Carry]:
        stays = kept_at(drawn, row.index, np.array([row.count]) if ends is None else ends)
        kept = Tensor(np.broadcast_to(stays, clean.shape).astype(np.float32))
        held = Tensor(clean), Tensor(fixed)
        seen = _seen(x, kept, *held, _columns(_line(row), len(clean)))
        out, carry = inner.apply(carry, seen, row)
        if not isinstance(out, Tensor):
            out = Tensor(np.asarray(out, np.float32))
        return _said(x, out, kept, *held, _columns(_answer(said, row), len(clean))), carry

    return Denoiser(inner.init, apply, said)


def kept_at(draws: NDArray[np.floating], row: int, ends: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where latents are kept in a row of a run of so many rows (B,) -> (B, ..., h, w).

    What is kept for a share of the run is let go when that share of its rows is done; what is kept
    for all of it, never. arXiv 2306.00950, section 4.2.
    """
    share = (row / ends).reshape(-1, 1, 1, 1)
    held = 1 - draws
    return (held > share) | (held >= 1)


def _line(row: Row) -> tuple[Any, Any]:
    """Factors of the latents and of the noise in what the network is shown."""
    return row.scale * row.alpha, row.scale * row.sigma


def _answer(prediction: str, row: Row) -> tuple[Any, Any, Any]:
    """Factors of x, the latents and the noise in the output that means these latents.

    With eps = (x - alpha x0) / sigma, where there is noise; arXiv 2006.11239, 2202.00512, appendix
    D, and 2403.03206, section 2.
    """
    alpha, sigma, none = row.alpha, row.sigma, row.sigma == 0
    by = np.where(none, 1, sigma)
    eps = np.where(none, 0, 1 / (by * row.scale)), np.where(none, 0, -alpha / by), 1.0 * none
    x0 = (0.0, 1.0, 0.0)
    of_eps, of_x0 = {
        "epsilon": (1.0, 0.0),
        "sample": (0.0, 1.0),
        "v_prediction": (alpha, -sigma),
        "flow_prediction": (1.0, -1.0),
    }[prediction]
    first, second, third = (of_eps * a + of_x0 * b for a, b in zip(eps, x0, strict=True))
    return first, second, third


def _columns(factors: Sequence[Any], count: int) -> Tensor:
    """Factors, each () or (B,), as one array (F, B, 1, 1, 1)."""
    each = [np.broadcast_to(one, (count,)) for one in factors]
    return Tensor(np.stack(each)[..., None, None, None].astype(np.float32))


def _show(x: Tensor, kept: Tensor, clean: Tensor, noise: Tensor, factors: Tensor) -> Tensor:
    line = factors[0] * clean + factors[1] * noise
    return x * (1.0 - kept) + kept * line


def _say(
    x: Tensor, out: Tensor, kept: Tensor, clean: Tensor, noise: Tensor, factors: Tensor
) -> Tensor:
    answer = factors[0] * x + factors[1] * clean + factors[2] * noise
    channels = x.shape[1]
    mixed = out[:, :channels] * (1.0 - kept) + kept * answer
    if out.shape[1] == channels:
        return mixed
    return ops.concat((mixed, out[:, channels:]), 1)  # a variance that the model learned


_seen, _said = compiled(_show), compiled(_say)
