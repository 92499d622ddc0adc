"""mdx's side of the comparison with the references."""

import numpy as np

from mdx import schedulers
from mdx.schedulers.samplers import training
from tests.schedulers import hostrun
from tests.schedulers.cases import Case


def scheduler(case: Case):
    """The case as mdx reads it."""
    options = {"eta": case.eta} if case.eta else {}
    return schedulers.from_config(case.config, case.cls, **options)


def kept(case: Case) -> np.ndarray:
    """The float64 alphas_cumprod both sides shall use."""
    smallest = 0.0 if case.cls == "DDIMScheduler" else 2.0**-24
    return training(scheduler(case).config, smallest)


def table(case: Case):
    """mdx's table of the case; a sliced run begins with a sample, whose factor is 1."""
    t = schedulers.table(scheduler(case), case.steps, start=case.start)
    return t._replace(init_noise_scale=np.ones(())) if case.start else t


def error(case: Case, expected: np.ndarray) -> float:
    """The largest difference of a coefficient, relative to the largest coefficient."""
    got = hostrun.response(table(case))
    assert got.shape == expected.shape
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def time_slack(case: Case) -> float:
    """How far the reference's times may be from ours.

    It stores fractional times of ramps as whole numbers in DPM-Solver, and as float32 in Euler;
    ours stay what the ramp says.
    """
    ramp = case.config.get("use_karras_sigmas") or case.config.get("use_exponential_sigmas")
    if case.cls.startswith("DPM") and ramp:
        return 1.0
    return 0.02 if ramp else 1e-4


def tolerance(case: Case) -> float:
    """1e-6, or a float32 rounding of the samples that the reference's Euler keeps at size sigma."""
    if case.cls != "EulerDiscreteScheduler":
        return 1e-6
    first = table(case)
    return max(1e-6, 2.0**-24 * float(first.sigma[0] / first.alpha[0]))
