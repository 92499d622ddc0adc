"""mdx's side of the comparison with the references."""

import numpy as np

from mdx import schedulers
from mdx.schedulers import testbed
from mdx.schedulers.cogvideox import shifted
from mdx.schedulers.noise import alphas_cumprod, betas, zero_snr
from mdx.schedulers.runs import RAMPS, training
from tests.schedulers.cases import (
    DDIM,
    DDPM,
    DEIS,
    DPM,
    DPM2,
    DPM2_A,
    DPM_INVERSE,
    LCM,
    NO_BETAS,
    SA,
    SINGLE,
    UNCLIP,
    UNIPC,
    VIDEO,
    Case,
)

# Both sides are float64. 4e-10 is seen in DDPM, whose reference never adds less noise than 1e-10;
# else 1e-12, on the cosine schedule's large ratios.
TOLERANCE = 1e-9
# LCM bounds x0 before its boundary scalings, mdx what they make of it: 8e-8 apart, and the bound is
# met exactly.
PICTURE_TOLERANCES = {LCM: 1e-6}
WHOLE_TIMES = (DPM, DPM_INVERSE, SINGLE, DEIS, UNIPC, SA)  # those of ramps rounded


def scheduler(case: Case):
    """The case as mdx reads it."""
    levels = ("timesteps", "sigmas")
    asked = {k: v for k, v in case.asked.items() if v is not None and k not in levels}
    return schedulers.from_config(case.config, case.cls, **case.options, **asked)


def kept(case: Case) -> np.ndarray | None:
    """The float64 alphas_cumprod both sides shall use; None for models that know no betas."""
    if case.cls in NO_BETAS:
        return None
    if case.cls in VIDEO:
        c = scheduler(case).config
        even = shifted(training({**c, "rescale_betas_zero_snr": False}), c["snr_shift_scale"])
        return zero_snr(even) if c["rescale_betas_zero_snr"] else even
    if case.cls == UNCLIP:
        return alphas_cumprod(betas("squaredcos_cap_v2", 1000))
    smallest = 0.0 if case.cls in (DDPM, DDIM) else 2.0**-24
    return training(scheduler(case).config, smallest)


def table(case: Case):
    """mdx's table of the case; a sliced run begins with a sample, whose factor is 1."""
    levels = {k: case.asked[k] for k in ("timesteps", "sigmas") if k in case.asked}
    t = schedulers.table(scheduler(case), case.steps, start=case.start, **levels)
    return t._replace(init_noise_scale=np.ones(())) if case.start else t


def error(case: Case, expected: np.ndarray) -> float:
    """The largest difference of a coefficient, relative to the largest coefficient."""
    got = testbed.response(table(case))
    assert got.shape == expected.shape
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def given(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A first sample (C, H, W); outputs, noises and learned variances (N, C, H, W) of a run."""
    rng = np.random.default_rng(n)
    first, outs, fresh = (rng.normal(size=(*lead, 3, 4, 5)) for lead in ((), (n,), (n,)))
    return first, outs, fresh, rng.uniform(-1, 1, size=outs.shape)


def picture(case: Case) -> np.ndarray:
    """The final sample (C, H, W) of a run on `given`."""
    t = table(case)
    first, outs, fresh, said = (a.reshape(*a.shape[:-3], -1) for a in given(t.rows))
    slots = testbed.start(t, first * t.init_noise_scale)
    for i in range(t.rows):
        slots = testbed.row(t, i, slots, outs[i], fresh[i], said[i])
    return slots[0].reshape(3, 4, 5)


def picture_error(case: Case, expected: np.ndarray) -> float:
    """The largest difference of a value, relative to the largest value."""
    return float(np.abs(picture(case) - expected).max() / np.abs(expected).max())


def picture_tolerance(case: Case) -> float:
    return PICTURE_TOLERANCES.get(case.cls, TOLERANCE)


def time_slack(case: Case) -> float:
    """How far the reference's times may be from ours.

    It stores fractional times of ramps as whole numbers in some classes, and as float32 in others;
    ours stay what the ramp says.
    """
    if "timesteps" in case.asked:
        return 1e-4
    if "s_churn" in case.options:
        return 1000.0  # it names the level before it was raised: see test_defects
    ramp = any(case.config.get(key) for key in (*RAMPS, "use_lu_lambdas", "use_flow_sigmas"))
    if case.cls in (*WHOLE_TIMES, DPM2, DPM2_A) and ramp:
        return 1.0 + 1e-9
    return 0.02 if ramp or case.cls in (DPM2, DPM2_A) else 1e-4
