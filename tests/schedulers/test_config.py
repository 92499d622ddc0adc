"""from_config and table(): what configs mean, and what is refused."""

import json
import pickle
import warnings
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import Scheduler, compatibles, from_config, levels, noise, table
from mdx.schedulers.record import ARRAYS
from mdx.schedulers.runs import RAMPS, training
from mdx.schedulers.samplers import SAMPLERS
from tests.schedulers.members import IDS, LEVELS, MEMBERS, SD

NAMES = [
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EDMEulerScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
]


def test_stable_diffusion_makes_51_calls():
    """SD 1.x: PNDM without Runge-Kutta, 50 steps, 51 calls, the second time twice."""
    t = table(from_config(SD), 50)
    assert t.rows == 51
    assert t.t[:4].tolist() == [981, 961, 961, 941]
    assert t.t[-1] == 1


def test_compatibles():
    assert compatibles(from_config(SD)) == NAMES
    assert len(NAMES) == 14
    assert compatibles(from_config(SD, "ddim")) == NAMES
    assert compatibles(from_config(SD, "edm_euler")) == NAMES
    edm = ["CosineDPMSolverMultistepScheduler", "EDMDPMSolverMultistepScheduler"]
    assert compatibles(from_config(SD, "edm_dpmpp_2m")) == edm
    flow = compatibles(from_config({}, "flow_euler"))
    assert "FlowMatchHeunDiscreteScheduler" in flow
    assert not set(flow) & set(NAMES)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: s.names[0])
def test_families_share_nothing(sampler):
    """A sampler's compatibles are its family, itself among them, whichever member is asked."""
    own = compatibles(from_config({}, sampler.names[0]))
    assert sampler.names[0] in own
    assert all(compatibles(from_config({}, name)) == own for name in own)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: s.names[0])
def test_short_names_are_names(sampler):
    for name in sampler.names:
        assert from_config({}, name) == from_config({}, sampler.names[0])


def test_keeps_the_model_takes_own_defaults():
    """Betas and prediction stay; a key the source lacks is the target's default."""
    source = from_config({**SD, "prediction_type": "v_prediction"})
    euler = from_config(source, "euler")
    for key in ("beta_start", "beta_end", "beta_schedule", "prediction_type", "steps_offset"):
        assert euler.config[key] == source.config[key]
    assert source.config["timestep_spacing"] == "leading"
    assert euler.config["timestep_spacing"] == "linspace"
    assert from_config(source, "ddim").config["clip_sample"] is False
    assert from_config({**SD, "_class_name": "LMSDiscreteScheduler"}, "ddim").name == NAMES[0]


def test_there_and_back():
    """Keys of other samplers survive a swap, without showing in the config."""
    source = from_config(SD)
    ddim = from_config(source, "ddim")
    assert "skip_prk_steps" not in ddim.config
    assert from_config(ddim, "pndm") == source


def test_source_is_unchanged():
    config = json.loads(json.dumps(SD))
    source = from_config(config)
    before = pickle.dumps(source)
    from_config(source, "dpmpp_2m", solver_order=1)
    source.config["beta_start"] = 7
    assert config == SD
    assert pickle.dumps(source) == before
    assert hash(source) == hash(pickle.loads(before))


def test_from_files(tmp_path):
    file = tmp_path / "scheduler_config.json"
    file.write_text(json.dumps({**SD, "_diffusers_version": "0.6.0"}))
    assert (
        from_config(file) == from_config(tmp_path) == from_config(str(tmp_path)) == from_config(SD)
    )


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: s.names[0])
def test_a_full_config_is_one_of_every_compatible_sampler(sampler):
    """A file that spells out every key of one sampler can be read as any that its model runs."""
    source = from_config({}, sampler.names[0])
    written = {"_class_name": sampler.names[0], **source.config}
    for name in compatibles(source):
        assert from_config(written, name).name == name


@pytest.mark.parametrize("name", noise.SCHEDULES)
def test_beta_schedules(name):
    """Variances, of whatever the model was trained with, under every sampler that knows betas."""
    beta = noise.betas(name, 1000)
    assert beta.shape == (1000,)
    assert np.all((beta > 0) & (beta <= 0.999))
    for sampler in ("ddim", "euler", "dpmpp_2m", "unipc"):
        t = table(from_config({"beta_schedule": name, "clip_sample": False}, sampler), 9)
        assert np.all(np.diff(t.sigma / t.alpha) < 0)


def test_unknown_keys_are_warned_of():
    with pytest.warns(UserWarning, match="beta_middle, zeta"):
        s = from_config({**SD, "zeta": 1, "beta_middle": 2})
    assert s == from_config(SD)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_config(SD, "euler")


def test_defaults_that_a_live_config_marks_are_not_carried():
    config = {**SD, "timestep_spacing": "leading", "_use_default_values": ["timestep_spacing"]}
    assert from_config(config, "euler").config["timestep_spacing"] == "linspace"


def test_trained_betas():
    beta = np.linspace(1e-3, 0.02, 100)
    s = from_config({"trained_betas": beta, "num_train_timesteps": 100}, "ddim")
    assert isinstance(s, Scheduler)
    np.testing.assert_array_equal(training(s.config), np.cumprod(1 - beta))


def test_zero_snr():
    """The last level is pure noise, the first one as it was."""
    kept = noise.alphas_cumprod(noise.betas("scaled_linear", 1000, 0.00085, 0.012))
    zero = noise.zero_snr(kept)
    assert zero[-1] == 0
    assert np.isclose(zero[0], kept[0])
    assert np.all(np.diff(zero) < 0)


@settings(max_examples=50, deadline=None)
@given(steps=st.integers(1, 999), spacing=st.sampled_from(levels.SPACINGS))
def test_spacings(steps, spacing):
    """As many times as steps, strictly falling, within the trained range."""
    t = levels.spaced(spacing, steps, 1000)
    assert len(t) == steps
    assert np.all(np.diff(t) < 0)
    assert t[-1] >= 0
    assert t[0] <= 999


@settings(max_examples=50, deadline=None)
@given(low=st.floats(0.03, 0.5), high=st.floats(1.0, 14.0), steps=st.integers(2, 60))
def test_ramps_and_times_back(low, high, steps):
    """Ramps run from high to low; the time of a level leads back to it."""
    kept = training(from_config(SD).config)
    for ramp in (levels.karras, levels.exponential):
        ratio = ramp(high, low, steps)
        np.testing.assert_allclose(ratio[[0, -1]], [high, low], rtol=1e-12)
        got = levels.at_ratios(kept, ratio)
        np.testing.assert_allclose(got.sigma / got.alpha, ratio, rtol=1e-12)
        np.testing.assert_allclose(got.alpha**2 + got.sigma**2, 1, rtol=1e-12)
        back = levels.at_times(kept, got.t)
        np.testing.assert_allclose(
            back.sigma / back.alpha, ratio, rtol=2e-2
        )  # linear there, log here


@pytest.mark.parametrize("member", MEMBERS, ids=IDS)
def test_custom_levels(member):
    """Custom times and custom sigmas, for every sampler."""
    own = {k: v for k, v in member.options.items() if k not in (*LEVELS, "s_churn")}
    s = from_config(member.base, member.name, **own)
    t = table(s, timesteps=member.times)
    for value in member.times:
        assert np.isclose(t.t, value, rtol=1e-12, atol=1e-12).any()
    sigmas = np.array([14.6, 6.5, 3.9, 1.6, 0.5, 0.0])
    sigmas = sigmas if member.touches_clean else sigmas[:-1]
    t = table(s, sigmas=member.sigmas(sigmas))
    ratio = t.sigma / t.alpha
    for value in sigmas:
        assert np.isclose(ratio, value, atol=1e-12).any()


@pytest.mark.parametrize("member", [m for m in MEMBERS if "use_flow_sigmas" in m.options])
def test_custom_levels_of_a_flow(member):
    """With use_flow_sigmas a caller's times and sigmas are the flow's, and nothing shifts them."""
    own = {k: v for k, v in member.options.items() if k not in RAMPS}
    s = from_config(member.base, member.name, **own)
    sigmas = [0.95, 0.6, 0.3, 0.1]
    t = table(s, sigmas=sigmas)
    np.testing.assert_allclose(t.sigma[:: -1 if member.upward else 1], sigmas, rtol=1e-12)
    np.testing.assert_allclose(t.alpha, 1 - t.sigma, rtol=1e-12)
    t = table(s, timesteps=[900.0, 500.0, 100.0])
    assert {0.9, 0.5, 0.1} <= set(np.round(t.sigma, 12))


def test_start_leaves_transitions_out():
    for member in MEMBERS:
        whole, late = (table(member.scheduler(), 12, start=k) for k in (0, 5))
        assert late.alpha[0] in whole.alpha
        assert late.alpha[-1] == whole.alpha[-1]
        again = table(member.scheduler(), 12, start=11)
        assert set(again.t) == {whole.t[-1]}


@pytest.mark.parametrize("member", MEMBERS, ids=IDS)
def test_files_hold_tables_bit_for_bit(member, tmp_path):
    one = table(member.scheduler(), 7)
    for t in (one, schedulers.stack([one, table(member.scheduler(), 3)])):
        schedulers.save(t, tmp_path / "t.safetensors")
        back = schedulers.load(tmp_path / "t.safetensors")
        assert back.prediction == t.prediction
        for a, b in ((getattr(t, name), getattr(back, name)) for name in ARRAYS):
            assert (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())
            assert not b.flags.writeable
    assert [f.name for f in tmp_path.iterdir()] == ["t.safetensors"]


def bad_file(folder, content: bytes):
    (folder / "x").write_bytes(content)
    return folder / "x"


S = from_config(SD)
DDIM = from_config(SD, "ddim")
KARRAS = from_config(SD, "euler", use_karras_sigmas=True)
EDM = from_config(SD, "edm_euler")
FLOW = from_config({}, "flow_euler")
FLOW_SIGMAS = from_config(SD, "dpmpp_2m", use_flow_sigmas=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: from_config(SD, "dimm"), "unknown scheduler 'dimm'; did you mean 'ddim'\\?"),
        (lambda p: from_config({**SD, "_class_name": "LMS"}), "unknown scheduler 'LMS'"),
        (lambda p: from_config({"beta_start": 0.1}), "no _class_name"),
        (lambda p: from_config(bad_file(p, b"{")), "x is not valid JSON"),
        (lambda p: from_config(bad_file(p, b"[1]")), "JSON object"),
        (lambda p: from_config(bad_file(p, b"\xff\xfe")), "x is not valid JSON"),
        (lambda p: from_config(SD, "ddim", use_karras_sigmas=True), "no option use_karras_sigmas"),
        (lambda p: from_config(SD, "ddim", thresholding=1), "thresholding 1 is not"),
        (lambda p: from_config(SD, "pndm", thresholding=True), "no option thresholding"),
        (
            lambda p: table(
                from_config(SD, "ddim", thresholding=True, dynamic_thresholding_ratio=0.0), 5
            ),
            "dynamic_thresholding_ratio must lie",
        ),
        (
            lambda p: table(from_config(SD, "ddim", thresholding=True, sample_max_value=0.9), 5),
            "sample_max_value must be 1",
        ),
        (lambda p: from_config(SD, "ddim", prediction_type="flow"), "prediction_type 'flow'"),
        (lambda p: from_config(SD, "ddim", clip_sample=1), "clip_sample 1 is not"),
        (lambda p: from_config(SD, "ddim", clip_sample_range="a"), "clip_sample_range 'a'"),
        (lambda p: from_config(SD, "ddim", steps_offset=-1), "steps_offset -1"),
        (lambda p: from_config(SD, "ddim", beta_schedule="cosine"), "beta_schedule 'cosine'"),
        (lambda p: from_config(SD, "ddim", timestep_spacing="even"), "timestep_spacing 'even'"),
        (lambda p: from_config(SD, "ddpm", variance_type="large"), "variance_type 'large'"),
        (lambda p: from_config(SD, "lms", order=5), "order 5 is not"),
        (lambda p: from_config(SD, "euler_a", use_karras_sigmas=True), "no option use_karras"),
        (lambda p: from_config(SD, "euler", interpolation_type="cubic"), "'cubic'"),
        (lambda p: from_config(SD, "euler", timestep_type="even"), "'even'"),
        (lambda p: from_config(SD, "dpmpp_2m", solver_order=4), "solver_order 4 is not"),
        (lambda p: from_config(SD, "dpmpp_2m", solver_order=True), "solver_order True is not"),
        (lambda p: from_config(SD, "dpmpp_2m", algorithm_type="deis"), "algorithm_type"),
        (lambda p: from_config(SD, "dpmpp_2m", solver_type="bh2"), "solver_type 'bh2'"),
        (lambda p: from_config(SD, "dpmpp_2s", algorithm_type="sde-dpmsolver"), "'sde-dpmsolver'"),
        (lambda p: from_config(SD, "dpmpp_2s", timestep_spacing="leading"), "no option timestep_"),
        (lambda p: from_config(SD, "deis", solver_type="midpoint"), "solver_type 'midpoint'"),
        (lambda p: from_config(SD, "deis", final_sigmas_type="zero"), "no option final_sigmas"),
        (lambda p: from_config(SD, "unipc", solver_type="midpoint"), "solver_type 'midpoint'"),
        (lambda p: from_config(SD, "unipc", solver_p="heun"), "solver_p 'heun'"),
        (lambda p: from_config(SD, "unipc", disable_corrector=[-1]), "disable_corrector"),
        (lambda p: from_config(SD, "unipc", disable_corrector=1), "a list of .* whole number"),
        (lambda p: from_config(SD, "edm_euler", prediction_type="sample"), "prediction_type"),
        (lambda p: from_config(SD, "edm_euler", use_karras_sigmas=True), "no option use_karras"),
        (lambda p: from_config(SD, "edm_dpmpp_2m", algorithm_type="dpmsolver"), "algorithm_type"),
        (lambda p: from_config(SD, "cosine_dpmpp_2m", algorithm_type="dpmsolver++"), "no option"),
        (lambda p: table(EDM, timesteps=[999, 5]), "timesteps must fall strictly"),
        (lambda p: table(EDM, sigmas=[1.0, 2.0]), "sigmas must fall strictly"),
        (lambda p: table(from_config(EDM, sigma_min=90.0), 5), "sigma_min must lie"),
        (lambda p: table(from_config(EDM, sigma_data=0.0), 5), "sigma_data must"),
        (
            lambda p: table(from_config(FLOW_SIGMAS, use_dynamic_shifting=True), 5),
            "use_dynamic_shifting needs mu, which",
        ),
        (lambda p: from_config(FLOW_SIGMAS, time_shift_type="linear"), "time_shift_type 'linear'"),
        (
            lambda p: table(
                from_config(
                    SD,
                    "unipc",
                    use_flow_sigmas=True,
                    use_dynamic_shifting=True,
                    time_shift_type="linear",
                    mu=0.0,
                ),
                5,
            ),
            "mu must make a shift above 0",
        ),
        (lambda p: table(FLOW_SIGMAS, sigmas=[1.5, 0.0]), "within 1 to 0"),
        (lambda p: table(from_config(SD, "unipc", shift_terminal=0.1), 5), "needs use_flow_sigmas"),
        (
            lambda p: table(from_config(FLOW_SIGMAS, use_karras_sigmas=True), sigmas=[1, 0]),
            "use_karras_sigmas and sigmas exclude",
        ),
        (lambda p: from_config(SD, "dpmpp_2m", variance_type="fixed"), "variance_type"),
        (lambda p: table(S, 0), "from 1 to 1000, not 0"),
        (lambda p: table(S, -3), "not -3"),
        (lambda p: table(S, 10**9), "from 1 to 1000, not 1000000000"),
        (lambda p: table(S, 1001), "not 1001"),
        (lambda p: table(S, 20.0), "whole number"),
        (lambda p: table(S, True), "whole number"),
        (lambda p: table(S), "whole number from 1"),
        (lambda p: table(S, 10, start=10), "start must be"),
        (lambda p: table(S, 10, start=-1), "start must be"),
        (lambda p: table(S, 1000), "leave the trained range 0 to 999"),
        (lambda p: table(from_config(SD, "dpmpp_2m"), 1000), "strictly"),
        (lambda p: table(S, timesteps=[5, 3], sigmas=[1, 0]), "exclude each other"),
        (lambda p: table(S, timesteps=[1, 5]), "strictly"),
        (lambda p: table(S, timesteps=[5, 5, 1]), "strictly"),
        (lambda p: table(S, timesteps=[1000, 5]), "trained range"),
        (lambda p: table(S, timesteps=[]), "list of finite numbers"),
        (lambda p: table(S, timesteps=["a"]), "list of numbers"),
        (lambda p: table(S, 3, timesteps=[5, 1]), "steps 3 does not fit the 2"),
        (lambda p: table(S, sigmas=[1.0]), "not 0"),
        (lambda p: table(S, sigmas=[1.0, float("nan")]), "finite"),
        (lambda p: table(S, sigmas=[1.0, 0.0, -1.0]), "strictly"),
        (lambda p: table(KARRAS, timesteps=[5, 1]), "use_karras_sigmas and timesteps exclude"),
        (
            lambda p: table(from_config(KARRAS, use_exponential_sigmas=True), 5),
            "use_karras_sigmas and use_exponential_sigmas exclude",
        ),
        (lambda p: table(from_config(SD, "ddim", eta=1.5), 5), "eta must lie"),
        (lambda p: from_config(SD, "ddim", beta_end=1.5), "beta_end 1.5 is not .* from 0 to 1"),
        (lambda p: table(from_config(SD, "ddim", beta_end=1.0), 5), "between 0 and 1"),
        (lambda p: table(from_config(SD, "ddim", trained_betas=[0.1]), 1), "1 trained_betas"),
        (
            lambda p: table(from_config({"beta_start": 0.999}, "lms"), 4),
            "LMSDiscreteScheduler: the numbers of its config make no run of 4 steps",
        ),
        (lambda p: from_config({"sigma_max": None}, "cm"), "sigma_max null is not"),
        (
            lambda p: table(
                from_config(SD, "ddim", rescale_betas_zero_snr=True, timestep_spacing="trailing"),
                5,
            ),
            "nothing at zero SNR",
        ),
        (lambda p: from_config(SD, "flow_euler", beta_start=0.1), "no option beta_start"),
        (lambda p: from_config(SD, "flow_euler", time_shift_type="cubic"), "time_shift_type"),
        (lambda p: from_config(SD, "flow_heun", mu=1.0), "no option mu"),
        (lambda p: from_config(SD, "flow_lcm", scale_factors=(0.5,)), "scale_factors"),
        (lambda p: from_config({"prediction_type": "epsilon"}, "flow_lcm"), "'epsilon'"),
        (
            lambda p: table(from_config(FLOW, use_dynamic_shifting=True), 5),
            "needs mu or image_s",
        ),
        (lambda p: table(FLOW, sigmas=[1.5, 0]), "within 1 to 0"),
        (lambda p: table(FLOW, timesteps=[500, 700]), "strictly"),
        (
            lambda p: table(from_config(FLOW, use_beta_sigmas=True), sigmas=[1, 0]),
            "use_beta_sigmas and sigmas exclude",
        ),
        (lambda p: table(from_config({}, "ipndm", trained_betas=(0.1,)), 1), "2 for 1 steps"),
        (lambda p: from_config({}, "ipndm", trained_betas=(2, 0)), r"trained_betas\[0\] 2 is not"),
        (lambda p: from_config({"prediction_type": "epsilon"}, "ipndm"), "'v_prediction'"),
        (lambda p: table(from_config(SD, "ipndm"), timesteps=[2.0, 1.0]), "within 1 to 0"),
        (
            lambda p: table(
                from_config(SD, "ddim_inverse", prediction_type="sample", set_alpha_to_one=True),
                5,
            ),
            "nothing of the noise",
        ),
        (lambda p: from_config(SD, "sa_solver", predictor_order=4), "predictor_order 4"),
        (lambda p: from_config(SD, "sa_solver", algorithm_type="dpmsolver"), "algorithm_type"),
        (lambda p: from_config(SD, "sa_solver", tau_func=-1.0), "tau_func -1.0 is not"),
        (lambda p: from_config(SD, "sa_solver", tau_func="t"), "tau_func 't' is not"),
        (lambda p: from_config(SD, "dpmpp_sde", noise_sampler_seed=3), "noise_sampler_seed"),
        (lambda p: from_config({"beta_schedule": "linear"}, "unclip"), "'linear'"),
        (lambda p: from_config({}, "unclip", variance_type="learned"), "'learned'"),
        (lambda p: table(from_config({}, "wuerstchen"), timesteps=[1.5, 0.5]), "within 1 to 0"),
        (lambda p: from_config(SD, "repaint", thresholding=True), "no option thresholding"),
        (lambda p: table(from_config(SD, "repaint", eta=2.0), 5), "eta must lie"),
        (lambda p: table(from_config(SD, "repaint", jump_length=0), 5), "must be 1 or more"),
        (lambda p: table(from_config({}, "sde_ve"), sigmas=[1, 2]), "strictly"),
        (lambda p: from_config(SD, "lcm", timestep_spacing="leading"), "no option timestep_s"),
        (lambda p: table(from_config(SD, "lcm"), 51), "from 51 to 1000, not 50"),
        (lambda p: table(from_config(SD, "lcm", original_inference_steps=0), 1), "not 0"),
        (lambda p: table(from_config(SD, "lcm", strength=0.1), 9), "times strength 0.1 from 9"),
        (lambda p: table(from_config(SD, "tcd", strength=1.1), 9), "strength must lie"),
        (lambda p: table(from_config(SD, "tcd", eta=1.1), 5), "eta must lie"),
        (lambda p: from_config({"prediction_type": "epsilon"}, "cm"), "'epsilon'"),
        (lambda p: table(from_config({}, "cm"), 41), "from 1 to 40"),
        (lambda p: table(from_config({}, "cm"), sigmas=[1, 0.001, 0]), "fall strictly to sigma_m"),
        (lambda p: from_config({}, "scm", prediction_type="v_prediction"), "'trigflow'"),
        (lambda p: table(from_config({}, "scm"), timesteps=[2.0, 1.0]), "angles must fall"),
        (lambda p: schedulers.take(table(S, 5), slice(3, 3)), "consecutive"),
        (lambda p: schedulers.take(table(S, 5), slice(0, 4, 2)), "consecutive"),
        (lambda p: schedulers.take(table(S, 5), 3), "wants a slice"),
        (lambda p: schedulers.concat(), "at least one"),
        (lambda p: schedulers.concat(table(S, 5), table(S, 5)), "cannot go on"),
        (
            lambda p: schedulers.concat(
                schedulers.stack([table(DDIM, 5)]), table(DDIM, 5, start=1)
            ),
            "batches of 1 and None",
        ),
        (lambda p: schedulers.stack([]), "at least one"),
        (lambda p: schedulers.pad(table(S, 5), 2), "cannot be padded"),
        (lambda p: schedulers.check(table(S, 5)._replace(t=np.zeros(3))), "table.t must be"),
        (lambda p: schedulers.check(table(S, 5)._replace(mix=table(S, 5).mix * 2)), "row 0 misses"),
        (lambda p: schedulers.check(table(DDIM, 5)._replace(clip=np.zeros(5))), "table.clip"),
        (lambda p: schedulers.load(bad_file(p, b"no")), "no safetensors"),
    ],
)
def test_refused(call, words, tmp_path):
    """One clear error each."""
    with pytest.raises(ValueError, match=words):
        call(tmp_path)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no scheduler config at"):
        from_config(tmp_path)
    with pytest.raises(FileNotFoundError, match="no table at"):
        schedulers.load(tmp_path / "t")
    with pytest.raises(OSError, match="cannot write"):
        schedulers.save(table(S, 2), tmp_path / "missing" / "t")
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="no table of mdx"):
        schedulers.load(tmp_path / "other")


def test_fifty_steps_are_quick():
    """Under 100 ms of computing each, in one of five tries: other work may share the machine."""

    def seconds(member):
        begun = process_time()
        table(member.scheduler(), 50)
        return process_time() - begun

    for member in MEMBERS:
        assert any(seconds(member) < 0.1 for _ in range(5)), member.id


def test_betas_that_no_run_can_follow_are_named():
    """With next to no signal left Runge-Kutta loses it to roundings: the config is at fault."""
    config = {"_class_name": "PNDMScheduler", "beta_start": 1e-4, "beta_end": 0.99999}
    with pytest.raises(ValueError, match="PNDMScheduler: the betas and levels of its config make"):
        table(from_config(config), 10)
