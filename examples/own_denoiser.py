"""A denoiser of your own, without a checkpoint: points of a plane find a spiral.

python examples/own_denoiser.py out.png [--sampler dpmpp_2m] [--steps 40]

The data are a mixture of many small normals along a spiral, so the noise in a sample is known
exactly, at every level: it is what a network would have to learn. Writes the points at four moments
of the run, and prints how many of them end on the spiral.
"""

import argparse

import numpy as np
from PIL import Image

import mdx
from mdx import schedulers
from mdx.sampling import Denoiser

ANGLES = np.linspace(2, 12, 120)
CENTRES = ANGLES[:, None] / 8 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)  # (K, 2)
SPREAD = 0.05  # of the data around each centre
POINTS = 4000
# What Stable Diffusion was trained with; any other schedule does.
NOISE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def noise_in(x, alpha, sigma):
    """E[eps | x] for x = alpha x0 + sigma eps of points x (B, 2)."""
    variance = (alpha * SPREAD) ** 2 + sigma**2
    away = x[:, None] - alpha * CENTRES  # (B, K, 2)
    log_share = -np.sum(away**2, 2) / (2 * variance)
    share = np.exp(log_share - log_share.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    return sigma / variance * np.einsum("bk,bkd->bd", share, away)


def spiral():
    """The denoiser. It carries nothing from call to call, and looks at its row for the level."""

    def apply(carry, x, row):
        points = x.asnumpy() / row.scale  # samplers that scale the model's input have it there
        return noise_in(points, row.alpha, row.sigma), carry

    return Denoiser(lambda shape: {}, apply, prediction="epsilon")


def run(sampler="dpmpp_2m", steps=40, seed=0):
    """The points (POINTS, 2) before each row and after the last."""
    made = schedulers.from_config({**NOISE, "clip_sample": False}, sampler)
    table, generator = schedulers.table(made, steps), np.random.default_rng(seed)
    first = schedulers.init(table, generator.standard_normal((POINTS, 2)))
    seen = [first.slots.asnumpy()[0]]
    mdx.sample(
        spiral(),
        table,
        start=first,
        # Each row's noise for samplers that add some; the others do not ask.
        step_noise=(generator.standard_normal((POINTS, 2)) for _ in range(table.rows)),
        callback=lambda row, state, info: seen.append(state.slots.asnumpy()[0]),
    )
    return seen


def on_spiral(points):
    """The share of points within three deviations of the nearest centre."""
    nearest = np.linalg.norm(points[:, None] - CENTRES, axis=2).min(1)
    return float(np.mean(nearest < 3 * SPREAD))


def picture(points, side=192):
    """Points as dark dots on white, from -2 to 2."""
    counts, *_ = np.histogram2d(-points[:, 1], points[:, 0], side, [[-2, 2], [-2, 2]])
    return Image.fromarray(np.uint8(255 * np.exp(-1.5 * counts))).convert("RGB")


def main() -> None:
    """Draw the points on their way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output")
    parser.add_argument("--sampler", default="dpmpp_2m")
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    seen = run(given.sampler, given.steps)
    moments = [round(share * (len(seen) - 1)) for share in (0, 0.85, 0.95, 1)]  # the late ones
    mdx.grid([picture(seen[i]) for i in moments], 1, 4).save(given.output)
    print(f"{on_spiral(seen[-1]):.1%} of the points end on the spiral")


if __name__ == "__main__":
    main()
