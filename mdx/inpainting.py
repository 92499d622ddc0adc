"""Parts of a picture that a run keeps, as functions of denoisers and of states.

`keeping` is what `generate` does with a mask: the denoiser knows the kept part, so that every
sampler, whatever it remembers of rows before, sees one that is sure of it. `replacing` puts the
kept part into the state after each row; `keep_known` does so with new noise each time: RePaint,
arXiv 2201.09865, equation 8, whose jumps are in the table of the sampler "repaint".
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdx import deprecated, schedulers
from mdx.checks import entries, floats, whole
from mdx.sampling.kept import keeping, kept_at
from mdx.schedulers import State, Table

__all__ = ["downsample_mask", "keep_known", "keeping", "replacing"]


def keep_known(
    latents: NDArray[np.floating], keep: ArrayLike, *, seed: int | Sequence[int] = 0
) -> Callable[[Table, State], State]:
    """What puts the known part of a picture back after every row, noised to its level.

    Args:
        latents: the picture's, as `mdx.encode` gives them, (B, C, h, w), or (1, C, h, w) for all
            images of the run.
        keep: 1 where they stay and 0 where the sampler draws, of a shape that broadcasts with them,
            such as (h, w).
        seed: the noise of image i after row n depends on n and on seed[i] alone; of an int on seed
            + i.

    Returns:
        A function (table, state) -> state, for the `after` of `generate` and `sample`.

    Raises:
        ValueError: for other shapes and values.
    """
    picture, stays = floats("latents", latents), floats("keep", keep)
    if picture.ndim != 4:
        raise ValueError(f"latents must have the shape (B, C, h, w), not {picture.shape}")
    if not np.isfinite(picture).all():
        raise ValueError("latents hold NaN or infinity")
    if not (stays.size and stays.min() >= 0 and stays.max() <= 1):  # NaN is neither
        raise ValueError("keep must be numbers from 0, drawn anew, to 1, kept")
    fits = stays.ndim <= 4 and all(
        a in (1, b) for a, b in zip(stays.shape[::-1], picture.shape[::-1], strict=False)
    )
    if not fits:
        raise ValueError(
            f"keep has shape {stays.shape}, which does not fit latents {picture.shape}"
        )
    listed = entries(seed)
    given = [whole("seed", one, 0, None) for one in ([seed] if listed is None else listed)]

    def after(table: Table, state: State) -> State:
        from mindspore import Tensor

        slots = state.slots.asnumpy()
        count, *shape = slots.shape[1:]
        if picture.shape not in ((1, *shape), (count, *shape)):
            raise ValueError(f"the known latents have shape {picture.shape}, not {slots.shape[1:]}")
        seeds = given if listed is not None else [given[0] + i for i in range(count)]
        if len(seeds) != count:
            raise ValueError(f"{len(seeds)} seeds for {count} images: give one each, or an int")
        noise = np.stack(
            [np.random.default_rng([one, state.index]).standard_normal(shape) for one in seeds]
        )
        clean = np.broadcast_to(picture, noise.shape)
        there = schedulers.add_noise(table, state.index, clean, noise).asnumpy()
        mixed = stays * there + (1 - stays) * slots[0]
        return State(Tensor(np.concatenate([mixed[None], slots[1:]])), state.index)

    return after


def replacing(
    latents: NDArray[np.floating],
    noise: NDArray[np.floating],
    draws: ArrayLike,
    *,
    rows: Sequence[int] | None = None,
) -> Callable[[Table, State], State]:
    """What puts the kept part of a picture back after every row, always with the same noise.

    After the last row it is put back without any. That is how diffusers inpaints by a network that
    knows nothing of masks; see `keeping` for the way that also holds for samplers that remember.

    Args:
        latents: clean ones (B, C, h, w).
        noise: unit noise (B, C, h, w), that of the run's beginning.
        draws: as for `keeping`.
        rows: as for `keeping`.

    Returns:
        A function (table, state) -> state, for the `after` of `generate` and `sample`.
    """
    clean, fixed, drawn = floats("latents", latents), floats("noise", noise), floats("draws", draws)

    def after(table: Table, state: State) -> State:
        from mindspore import Tensor

        slots = state.slots.asnumpy()
        ends = np.array([table.rows] if rows is None else rows)
        there = schedulers.add_noise(table, state.index, clean, fixed).asnumpy()
        done = (state.index >= ends).reshape(-1, 1, 1, 1)
        stays = kept_at(drawn, state.index, ends)
        mixed = np.where(stays, np.where(done, clean, there), slots[0])
        return State(Tensor(np.concatenate([mixed[None], slots[1:]])), state.index)

    return after


def downsample_mask(keep: ArrayLike, factor: int) -> NDArray[np.float32]:
    """A mask over pixels as one over latents: the least of each square.

    A latent stays only if all its pixels do.

    Args:
        keep: (H, W), 1 where pixels stay.
        factor: pixels that a latent stands for along one side, 8 for most checkpoints.

    Returns:
        float32 (H / factor, W / factor).

    Raises:
        ValueError: if the sides are no multiples of `factor`.
    """
    mask, factor = floats("keep", keep), whole("factor", factor, 1)
    if mask.ndim != 2 or not mask.size or mask.shape[0] % factor or mask.shape[1] % factor:
        raise ValueError(
            f"keep must be a mask (H, W), multiples of factor {factor} above 0, not {mask.shape}"
        )
    height, width = mask.shape
    return mask.reshape(height // factor, factor, width // factor, factor).min(axis=(1, 3))


known = deprecated.renamed("mdx.inpainting.known", "mdx.inpainting.keep_known", keep_known)
shrunk = deprecated.renamed(
    "mdx.inpainting.shrunk", "mdx.inpainting.downsample_mask", downsample_mask
)
