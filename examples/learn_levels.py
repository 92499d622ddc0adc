"""Noise levels that are learned: eight model calls, spent where the sampler misses most.

python examples/learn_levels.py [--sampler dpmpp_2m] [--calls 8] [--rounds 30]

The data are a mixture of normals, of which the exact model and the exact solution are known, so a
run's miss at each of a few points is known as well. All of the way from the levels to the miss is
float64 arithmetic: levels -> table -> run. Its derivatives are taken by central differences, good
to nine digits, and all the runs they need are one run of one stacked table. Least squares
(Gauss-Newton with Levenberg's damping) then takes a dozen rounds; no training, no network.

Prints the miss on points that were not learned from, for levels even in log-SNR, for those of
Karras and for the learned ones. All three begin and end at the same noise.
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mdx import schedulers
from mdx.schedulers import levels as lv
from mdx.schedulers import testbed

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
HIGH, LOW = 14.6, 0.03  # sigma / alpha of Stable Diffusion's first and last time
DATA = testbed.MIXTURE
DELTA = 1e-5  # of the differences: their error is about DELTA^2, and rounding over DELTA


def descent(weights: np.ndarray) -> np.ndarray:
    """Noise ratios (N+1,) from HIGH to LOW whose steps in log-SNR have the shares exp(weights)."""
    shares = np.exp(weights - weights.max())
    down = np.append(0, np.cumsum(shares / shares.sum()))
    return HIGH * (LOW / HIGH) ** down


def weights_of(ratios: np.ndarray) -> np.ndarray:
    """The inverse of `descent`."""
    return np.log(-np.diff(np.log(ratios)))


class Task(NamedTuple):
    """Where runs begin, and where they ought to end."""

    points: np.ndarray  # (P,) samples at the first level
    exact: np.ndarray  # (P,) x / alpha at the last


def task(points: np.ndarray) -> Task:
    """The exact solution from these points."""
    begin = points[:, None] * np.hypot(1, HIGH)
    return Task(points, testbed.flow(DATA, begin, HIGH, LOW)[:, 0])


def misses(name: str, choices: list[np.ndarray], given: Task) -> np.ndarray:
    """What runs over each choice of levels miss of the exact solution: (choices, P)."""
    scheduler = schedulers.from_config(BETAS, name)
    tables = [schedulers.table(scheduler, sigmas=list(ratios)) for ratios in choices]
    stacked = schedulers.stack(tables)
    begin = np.broadcast_to(given.points[:, None], (len(choices), len(given.points), 1))
    ends = testbed.run(stacked, testbed.exact_model(stacked, DATA), begin)[-1, ..., 0]
    return ends / stacked.alpha[-1][:, None] - given.exact


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values**2)))


def learn(
    name: str, start: np.ndarray, known: Task, rounds: int, tell: Callable[[str], None]
) -> np.ndarray:
    """Levels like `start`, changed until the sampler misses less at the known points."""
    weights, damping = weights_of(start), 1e-2
    [missed] = misses(name, [descent(weights)], known)
    for turn in range(rounds):
        nudges = DELTA * np.eye(len(weights))
        both = [descent(weights + nudge) for nudge in (*nudges, *-nudges)]
        up, down = np.split(misses(name, both, known), 2)
        slope = (up - down) / (2 * DELTA)  # (N, P)
        # Damped steps of several lengths, again one stack: the best of them is kept.
        square = slope @ slope.T
        dampings = damping * 10.0 ** np.arange(-2, 4)
        scale = np.trace(square) / len(weights)
        steps = [
            -np.linalg.solve(square + d * scale * np.eye(len(weights)), slope @ missed)
            for d in dampings
        ]
        tried = misses(name, [descent(weights + step) for step in steps], known)
        best = int(np.argmin([rms(one) for one in tried]))
        gain = 1 - rms(tried[best]) / rms(missed)
        if gain < 1e-4:
            break
        weights, missed, damping = weights + steps[best], tried[best], dampings[best]
        tell(f"round {turn + 1}: {rms(missed):.3g}")
    return descent(weights)


def compare(name: str, calls: int, rounds: int, tell: Callable[[str], None] = print) -> dict:
    """The miss of each spacing on new points: name -> (miss, levels)."""
    choices = {
        "even log-SNR": lv.exponential(HIGH, LOW, calls + 1),
        "Karras": lv.karras(HIGH, LOW, calls + 1),
    }
    quantiles = (np.arange(64) + 0.5) / 64
    known = task(np.interp(quantiles, *normal_distribution()))
    best = min(choices.values(), key=lambda ratios: rms(misses(name, [ratios], known)))
    choices["learned"] = learn(name, best, known, rounds, tell)
    new = task(np.random.default_rng(0).normal(size=512))
    missed = misses(name, list(choices.values()), new)
    return {key: (rms(m), choices[key]) for key, m in zip(choices, missed, strict=True)}


def normal_distribution() -> tuple[np.ndarray, np.ndarray]:
    """The share of a unit normal that lies below x, and x."""
    x = np.linspace(-6, 6, 4001)
    below = np.cumsum(np.exp(-(x**2) / 2))
    return below / below[-1], x


def main() -> None:
    """Learn levels and print what they are worth."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sampler", default="dpmpp_2m")
    parser.add_argument("--calls", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    for key, (miss, ratios) in compare(given.sampler, given.calls, given.rounds).items():
        print(f"{key:13} misses {miss:.3g} with", " ".join(f"{r:.3g}" for r in ratios))


if __name__ == "__main__":
    main()
