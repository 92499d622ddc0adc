"""Live comparison with the reference schedulers; needs torch and diffusers."""

import inspect

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mdx.schedulers import from_config
from mdx.schedulers.samplers import SAMPLERS
from tests.schedulers import compare
from tests.schedulers.cases import (
    CASES,
    CM,
    COSINE_DPM,
    DDIM,
    DDPM,
    DEIS,
    DPM,
    DPM2,
    DPM2_A,
    EDM_DPM,
    EDM_EULER,
    EULER,
    FLOW_EULER,
    FLOW_LCM,
    HEUN,
    KINDS,
    LCM,
    LMS,
    PICTURES,
    PNDM,
    SA,
    SINGLE,
    TCD,
    UNCLIP,
    UNIPC,
    VIDEO,
    WUERSTCHEN,
    Case,
)

WITH_BETAS = [case for case in CASES if compare.kept(case) is not None]
pytestmark = pytest.mark.parity
FLOW_LEVELS = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}


def agree(case: Case) -> None:
    from tests.schedulers import reference

    times, expected = reference.response(case, compare.kept(case))
    np.testing.assert_allclose(compare.table(case).t, times, atol=compare.time_slack(case), rtol=0)
    assert compare.error(case, expected) < compare.TOLERANCE


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_every_coefficient(case):
    agree(case)


@pytest.mark.parametrize("case", WITH_BETAS, ids=lambda c: c.id)
def test_training_schedule(case):
    """The reference's float32 alphas_cumprod are ours, as far as float32 goes."""
    from tests.schedulers import reference

    theirs = reference.scheduler(case).alphas_cumprod.double().numpy()
    np.testing.assert_allclose(compare.kept(case), theirs, rtol=3e-5, atol=1e-6)


betas = st.fixed_dictionaries(
    {
        "beta_schedule": st.sampled_from(["linear", "scaled_linear"]),
        "beta_start": st.floats(1e-5, 1e-3),
        "beta_end": st.floats(5e-3, 2e-2),
        "prediction_type": st.sampled_from(["epsilon", "v_prediction", "sample"]),
    }
)
ramp = st.sampled_from([{}, {"use_karras_sigmas": True}, {"use_exponential_sigmas": True}])
spacing = st.fixed_dictionaries(
    {
        "timestep_spacing": st.sampled_from(["linspace", "leading", "trailing"]),
        "steps_offset": st.integers(0, 1),
        "final_sigmas_type": st.sampled_from(["zero", "sigma_min"]),
    }
)


@settings(max_examples=40, deadline=None)
@given(betas=betas, ramp=ramp, spacing=spacing, steps=st.integers(2, 40))
def test_random_euler(betas, ramp, spacing, steps):
    agree(Case(EULER, {**betas, **ramp, **spacing}, steps))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    ramp=ramp,
    spacing=spacing,
    own=st.fixed_dictionaries(
        {
            "solver_order": st.integers(1, 2),
            "algorithm_type": st.sampled_from(KINDS),
            "solver_type": st.sampled_from(["midpoint", "heun"]),
            "lower_order_final": st.booleans(),
            "euler_at_final": st.booleans(),
        }
    ),
    steps=st.integers(2, 40),
)
def test_random_dpm(betas, ramp, spacing, own, steps):
    # A ramp ends on the smallest sigma; a step from there to "sigma_min" is their 0 / 0, or the
    # root of a rounding below 0.
    again = ramp and spacing["final_sigmas_type"] == "sigma_min"
    assume(not (again and (own["solver_type"] == "heun" or own["algorithm_type"][:3] == "sde")))
    # They refuse to end clean unless x0 is what is integrated.
    eps = not own["algorithm_type"].endswith("++")
    assume(not (eps and spacing["final_sigmas_type"] == "zero"))
    agree(Case(DPM, {**betas, **ramp, **spacing, **own}, steps))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    ramp=ramp,
    own=st.fixed_dictionaries(
        {
            "solver_order": st.integers(1, 3),
            "algorithm_type": st.sampled_from(["dpmsolver", "dpmsolver++"]),
            "solver_type": st.sampled_from(["midpoint", "heun"]),
            "lower_order_final": st.booleans(),
            "final_sigmas_type": st.sampled_from(["zero", "sigma_min"]),
        }
    ),
    steps=st.integers(3, 40),
)
def test_random_singlestep(betas, ramp, own, steps):
    clean = own["final_sigmas_type"] == "zero"
    assume(not (clean and own["algorithm_type"] == "dpmsolver"))
    assume(clean or not ramp)  # as above
    agree(Case(SINGLE, {**betas, **ramp, **own}, steps))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    ramp=ramp,
    order=st.integers(1, 3),
    lower=st.booleans(),
    steps=st.integers(3, 40),
)
def test_random_deis(betas, ramp, order, lower, steps):
    own = {"solver_order": order, "lower_order_final": lower}
    agree(Case(DEIS, {**betas, **ramp, **own}, steps))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    ramp=ramp,
    own=st.fixed_dictionaries(
        {
            "solver_order": st.integers(1, 3),
            "solver_type": st.sampled_from(["bh1", "bh2"]),
            "predict_x0": st.booleans(),
            "lower_order_final": st.booleans(),
            "disable_corrector": st.lists(st.integers(0, 9), max_size=3),
            "final_sigmas_type": st.sampled_from(["zero", "sigma_min"]),
        }
    ),
    steps=st.integers(3, 40),
)
def test_random_unipc(betas, ramp, own, steps):
    # What they end clean without nan: see test_defects.
    if own["final_sigmas_type"] == "zero":
        own |= {"solver_type": "bh2", "predict_x0": True, "lower_order_final": True}
    else:
        ramp = {}
    agree(Case(UNIPC, {**betas, **ramp, **own}, steps))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    steps=st.integers(1, 60),
    offset=st.integers(0, 1),
    one=st.booleans(),
    eta=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_random_ddim(betas, steps, offset, one, eta):
    own = {"clip_sample": False, "set_alpha_to_one": one, "steps_offset": offset}
    agree(Case(DDIM, {**betas, **own}, steps, options={"eta": eta} if eta else {}))


@settings(max_examples=40, deadline=None)
@given(betas=betas, steps=st.integers(4, 60), skip=st.booleans(), one=st.booleans())
def test_random_pndm(betas, steps, skip, one):
    config = {**betas, "prediction_type": "epsilon", "set_alpha_to_one": one}
    # The reference joins Runge-Kutta's halves only if the stride is even.
    even = next(n for n in range(steps, 1001) if 1000 // n % 2 == 0)
    agree(Case(PNDM, {**config, "skip_prk_steps": skip}, steps if skip else even))


@settings(max_examples=40, deadline=None)
@given(
    cls=st.sampled_from([FLOW_EULER, FLOW_LCM]),
    shift=st.floats(0.5, 8),
    terminal=st.sampled_from([None, 0.02, 0.2]),
    ramp=st.sampled_from([{}, {"use_karras_sigmas": True}, {"use_exponential_sigmas": True}]),
    mu=st.sampled_from([None, 0.5, 1.15]),
    kind=st.sampled_from(["exponential", "linear"]),
    steps=st.integers(2, 40),
)
def test_random_flow(cls, shift, terminal, ramp, mu, kind, steps):
    own = {"shift": shift, "shift_terminal": terminal, "time_shift_type": kind, **ramp}
    if mu is None:
        agree(Case(cls, own, steps))
    else:
        agree(Case(cls, {**own, "use_dynamic_shifting": True}, steps, asked={"mu": mu}))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    cls=st.sampled_from([LCM, TCD]),
    original=st.integers(20, 100),
    eta=st.floats(0.05, 1),
    data=st.data(),
)
def test_random_distilled(betas, cls, original, eta, data):
    steps = data.draw(st.integers(1, original))
    options = {"eta": eta} if cls == TCD else {}
    agree(Case(cls, {**betas, "original_inference_steps": original}, steps, options=options))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    predictor=st.integers(1, 3),
    corrector=st.integers(1, 3),
    algorithm=st.sampled_from(["data_prediction", "noise_prediction"]),
    tau=st.sampled_from([None, 0.0, 0.5, 1.0]),
    steps=st.integers(2, 20),
)
def test_random_sa_solver(betas, predictor, corrector, algorithm, tau, steps):
    orders = {"predictor_order": predictor, "corrector_order": corrector}
    own = {"algorithm_type": algorithm} | ({} if tau is None else {"tau_func": tau})
    agree(Case(SA, {**betas, **orders, **own}, steps))


@settings(max_examples=40, deadline=None)
@given(
    cls=st.sampled_from([HEUN, LMS, DPM2, DPM2_A]),
    betas=betas,
    ramp=ramp,
    spacing=st.sampled_from(["linspace", "leading", "trailing"]),
    offset=st.integers(0, 1),
    steps=st.integers(3, 30),
)
def test_random_sigma_space(cls, betas, ramp, spacing, offset, steps):
    assume(betas["prediction_type"] != "sample" or cls in (HEUN, LMS))
    # A fractional first time may lie in the float32 of theirs beyond the last training step.
    own = {"timestep_spacing": spacing, "steps_offset": offset}
    agree(Case(cls, {**betas, **ramp, **own}, steps))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    spacing=st.sampled_from(["leading", "trailing"]),
    variance=st.sampled_from(["fixed_small", "fixed_small_log"]),
    zero=st.booleans(),
    steps=st.sampled_from([1, 2, 5, 10, 20, 50, 100]),
)
def test_random_ddpm(betas, spacing, variance, zero, steps):
    """Steps that divide 1000: else theirs believe in other levels than they visit."""
    assume(not zero or betas["prediction_type"] != "epsilon")
    own = {"timestep_spacing": spacing, "variance_type": variance, "clip_sample": False}
    agree(Case(DDPM, {**betas, **own, "rescale_betas_zero_snr": zero}, steps))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    churn=st.floats(0, 40),
    low=st.floats(0, 1),
    high=st.floats(2, 20),
    noise=st.floats(0.9, 1.1),
    steps=st.integers(2, 30),
)
@example(
    betas={"beta_schedule": "linear", "beta_start": 0.00036050865889691153, "beta_end": 0.0078125},
    churn=5e-100, low=0.0, high=2.0, noise=1.0, steps=10,
)  # fmt: skip
def test_random_churn(betas, churn, low, high, noise, steps):
    """Against the exact levels: theirs raise the sample after the model has seen it."""
    # Between none and this the noise is the root of a difference that is lost in rounding.
    assume(1 + churn / steps == 1 or churn > 1e-3)
    options = {"s_churn": churn, "s_tmin": low, "s_tmax": high, "s_noise": noise}
    agree(Case(EULER, {**betas, "prediction_type": "epsilon"}, steps, options=options))


@settings(max_examples=40, deadline=None)
@given(
    cls=st.sampled_from([EDM_EULER, EDM_DPM, COSINE_DPM]),
    low=st.floats(0.001, 0.1),
    high=st.floats(10, 500),
    data=st.floats(0.3, 2),
    rho=st.floats(3, 9),
    own=st.fixed_dictionaries(
        {
            "sigma_schedule": st.sampled_from(["karras", "exponential"]),
            "prediction_type": st.sampled_from(["epsilon", "v_prediction"]),
            "final_sigmas_type": st.sampled_from(["zero", "sigma_min"]),
        }
    ),
    steps=st.integers(2, 40),
)
def test_random_edm(cls, low, high, data, rho, own, steps):
    sizes = {"sigma_min": low, "sigma_max": high, "sigma_data": data, "rho": rho}
    # A step from the last sigma to itself is the root of a rounding, or 0 / 0.
    assume(own["final_sigmas_type"] == "zero" or cls == EDM_EULER)
    agree(Case(cls, {**sizes, **own}, steps))


@settings(max_examples=40, deadline=None)
@given(
    cls=st.sampled_from([DPM, SINGLE, UNIPC]),
    shift=st.floats(0.5, 8),
    mu=st.none() | st.floats(0.1, 2),
    order=st.integers(1, 2),
    steps=st.integers(2, 30),
)
def test_random_flow_levels(cls, shift, mu, order, steps):
    """Flow levels of the exponential integrators, shifted by the config or for the picture."""
    own = {**FLOW_LEVELS, "flow_shift": shift, "solver_order": order}
    asked = {} if mu is None else {"mu": mu}
    agree(Case(cls, {**own, "use_dynamic_shifting": mu is not None}, steps, asked=asked))


@settings(max_examples=40, deadline=None)
@given(
    shift=st.floats(0.5, 8),
    last=st.floats(0.01, 0.3),
    kind=st.sampled_from(["exponential", "linear"]),
    mu=st.none() | st.floats(0.1, 2),
    steps=st.integers(2, 30),
)
def test_random_terminal(shift, last, kind, mu, steps):
    own = {**FLOW_LEVELS, "flow_shift": shift, "shift_terminal": last, "time_shift_type": kind}
    asked = {} if mu is None else {"mu": mu}
    agree(Case(UNIPC, {**own, "use_dynamic_shifting": mu is not None}, steps, asked=asked))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    order=st.integers(1, 2),
    solver=st.sampled_from(["bh1", "bh2"]),
    x0=st.booleans(),
    steps=st.integers(3, 30),
)
def test_random_predictors_for_unic(betas, order, solver, x0, steps):
    own = {"solver_p": "dpmpp_2m", "solver_order": order, "solver_type": solver}
    # They know what UniC integrates only if it is what the model says.
    said = {"prediction_type": "sample"} if x0 else {"prediction_type": "epsilon"}
    more = {**said, "predict_x0": x0, "final_sigmas_type": "sigma_min"}
    agree(Case(UNIPC, {**betas, **own, **more}, steps))


@settings(max_examples=40, deadline=None)
@given(betas=betas, cls=st.sampled_from([EULER, DPM, SINGLE, HEUN]), data=st.data())
def test_random_times(betas, cls, data):
    """A caller's own times."""
    assume(betas["prediction_type"] != "sample" or cls != HEUN)
    times = data.draw(st.lists(st.integers(1, 999), min_size=3, max_size=20, unique=True))
    times = sorted(times, reverse=True)
    agree(Case(cls, betas, len(times), asked={"timesteps": times}))


@settings(max_examples=40, deadline=None)
@given(
    cls=st.sampled_from(VIDEO),
    betas=betas,
    scale=st.floats(1, 5),
    zero=st.booleans(),
    steps=st.sampled_from([5, 10, 20, 50]),
)
def test_random_video(cls, betas, scale, zero, steps):
    assume(not zero or betas["prediction_type"] != "epsilon")
    own = {"snr_shift_scale": scale, "rescale_betas_zero_snr": zero, "clip_sample": False}
    agree(Case(cls, {**betas, **own, "timestep_spacing": "trailing"}, steps))


@settings(max_examples=30, deadline=None)
@given(data=st.floats(0.3, 2), least=st.floats(0.001, 0.1), most=st.floats(20, 100))
def test_random_consistency(data, least, most):
    own = {"sigma_data": data, "sigma_min": least, "sigma_max": most, "clip_denoised": False}
    for steps in (1, 3, 20):
        agree(Case(CM, own, steps))


@settings(max_examples=30, deadline=None)
@given(scaler=st.floats(0.3, 3), offset=st.floats(0.001, 0.05), steps=st.integers(2, 40))
def test_random_wuerstchen(scaler, offset, steps):
    agree(Case(WUERSTCHEN, {"scaler": scaler, "s": offset}, steps))


# Keys of theirs that a sampler here refuses by name, as they change nothing.
SENSELESS = {
    # Times are those that the model was distilled on, and the last jump is to the clean level.
    "LCMScheduler": {"set_alpha_to_one", "steps_offset", "timestep_spacing"},
    # Likewise; it has no boundary scalings.
    "TCDScheduler": {"set_alpha_to_one", "steps_offset", "timestep_spacing", "timestep_scaling"},
    # Thresholding's, which they have not got.
    "CogVideoXDDIMScheduler": {"sample_max_value"},
    "CogVideoXDPMScheduler": {"sample_max_value"},
}
# Values that no table can hold; all others of the same keys are known.
REFUSED = {
    ("FlowMatchLCMScheduler", "scale_factors"): [0.5, 1.0],  # the picture's size would change
    ("DPMSolverSDEScheduler", "noise_sampler_seed"): 3,  # noise is the caller's: see brownian.py
    ("DPMSolverMultistepInverseScheduler", "algorithm_type"): "sde-dpmsolver++",  # nor taken back
}


# Samplers for which the reference has no class.
OWN = {"ERSDEScheduler", "DPMSolver2SAncestralScheduler"}


@pytest.mark.parametrize("name", [s.names[0] for s in SAMPLERS if s.names[0] not in OWN])
def test_every_key_of_theirs(name):
    """What their constructor takes is known here, with the same default."""
    from tests.schedulers import reference

    signature = inspect.signature(reference.named(name).__init__).parameters
    theirs = {k: p.default for k, p in signature.items() if k not in ("self", "kwargs")}
    ours = from_config({}, name).config
    assert set(theirs) - set(ours) == SENSELESS.get(name, set())
    for key in set(theirs) & set(ours):
        default = tuple(theirs[key]) if isinstance(theirs[key], list) else theirs[key]
        assert ours[key] == default, key


@pytest.mark.parametrize(("where", "value"), REFUSED.items())
def test_values_that_no_table_holds(where, value):
    name, key = where
    with pytest.raises(ValueError, match=f"{name}: {key} .* is not supported"):
        from_config({}, name, **{key: value})


def agree_on_a_picture(case: Case) -> None:
    from tests.schedulers import reference

    _, expected = reference.picture(case, compare.kept(case))
    assert compare.picture_error(case, expected) < compare.picture_tolerance(case)


@pytest.mark.parametrize("case", PICTURES, ids=lambda c: c.id)
def test_every_picture(case):
    agree_on_a_picture(case)


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    cls=st.sampled_from([DDPM, DDIM, DPM, SINGLE, DEIS, UNIPC, SA, LCM]),
    share=st.floats(0.1, 1),
    most=st.floats(1, 5),
    steps=st.sampled_from([4, 10]),
)
def test_random_thresholding(betas, cls, share, most, steps):
    own = {"thresholding": True, "dynamic_thresholding_ratio": share, "sample_max_value": most}
    agree_on_a_picture(Case(cls, {**betas, **own}, steps))


@settings(max_examples=40, deadline=None)
@given(
    betas=betas,
    clip=st.none() | st.floats(0.5, 2),
    cls=st.sampled_from([DDPM, UNCLIP]),
    steps=st.sampled_from([4, 10]),
)
def test_random_learned_variances(betas, clip, cls, steps):
    own = betas if cls == DDPM else {"prediction_type": "epsilon"}
    bound = {"clip_sample": clip is not None, "clip_sample_range": clip or 1.0}
    agree_on_a_picture(Case(cls, {**own, **bound, "variance_type": "learned_range"}, steps))
