"""Known defects of the reference schedulers, each shown right here.

Figures in the docstrings are the references' errors (diffusers 0.42), measured with a model that
returns the true eps, on SD betas and unit-normal x0: root mean square of the final sample's error.
"""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import testbed
from mdx.schedulers.exponential import KINDS
from mdx.schedulers.runs import RAMPS, training
from tests.schedulers.members import MEMBERS, SD


def ends_true(table, prediction="epsilon", tolerance=1e-9):
    """With a perfect denoiser the run ends at alpha x0 + sigma eps."""
    x0, eps = np.random.default_rng(0).normal(size=(2, 8))
    x0 = np.tanh(x0)  # within all bounds
    begin = table.alpha[0] * x0 + table.sigma[0] * eps
    levels = np.stack([table.alpha[:-1], table.sigma[:-1]], -1)
    said = [
        testbed.to_prediction(prediction, *level, x0, eps, scale)
        for level, scale in zip(levels, table.scale, strict=True)
    ]
    end = testbed.run(table, lambda i, _: said[i], begin)[-1]
    return np.abs(end - (table.alpha[-1] * x0 + table.sigma[-1] * eps)).max() < tolerance


@pytest.mark.parametrize("start", [1, 10, 25, 48, 49])
def test_pndm_sliced_start(start):
    """PNDM repeats a time, so a slice of its times ends one level late: 0.05 to 0.10."""
    s = schedulers.from_config(SD)
    t = schedulers.table(s, 50, start=start)
    whole = schedulers.table(s, 50)
    assert t.alpha[0] == whole.alpha[start + (start > 1)]
    assert t.rows == 50 - start + (start < 49)
    assert ends_true(t)


@pytest.mark.parametrize("start", [5, 10, 25, 45])
def test_lms_sliced_start(start):
    """LMS gives the first step of a slice the weights of a history it has not got.

    Of 50 steps, from 5: error 0.44; from 10: 0.23; from 25: 0.054; from 45: 0.031.
    """
    t = schedulers.table(schedulers.from_config(SD, "lms"), 50, start=start)
    assert np.count_nonzero(t.mix[0, 0, 1:4]) == 0
    assert ends_true(t)


def test_ddpm_adds_no_noise_to_the_last_sample():
    """fixed_large noises the final sample unless the last time is 0: 0.041 on SD's times."""
    s = schedulers.from_config(SD, "ddpm", variance_type="fixed_large")
    t = schedulers.table(s, 20)
    assert t.t[-1] == 1
    assert not t.needs_noise(19)
    assert t.needs_noise(18)


def test_ddpm_log_variances():
    """fixed_large_log takes the root of a logarithm: nan. It is fixed_large by another name."""
    plain, log = (
        schedulers.table(schedulers.from_config(SD, "ddpm", variance_type=name), 9)
        for name in ("fixed_large", "fixed_large_log")
    )
    np.testing.assert_array_equal(plain.mix, log.mix)


def test_ancestral_midpoint_with_a_large_first_ratio():
    """KDPM2Ancestral subtracts float32 squares for `down`: nan on the cosine schedule, 8 steps."""
    s = schedulers.from_config({"beta_schedule": "squaredcos_cap_v2"}, "dpm2_a")
    t = schedulers.table(s, 8)
    assert t.sigma[0] / t.alpha[0] > 1e4
    assert np.all(np.isfinite(t.mix))


@pytest.mark.parametrize("name", ["euler", "heun"])
def test_churn_raises_the_level_that_the_model_sees(name):
    """Euler raises the sample after the model has seen it, and names the lower level's time.

    With s_churn = 4 of 20 steps the times are wrong by up to 56; the noise that the model returned
    for one sample is taken out of another. Heun and others ignore s_churn.
    """
    plain, churned = (
        schedulers.table(schedulers.from_config(SD, name, s_churn=churn), 20)
        for churn in (0.0, 4.0)
    )
    first, raised = (t.sigma[0] / t.alpha[0] for t in (plain, churned))
    assert raised == pytest.approx(1.2 * first)
    assert np.all(churned.t[1:] >= plain.t[1:])
    later = slice(1, None) if name == "euler" else slice(2, -1, 2)
    assert np.all(churned.t[later] > plain.t[later])


@pytest.mark.parametrize("spacing", ["linspace", "trailing", "leading"])
@pytest.mark.parametrize("steps", [7, 19, 27, 50])
def test_ddim_steps_between_visited_times(spacing, steps):
    """DDIM assumes every time is 1000 // steps before the last: wrong.

    linspace, 20 steps: 19 of 19 wrong, error 0.15; 50 steps: 19 of 49, 0.056.
    trailing, 19 steps: 11 of 18 wrong, error 0.033; 27 steps: 1 of 26, 0.003.
    """
    s = schedulers.from_config(SD, "ddim", timestep_spacing=spacing)
    t = schedulers.table(s, steps)
    kept = training(s.config)
    np.testing.assert_array_equal(t.alpha[:-1], np.sqrt(kept[t.t.astype(int)]))
    assert ends_true(t)


def test_equal_times_are_two_rows():
    """Times looked up by value cannot occur twice (IndexError); rows are integers here."""
    t = schedulers.table(schedulers.from_config(SD), 10)
    assert t.t[1] == t.t[2]
    assert ends_true(t)


def test_pndm_combines_noises_whatever_the_model_says():
    """PNDM on a v-model averages raw v of different levels; one denoiser must make one run."""
    x0, eps = np.random.default_rng(0).normal(size=(2, 8))
    ends = []
    for prediction in ("epsilon", "v_prediction"):
        t = schedulers.table(schedulers.from_config(SD, prediction_type=prediction), 10)
        model = lambda i, x, t=t, p=prediction: testbed.model_output(  # noqa: E731
            p, t, i, x, np.tanh(x)
        )
        ends.append(testbed.run(t, model, x0 * t.alpha[0] + eps * t.sigma[0])[-1])
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-10)


@pytest.mark.parametrize("strides", [(1000 // n, n) for n in (30, 40, 47)])
def test_runge_kutta_with_an_odd_stride(strides):
    """PNDM's half steps miss each other by one time if 1000 // steps is odd; levels are shared."""
    stride, steps = strides
    assert stride % 2
    t = schedulers.table(schedulers.from_config(SD, skip_prk_steps=False), steps)
    assert ends_true(t)


def test_ramp_that_ends_where_it_is():
    """A ramp down to the smallest sigma, then "sigma_min": 0 / 0 in DPM-Solver's heun.

    In its stochastic kinds that step is the root of a rounding, which may be below 0: nan.
    """
    for solver in ("midpoint", "heun"):
        s = schedulers.from_config(
            SD,
            "dpmpp_2m",
            solver_type=solver,
            use_karras_sigmas=True,
            final_sigmas_type="sigma_min",
            lower_order_final=False,
        )
        t = schedulers.table(s, 20)
        assert np.isclose(t.sigma[-1], t.sigma[-2])
        assert ends_true(t)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from([kind for kind in KINDS if kind.startswith("sde")]),
    ramp=st.sampled_from([*RAMPS, "use_lu_lambdas"]),
    beta_end=st.floats(0.005, 0.02),
    steps=st.integers(2, 30),
)
def test_noisy_ramp_that_ends_where_it_is(kind, ramp, beta_end, steps):
    own = {"algorithm_type": kind, "final_sigmas_type": "sigma_min", ramp: True}
    s = schedulers.from_config({**SD, "beta_end": beta_end}, "dpmpp_2m", **own)
    t = schedulers.table(s, steps)
    assert abs(t.mix[-1, 0, -1]) < 1e-6


@pytest.mark.parametrize("name", ["flow_euler", "flow_lcm"])
def test_inverted_flow_ends_clean(name):
    """With invert_sigmas, FlowMatchLCM and stochastic_sampling noise the wrong way.

    They end on the last noise drawn, its factor 1 and all others 0; here x0 has factor 1.
    """
    own = {"stochastic_sampling": True} if name == "flow_euler" else {}
    s = schedulers.from_config({"invert_sigmas": True}, name, **own)
    t = schedulers.table(s, 9)
    assert np.all(np.diff(t.t) > 0)
    assert t.sigma[-1] == 0
    assert not t.needs_noise(8)


def test_flow_of_one_step_with_a_terminal():
    """shift_terminal divides by the signal of the last level: nan for a run of one step."""
    s = schedulers.from_config({"shift_terminal": 0.1}, "flow_euler")
    t = schedulers.table(s, 1)
    assert t.sigma.tolist() == [1.0, 0.0]


def test_flow_times_are_those_of_its_levels():
    """Given times, FlowMatchEuler shifts the levels but not the times: 267 apart with shift 3."""
    s = schedulers.from_config({"shift": 3.0}, "flow_euler")
    t = schedulers.table(s, timesteps=[1000.0, 700.0, 400.0, 100.0])
    np.testing.assert_allclose(t.sigma[:-1] * 1000, t.t)


def test_consistency_models_end_without_noise():
    """float32 sigma_min^2 - sigma_min^2 is not 0: 6.7e-7 of noise in the final sample."""
    t = schedulers.table(schedulers.from_config({}, "cm"), 7)
    assert not t.needs_noise(6)


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_ipndm_hears_the_first_call(steps):
    """iPNDM divides 0 by 1e-8 where no signal is left, and the model's first x0 is lost.

    5 steps: error 0.27; 20: 0.069; 50: 0.028.
    """
    t = schedulers.table(schedulers.from_config({}, "ipndm"), steps)
    assert t.alpha[0] == 0
    assert ends_true(t, "v_prediction")


@pytest.mark.parametrize("steps", [7, 19, 27, 50])
@pytest.mark.parametrize("spacing", ["linspace", "trailing", "leading"])
def test_ddim_inverse_steps_between_visited_times(spacing, steps):
    """DDIMInverse assumes every level 1000 // steps below the next; "linspace" it has not got.

    trailing, 7 steps: 5 of 6 wrong, error 0.0027; 19: 11 of 18, 0.0038; 27: 1 of 26, 0.0002.
    """
    own = {"timestep_spacing": spacing}
    t = schedulers.table(schedulers.from_config(SD, "ddim_inverse", **own), steps)
    down = schedulers.table(schedulers.from_config(SD, "ddim", **own), steps)
    np.testing.assert_array_equal(t.alpha, down.alpha[::-1])
    np.testing.assert_array_equal(t.t, down.t[::-1])
    assert ends_true(t)


@pytest.mark.parametrize("steps", [7, 19, 27, 50])
def test_cogvideox_steps_between_visited_times(steps):
    """CogVideoX's samplers have DDIM's fault, on the spacing that their models use.

    trailing, 7 steps: error 0.017; 19: 0.038; 27: 0.003. They also ignore clip_sample and eta.
    """
    own = {"timestep_spacing": "trailing", "set_alpha_to_one": True}
    s = schedulers.from_config(SD, "cogvideox_ddim", **own)
    assert ends_true(schedulers.table(s, steps))
    clipped = schedulers.from_config(s, clip_sample=True, clip_sample_range=0.9)
    assert np.all(schedulers.table(clipped, steps).clip == 0.9)
    with pytest.raises(ValueError, match="has no option eta"):
        schedulers.from_config(s, eta=0.5)


def test_repaint_jumps_reach_their_level():
    """RePaint takes the betas of a jump one stride too high: the signal is off by up to 0.086.

    Of 20 steps, jumps of 5 made once: 3 of 35 calls see a wrong level. Of 250 steps with the
    defaults, 36 of 2410, by up to 0.0013.
    """
    s = schedulers.from_config(SD, "repaint", jump_length=5, jump_n_sample=2)
    t = schedulers.table(s, 20)
    kept = training(s.config)
    assert t.rows == 35
    np.testing.assert_allclose(t.alpha[:-1], np.sqrt(kept[t.t.astype(int)]))


def test_one_step_of_unclip():
    """UnCLIP divides by steps - 1: ZeroDivisionError."""
    t = schedulers.table(schedulers.from_config({}, "unclip"), 1)
    assert t.rows == 1
    assert t.sigma[-1] == 0


def test_one_step_of_sde_ve_begins_at_the_largest_sigma():
    """ScoreSdeVe takes sigma_min for a sample of size sigma_max: error 1358."""
    t = schedulers.table(schedulers.from_config({}, "sde_ve"), 1)
    assert t.sigma.tolist() == [1348.0, 0.0]
    np.testing.assert_allclose(t.denoise, [[1, 1348.0**2]])


def test_tables_are_shared_safely():
    """Schedulers that count steps inside break when two requests share one; tables hold none."""
    for member in MEMBERS:
        if not member.stochastic:
            t = schedulers.table(member.scheduler(), 6)
            before = copy.deepcopy(t)
            assert ends_true(t, member.predictions[0])
            assert ends_true(t, member.predictions[0])
            assert t == before


def test_building_a_table_changes_no_config():
    """lower_order_final and the like are overwritten by set_timesteps elsewhere."""
    s = schedulers.from_config(SD, "dpmpp_2m", final_sigmas_type="zero", lower_order_final=False)
    before = dict(s.config)
    schedulers.table(s, 5)
    schedulers.table(s, 30)
    assert s.config == before


@pytest.mark.parametrize("kind", KINDS)
def test_third_order_integrates_quadratics(kind):
    """DPM-Solver's order 3 takes the second divided difference for the second derivative: half it.

    On Gaussian data and crowded levels its measured order is then 1.9, not 3: at 160 steps its
    error is 1.8e-4 where the exact integral leaves 2.2e-5. sde-dpmsolver++ has a wrong sign too,
    which moves coefficients by 0.87 of the largest (20 steps); sde-dpmsolver has no order 3.
    """
    x0 = kind.endswith("++")
    s = schedulers.from_config(
        SD,
        "dpmpp_2m",
        solver_order=3,
        algorithm_type=kind,
        prediction_type="sample" if x0 else "epsilon",
    )
    t = schedulers.table(s, sigmas=np.geomspace(10.0, 0.05, 21))
    lam = np.log(t.alpha / t.sigma)
    f = np.polynomial.Polynomial([0.3, -0.8, 0.7])
    rate = {"dpmsolver++": 1, "sde-dpmsolver++": 2}.get(kind, -1)
    for i in range(2, 20):
        slots = np.array([0.0, f(lam[i - 1]), f(lam[i - 2])])[:, None]
        got = testbed.row(t, i, slots, np.array([f(lam[i])]), np.zeros(1))[0, 0]
        grid, step = np.linspace(lam[i], lam[i + 1], 2001, retstep=True)
        values = np.exp(rate * (grid - lam[i + 1])) * f(grid)
        integral = step / 3 * (values[0] + 4 * values[1::2].sum() + 2 * values[2:-1:2].sum())
        integral += step / 3 * values[-1]
        gain = t.alpha[i + 1] if x0 else -t.sigma[i + 1]
        gain *= 2 if kind.startswith("sde") else 1
        assert got == pytest.approx(gain * integral, abs=1e-10)


def test_dpm_solver_ends_clean():
    """final_sigmas_type zero is refused for eps kinds; the step to the clean level has a limit."""
    for kind in KINDS:
        s = schedulers.from_config(SD, "dpmpp_2m", algorithm_type=kind)
        t = schedulers.table(s, 20)
        assert t.sigma[-1] == 0
        np.testing.assert_array_equal(t.mix[-1, 0], np.eye(1, 5, 3)[0])


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_levels_fall_to_the_end(shift):
    """With flow levels, final_sigmas_type sigma_min appends the betas' 0.029 as the last sigma.

    Of 50 steps the one before is 0.020: the last step then goes back up. Coefficients are off by
    0.066 of the largest.
    """
    s = schedulers.from_config(
        SD,
        "dpmpp_2m",
        use_flow_sigmas=True,
        flow_shift=shift,
        final_sigmas_type="sigma_min",
        prediction_type="flow_prediction",
    )
    t = schedulers.table(s, 50)
    assert np.all(np.diff(t.sigma) < 0)
    assert t.sigma[-1] == pytest.approx(shift / (1000 + shift - 1))
    np.testing.assert_allclose(t.alpha + t.sigma, 1, rtol=1e-12)


def test_words_of_other_samplers_mean_the_own_default():
    """A swap keeps all keys; "logrho" says nothing to DPM-Solver, nor do DDPM's variances."""
    source = {
        **SD,
        "solver_type": "logrho",
        "algorithm_type": "deis",
        "variance_type": "fixed_small",
    }
    s = schedulers.from_config(source, "dpmpp_2m")
    assert (s.config["solver_type"], s.config["algorithm_type"]) == ("midpoint", "dpmsolver++")
    assert s.config["variance_type"] is None


@pytest.mark.parametrize("solver", ["bh1", "bh2"])
@pytest.mark.parametrize("x0", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc_ends_clean(solver, x0, order):
    """UniPC with its default final_sigmas_type, zero, ends in nan: with bh1, and with eps."""
    s = schedulers.from_config(
        SD, "unipc", solver_type=solver, predict_x0=x0, solver_order=order, lower_order_final=False
    )
    t = schedulers.table(s, 20)
    assert t.sigma[-1] == 0
    assert ends_true(t)


def test_singlestep_sde_integrates_quadratics():
    """DPM-Solver singlestep's sde-dpmsolver++ with heun has a wrong sign in its third call.

    Coefficients are off by 0.91 of the largest (12 steps). The third call must give a quadratic x0
    the weights of its exact integral.
    """
    s = schedulers.from_config(
        SD,
        "dpmpp_2s",
        solver_order=3,
        solver_type="heun",
        algorithm_type="sde-dpmsolver++",
        prediction_type="sample",
    )
    t = schedulers.table(s, sigmas=np.geomspace(10.0, 0.05, 13))
    lam = np.log(t.alpha / t.sigma)
    for i in range(2, 12, 3):
        h = lam[i + 1] - lam[i - 2]
        first, second = ((lam[k] - lam[i - 2]) ** 2 for k in (i - 1, i))
        got = testbed.row(t, i, np.array([[0], [0], [0], [first]]), np.array([second]), np.zeros(1))
        # The integral of 2 e^(-2 (h - s)) s^2 over 0 <= s <= h.
        expected = h**2 - h - np.expm1(-2 * h) / 2
        assert got[0, 0] == pytest.approx(t.alpha[i + 1] * expected, abs=1e-12)


def test_deis_with_flow_levels_ends_near_the_data():
    """DEIS takes its last flow level twice, and leaves 0.999 / steps of noise: 0.05 of 20 steps."""
    s = schedulers.from_config(SD, "deis", use_flow_sigmas=True, prediction_type="flow_prediction")
    t = schedulers.table(s, 20)
    assert np.all(np.diff(t.sigma) < 0)
    assert t.sigma[-1] == pytest.approx(0.001)


@pytest.mark.parametrize("steps", [10, 20, 50])
def test_log_linear_interpolates_between_training_steps(steps):
    """Euler's log_linear makes one sigma more than times: the run ends at sigma_min, error 0.030.

    And the times are those of "linear": up to 230 from the levels' own of 10 steps, 284 of 50. Here
    only levels between whole times differ, and a run ends clean.
    """
    linear, log = (
        schedulers.table(schedulers.from_config(SD, "euler", interpolation_type=kind), steps)
        for kind in ("linear", "log_linear")
    )
    np.testing.assert_array_equal(linear.t, log.t)
    assert np.all(log.sigma <= linear.sigma + 1e-12)
    assert log.sigma[-1] == 0
    assert ends_true(log)


def test_continuous_times_are_for_every_prediction():
    """Euler's timestep_type continuous means nothing there but with v_prediction."""
    for prediction in ("epsilon", "v_prediction"):
        own = {"timestep_type": "continuous", "prediction_type": prediction}
        t = schedulers.table(schedulers.from_config(SD, "euler", **own), 9)
        np.testing.assert_allclose(t.t, np.log(t.sigma[:-1] / t.alpha[:-1]) / 4)


def test_a_learned_variance_is_told_by_its_logarithm():
    """DDPM's "learned" takes the root of what the model says: nan wherever that is below 0.

    The type is Improved DDPM's (arXiv 2102.09672), whose models return the log variance.
    """
    s = schedulers.from_config(SD, "ddpm", variance_type="learned")
    t = schedulers.table(s, 9)
    for said in (-3.0, 2.0):
        noise = testbed.row(t, 0, np.zeros((1, 1)), np.zeros(1), np.ones(1), said)[0, 0]
        assert noise == pytest.approx(np.exp(said / 2))


def test_a_learned_variance_adds_no_noise_to_the_last_sample():
    """Unless the last time is 0, DDPM's learned_range noises the final sample: by up to 0.041."""
    s = schedulers.from_config(SD, "ddpm", variance_type="learned_range")
    t = schedulers.table(s, 20)
    assert t.t[-1] == 1
    assert not t.needs_noise(19)
    assert not t.reads_variance(19)
    assert t.reads_variance(18)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("dpmpp_2s", {"algorithm_type": "dpmsolver"}),
        ("sa_solver", {"algorithm_type": "noise_prediction"}),
        ("unipc", {"predict_x0": False}),
        ("tcd", {}),
    ],
)
def test_thresholding_where_eps_is_integrated(name, own):
    """The first two end in a RuntimeError, UniPC and TCD go on without: x0 of any size.

    Here x0 is thresholded, and where eps is integrated it is what that leaves of the sample.
    """
    own = {**own, "thresholding": True, "prediction_type": "sample"}
    t = schedulers.table(schedulers.from_config(SD, name, **own), 9)
    x, huge = np.random.default_rng(0).normal(size=(2, 64))
    ends = [
        testbed.run(t, lambda i, _, size=size: size * huge, x, np.zeros((9, 64)))[-1]
        for size in (1.0, 3.0)
    ]
    # Without a bound it would be 3.
    assert np.abs(ends[1]).max() < 1.5 * np.abs(ends[0]).max()


@pytest.mark.parametrize("name", ["flow_euler", "flow_heun"])
def test_churn_stays_on_the_flow(name):
    """FlowMatchHeun adds noise and leaves the signal as it was; FlowMatchEuler ignores s_churn.

    Signal and noise then make more than 1, by gamma sigma: a level that no flow has, and the model
    is told the one before. Here the signal gives way.
    """
    plain, churned = (
        schedulers.table(schedulers.from_config({}, name, s_churn=churn), 20)
        for churn in (0.0, 3.0)
    )
    np.testing.assert_allclose(churned.alpha + churned.sigma, 1, rtol=1e-12)
    np.testing.assert_allclose(churned.t, 1000 * churned.sigma[:-1])
    later = slice(1, None) if name == "flow_euler" else slice(2, -1, 2)
    assert np.all(churned.t[later] > plain.t[later])


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("x0", [True, False])
def test_unic_keeps_what_it_integrates(x0, order):
    """UniPC's solver_p reads x0 off the corrected sample and the output for the one before.

    What that is depends on the model's words: samples of v- and x0-models of one denoiser differ by
    0.002 after 10 steps (DPM-Solver++ 2M for solver_p, x0 = tanh(x)). Here they are one.
    """
    ends = []
    for prediction in ("epsilon", "v_prediction", "sample"):
        own = {"solver_p": "dpmpp_2m", "predict_x0": x0, "solver_order": order}
        s = schedulers.from_config(SD, "unipc", prediction_type=prediction, **own)
        t = schedulers.table(s, 10)
        model = lambda i, x, t=t, p=prediction: testbed.model_output(  # noqa: E731
            p, t, i, x, np.tanh(x)
        )
        ends.append(testbed.run(t, model, np.linspace(-2, 2, 9))[-1])
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-10)
    np.testing.assert_allclose(ends[2], ends[0], atol=1e-10)


def test_sigmas_of_edm_are_sigmas():
    """EDMEuler takes a caller's sigmas for places on its ramp: 80, 20, 5, 1 become -2.6e14, ..."""
    sigmas = [80.0, 20.0, 5.0, 1.0, 0.0]
    t = schedulers.table(schedulers.from_config({}, "edm_euler"), sigmas=sigmas)
    np.testing.assert_allclose(t.sigma / t.alpha, sigmas)


def test_flow_levels_of_an_inversion_rise():
    """DPM-Solver's inverse runs its flow levels from 0.999 down to 0.167 (6 steps)."""
    own = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    t = schedulers.table(schedulers.from_config(SD, "dpmpp_2m_inverse", **own), 6)
    assert np.all(np.diff(t.sigma) > 0)
    np.testing.assert_allclose(t.sigma[[0, -1]], [0.001, 0.999])
    assert ends_true(t, "flow_prediction")


def test_sa_solver_with_flow_levels_ends_near_the_data():
    """SA-Solver takes its last flow level twice, and leaves 0.05 of the noise of 20 steps."""
    own = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    t = schedulers.table(schedulers.from_config(SD, "sa_solver", **own), 20)
    assert np.all(np.diff(t.sigma) < 0)
    assert t.sigma[-1] == pytest.approx(0.001)
