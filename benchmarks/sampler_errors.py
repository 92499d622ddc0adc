"""What every sampler misses for the model calls it makes, on data whose answers are known.

python benchmarks/sampler_errors.py [--out benchmarks/sampler_errors.png]

Wants matplotlib: pip install ".[plots]". All samplers visit the same kind of levels, Karras' ramp
over Stable Diffusion's range, with the exact model of a mixture of three normals. Deterministic
ones are held against the exact solution, point by point; those that add noise follow no single
solution, so their samples are held against the data's distribution, quantile by quantile.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from mdx import schedulers
from mdx.schedulers import levels as lv
from mdx.schedulers import testbed
from mdx.schedulers.config import SAMPLERS

BETAS = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "skip_prk_steps": True,
    "clip_sample": False,
}
HIGH, LOW = 14.6, 0.03  # sigma / alpha at the ends of Stable Diffusion's betas
CALLS = (5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 56, 68, 80)
DATA = testbed.MIXTURE
POINTS = 256  # for the exact solution
SAMPLES = 40_000  # for distributions; chance puts independent ones 0.002 to 0.009 off


def family():
    """The short names of the samplers that run a Stable Diffusion model."""
    known = schedulers.compatibles(schedulers.from_config(BETAS, "pndm"))
    return [sampler.names[1] for sampler in SAMPLERS if sampler.names[0] in known]


def tables(name):
    """The sampler's tables, one for each budget it can fill without exceeding it."""
    found = {}
    for steps in range(2, max(CALLS) + 1):
        s = schedulers.from_config(BETAS, name)
        t = schedulers.table(s, sigmas=lv.karras(HIGH, LOW, steps + 1))
        if t.rows > max(CALLS):
            break
        budget = min(calls for calls in CALLS if calls >= t.rows)
        found[budget] = t
    return list(found.values())


def quantiles(alpha, sigma):
    """Where SAMPLES even shares of the data lie at a noise level, (SAMPLES,)."""
    means, stds = alpha * DATA.means[:, 0], np.hypot(alpha * DATA.stds, sigma)
    x = np.linspace((means - 8 * stds).min(), (means + 8 * stds).max(), 100_001)
    density = DATA.weights / stds * np.exp(-(((x[:, None] - means) / stds) ** 2) / 2)
    below = np.cumsum(density.sum(1))
    return np.interp((np.arange(SAMPLES) + 0.5) / SAMPLES, below / below[-1], x)


def distance(t, rng):
    """Wasserstein-1 distance of a run's samples from the data, both at the run's last level.

    The samples begin as even shares of the first level, so that chance enters by the sampler only.
    """
    begin = rng.permutation(quantiles(t.alpha[0], t.sigma[0]))[:, None]
    slots, model = testbed.start(t, begin), testbed.perfect(t, DATA)
    for i in range(t.rows):
        slots = testbed.row(t, i, slots, model(i, slots[0]), rng.normal(size=begin.shape))
    end = np.sort(slots[0][:, 0])
    return float(np.mean(np.abs(end - quantiles(t.alpha[-1], t.sigma[-1]))))


def measured(name, points, exact):
    """The sampler's calls and errors, and whether it adds noise."""
    made = tables(name)
    if made[0].stochastic:
        return [t.rows for t in made], [distance(t, np.random.default_rng(0)) for t in made], True
    errors = []
    for t in made:
        end = testbed.run(t, testbed.perfect(t, DATA), points * t.alpha[0])[-1]
        errors.append(np.sqrt(np.mean((end / t.alpha[-1] - exact) ** 2)))
    return [t.rows for t in made], errors, False


def apart(heights, least):
    """Heights moved as little as need be to lie `least` apart, in the same order."""
    order = np.argsort(heights)
    placed = np.array(heights, float)[order]
    for _ in range(200):
        gaps = np.diff(placed)
        short = np.maximum(least - gaps, 0) / 2
        placed[:-1] -= short
        placed[1:] += short
    result = np.empty_like(placed)
    result[order] = placed
    return result


def together(results):
    """Samplers whose lines lie upon each other under one name: "ddim, euler"."""
    merged = {}
    for name, result in results.items():
        for known, other in merged.items():
            if result[0] == other[0] and np.allclose(result[1], other[1], rtol=0.01):
                merged = {f"{n}, {name}" if n == known else n: r for n, r in merged.items()}
                break
        else:
            merged[name] = result
    return merged


def draw(results, path):
    """One panel for each kind of sampler; every line is named where it ends."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(13, 6.2), dpi=130, layout="constrained")
    titles = (
        "Deterministic: distance from the exact solution (RMS)",
        "With noise: distance from the data's distribution (Wasserstein-1)",
    )
    lines = together(results)
    palette = plt.get_cmap("tab10").colors
    for axes, random, title in zip(panels, (False, True), titles, strict=True):
        chosen = {n: (c, e) for n, (c, e, r) in lines.items() if r == random}
        colours = {name: palette[i % len(palette)] for i, name in enumerate(chosen)}
        marks = {name: "os^Dv"[i % 5] for i, name in enumerate(chosen)}
        for name, (calls, errors) in chosen.items():
            axes.loglog(calls, errors, marker=marks[name], ms=4, lw=1.6, color=colours[name])
        low, high = np.log(axes.get_ylim())
        ends = [np.log(errors[-1]) for _, errors in chosen.values()]
        for name, height in zip(chosen, apart(ends, (high - low) / 26), strict=True):
            axes.annotate(
                name,
                xy=(chosen[name][0][-1], chosen[name][1][-1]),
                xytext=(105, np.exp(height)),
                color=colours[name],
                fontsize=10,
                va="center",
                arrowprops={"arrowstyle": "-", "color": colours[name], "lw": 0.5},
            )
        axes.set_xlim(3.7, 100)
        axes.set_xticks([5, 10, 20, 40, 80], ["5", "10", "20", "40", "80"])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("model calls")
        axes.set_title(title, fontsize=11, loc="left")
    figure.savefig(path)


def main() -> None:
    """Measure every sampler of the family, print the errors, draw them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("sampler_errors.png"))
    given = parser.parse_args()
    begin = time.perf_counter()
    points = np.random.default_rng(0).normal(size=(POINTS, 1)) * np.hypot(1, HIGH)
    exact = testbed.flow(DATA, points, HIGH, LOW)
    results = {}
    for name in family():
        results[name] = measured(name, points, exact)
        calls, errors, _ = results[name]
        print(f"{name:10}", " ".join(f"{c}:{e:.2g}" for c, e in zip(calls, errors, strict=True)))
    draw(results, given.out)
    print(f"{given.out} in {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
