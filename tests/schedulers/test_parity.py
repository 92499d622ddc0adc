"""Live comparison with the reference schedulers; needs torch and diffusers."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.schedulers import compare
from tests.schedulers.cases import (
    BETAS,
    CASES,
    DDIM,
    DEIS,
    DPM,
    EULER,
    FLOW_EULER,
    FLOW_LCM,
    KINDS,
    LCM,
    PNDM,
    SA,
    SINGLE,
    TCD,
    UNIPC,
    Case,
)

WITH_BETAS = [case for case in CASES if compare.kept(case) is not None]
pytestmark = pytest.mark.parity


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
    clean = own["final_sigmas_type"] == "zero"
    good = own["solver_type"] == "bh2" and own["predict_x0"] and own["lower_order_final"]
    assume(good if clean else not ramp)
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


def test_clipping():
    """With clipping a run is no linear map: random pictures take the place of basis vectors."""
    import torch

    from mdx.schedulers import testbed
    from tests.schedulers import reference

    case = Case(DDIM, {**BETAS, "clip_sample": True, "clip_sample_range": 0.8}, 10)
    s = reference.scheduler(case, compare.kept(case))
    s.set_timesteps(10)
    rng = np.random.default_rng(0)
    outs, first = rng.normal(size=(10, 6)), rng.normal(size=6)
    x = torch.tensor(first)
    for out, t in zip(outs, s.timesteps, strict=True):
        x = s.step(torch.tensor(out), t, x).prev_sample
    ours = testbed.run(compare.table(case), lambda i, _: outs[i], first)[-1]
    np.testing.assert_allclose(ours, x.numpy(), atol=1e-9)
