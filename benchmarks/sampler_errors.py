"""What every sampler misses for the model calls it makes, on data whose answers are known.

python benchmarks/sampler_errors.py [--out benchmarks/sampler_errors.png]

Wants matplotlib: pip install ".[plots]". All samplers visit the same noise ratios, Karras' ramp
over Stable Diffusion's range, with the exact model of a mixture of three normals. Deterministic
ones are held against the exact solution, point by point; those that add noise follow no single
solution, so their samples are held against the data's distribution, quantile by quantile. A sampler
that goes on from x0 alone is for models that jump to the end of the exact solution, and is given
one.
"""

import argparse
import functools
import time
from pathlib import Path

import numpy as np

from mdx import listing, schedulers
from mdx.schedulers import levels as lv
from mdx.schedulers import testbed
from mdx.schedulers.samplers import SAMPLERS

BETAS = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "skip_prk_steps": True,
}
PLAIN = {"clip_sample": False, "clip_denoised": False}
# By default RePaint's run of 11 steps takes 101 calls, and cm has no more than 40.
OPTIONS = {
    "repaint": {"jump_length": 2, "jump_n_sample": 2},
    "cm": {"num_train_timesteps": 100},
}
HIGH, LOW = 14.6, 0.03  # sigma / alpha at the ends of Stable Diffusion's betas
CALLS = (5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 56, 68, 80)
DATA = testbed.MIXTURE
POINTS = 256  # for the exact solution
SAMPLES = 40_000  # for distributions; chance puts independent ones 0.002 to 0.009 off

NAMES = [sampler.names[1] for sampler in SAMPLERS]


def scheduler(name):
    """The sampler on Stable Diffusion's betas if it can run its network, else on its own."""
    known = next(sampler.defaults for sampler in SAMPLERS if name in sampler.names)
    options = {key: value for key, value in PLAIN.items() if key in known}
    base = schedulers.from_config(BETAS, "pndm")
    return listing.chosen(base, name, {**options, **OPTIONS.get(name, {})})


def tables(name):
    """The sampler's tables, one for each budget it can fill without exceeding it."""
    s = scheduler(name)
    usual = schedulers.table(s, 20)
    flow, upward = np.allclose(usual.alpha + usual.sigma, 1), usual.sigma[0] < usual.sigma[-1]
    found = {}
    for steps in range(2, max(CALLS) + 1):
        ratios = lv.karras(HIGH, LOW, steps + 1)
        sigmas = ratios / (1 + ratios) if flow else ratios
        try:
            t = schedulers.table(s, sigmas=sigmas[::-1] if upward else sigmas)
        except ValueError:
            if not upward:
                raise
            t = schedulers.table(s, sigmas=sigmas)  # the inversion that turns them round itself
        if t.rows <= max(CALLS):
            found[min(calls for calls in CALLS if calls >= t.rows)] = t
    return list(found.values())


def quantiles(alpha, sigma):
    """Where SAMPLES even shares of the data lie at a noise level, (SAMPLES,)."""
    means, stds = alpha * DATA.means[:, 0], np.hypot(alpha * DATA.stds, sigma)
    x = np.linspace((means - 8 * stds).min(), (means + 8 * stds).max(), 100_001)
    density = DATA.weights / stds * np.exp(-(((x[:, None] - means) / stds) ** 2) / 2)
    below = np.cumsum(density.sum(1))
    return np.interp((np.arange(SAMPLES) + 0.5) / SAMPLES, below / below[-1], x)


def jumps(t):
    """Whether every row goes on from x0 alone: neither sample nor output is in the new sample."""
    return not np.any(t.mix[:, 0, 0]) and not np.any(t.mix[:, 0, t.slots])


def jumping(t):
    """The model that returns where the exact solution from a sample ends, at clean."""

    def model(i, x):
        scaled, r = x / t.alpha[i], t.sigma[i] / t.alpha[i]
        # The solution never crosses another, so that a few of them tell all.
        some = np.linspace(scaled.min(), scaled.max(), 401)
        ends = testbed.flow(DATA, some[:, None], r, 0.0, steps=60)[:, 0]
        return testbed.required_output(t, i, x, np.interp(scaled, some, ends))

    return model


def distance(t, rng):
    """Wasserstein-1 distance of a run's samples from the data, both at the run's last level.

    The samples begin as even shares of the first level, so that chance enters by the sampler only.
    """
    begin = rng.permutation(quantiles(t.alpha[0], t.sigma[0]))[:, None]
    slots, model = (
        testbed.start(t, begin),
        (jumping(t) if jumps(t) else testbed.exact_model(t, DATA)),
    )
    for i in range(t.rows):
        slots = testbed.row(t, i, slots, model(i, slots[0]), rng.normal(size=begin.shape))
    end = np.sort(slots[0][:, 0])
    missed = np.mean(np.abs(end - quantiles(t.alpha[-1], t.sigma[-1])))
    return float(missed / np.hypot(t.alpha[-1], t.sigma[-1]))


@functools.cache
def solution(upward):
    """Points (POINTS, 1) of x / alpha at the start of a run, and of the exact solution's end."""
    if upward:
        points, ends = quantiles(1.0, LOW)[:: SAMPLES // POINTS, None], (LOW, HIGH)
    else:
        points = np.random.default_rng(0).normal(size=(POINTS, 1)) * np.hypot(1, HIGH)
        ends = HIGH, LOW
    return points, testbed.flow(DATA, points, *ends)


def missed(t):
    """Root mean square of what a run misses of the exact solution, in units of its last sample."""
    first, last = (t.sigma / t.alpha)[[0, -1]]
    points, exact = solution(bool(first < last))
    end = testbed.run(t, testbed.exact_model(t, DATA), points * t.alpha[0])[-1]
    return float(np.sqrt(np.mean((end / t.alpha[-1] - exact) ** 2)) / np.hypot(1, last))


def measured(name):
    """The sampler's calls and errors, and the panel that its tables put it in."""
    made = tables(name)
    longest = made[-1]
    kind = "With noise" if longest.stochastic else "Deterministic"
    if longest.stochastic and jumps(longest):
        group = "jumping from x0 to x0"
    elif schedulers.table(scheduler(name), 20).rows > 1.5 * 20:
        group = "several calls a step"
    else:
        group = "remembering earlier calls" if longest.slots > 1 else "one call a step"
    if longest.stochastic:
        errors = [distance(t, np.random.default_rng(0)) for t in made]
    else:
        errors = [missed(t) for t in made]
    return [t.rows for t in made], errors, f"{kind}, {group}"


def together(results):
    """Samplers whose lines lie upon each other under one name: "ddim, euler"."""
    merged = {}
    for name, result in results.items():
        for known, other in merged.items():
            if result[::2] == other[::2] and np.allclose(result[1], other[1], rtol=0.02):
                merged = {f"{n}, {name}" if n == known else n: r for n, r in merged.items()}
                break
        else:
            merged[name] = result
    return merged


def main() -> None:
    """Measure every sampler, print the errors, draw them."""
    from sampler_figure import draw

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("sampler_errors.png"))
    given = parser.parse_args()
    begin = time.perf_counter()
    results = {}
    for name in NAMES:
        results[name] = measured(name)
        calls, errors, _ = results[name]
        print(f"{name:16}", " ".join(f"{c}:{e:.2g}" for c, e in zip(calls, errors, strict=True)))
    draw(together(results), given.out)
    print(f"{given.out} in {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
