"""mdx's side of the comparison with the references."""

import numpy as np

from mdx import schedulers
from mdx.schedulers.runs import RAMPS, training
from tests.schedulers import hostrun
from tests.schedulers.cases import DDIM, DDPM, DPM2, DPM2_A, EDM, Case

# Both sides are float64. 4e-10 is seen in DDPM, whose reference never adds less noise than 1e-10;
# else 1e-12, on the cosine schedule's large ratios.
TOLERANCE = 1e-9


def scheduler(case: Case):
    """The case as mdx reads it."""
    return schedulers.from_config(case.config, case.cls, **case.options)


def kept(case: Case) -> np.ndarray | None:
    """The float64 alphas_cumprod both sides shall use; None where there are none."""
    if case.cls in EDM:
        return None
    smallest = 0.0 if case.cls in (DDPM, DDIM) else 2.0**-24
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

    It stores fractional times of ramps as whole numbers in some classes, and as float32 in others;
    ours stay what the ramp says.
    """
    if "s_churn" in case.options:
        return 1000.0  # it names the level before it was raised: see test_defects
    ramp = any(case.config.get(key) for key in (*RAMPS, "use_lu_lambdas", "use_flow_sigmas"))
    if ramp and (case.cls.startswith(("DPM", "DEIS", "UniPC")) or case.cls in (DPM2, DPM2_A)):
        return 1.0
    return 0.02 if ramp or case.cls in (DPM2, DPM2_A) else 1e-4
