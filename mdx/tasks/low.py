"""The small picture that an upscaler reads, with as much noise as it is told."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdx import schedulers
from mdx.conditioning import Conditioning
from mdx.families.stable_diffusion_upscaler import levels

__all__ = ["noised"]


def noised(
    model: Any, one: Conditioning, pixels: NDArray[np.float32], noise: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Pixels (B, 3, h, w) with noise at the levels that a conditioning tells the network.

    Cascaded diffusion models, arXiv 2106.15282, section 4.1: augmentation by noise.
    """
    found = []
    for level, picture, fresh in zip(levels(one), pixels, noise, strict=True):
        table = schedulers.table(model.low_res_scheduler, timesteps=[float(level)])
        found.append(schedulers.add_noise(table, 0, picture[None], fresh[None]).asnumpy())
    return np.concatenate(found)
