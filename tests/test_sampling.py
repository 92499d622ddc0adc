"""The loop and its denoisers: functions of one's own, networks, guidance, and what is carried."""

import subprocess
import sys

import numpy as np
import pytest
from mindspore import Tensor

import mdx
from mdx import schedulers
from mdx.sampling import Denoiser, Network, Row
from tests.generating import latents as generated

KEPT = schedulers.from_config({"beta_schedule": "scaled_linear", "clip_sample": False}, "ddim")
SPREAD = 0.5  # of the data that the exact denoiser knows


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


def table(name="ddim", steps=6, **options):
    return schedulers.table(schedulers.from_config(KEPT, name, **options), steps)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def exact(t_table):
    """The noise in a sample of normal data of deviation SPREAD, known at every row of a table."""
    rows = zip(t_table.t, t_table.alpha[:-1], t_table.sigma[:-1], strict=True)
    levels = {float(t): (alpha, sigma) for t, alpha, sigma in rows}

    def denoise(x, t):
        assert isinstance(x, np.ndarray)
        assert x.dtype == np.float32
        assert t.shape == (len(x),)
        alpha, sigma = levels[float(t[0])]
        return (x * sigma / (alpha**2 * SPREAD**2 + sigma**2)).astype(np.float32)

    return denoise


@pytest.mark.parametrize("shape", [(5,), (5, 2), (2, 4, 6, 6), (1, 4, 3, 6, 6)])
def test_a_function_of_ones_own_without_a_checkpoint(shape):
    """Any rank: each sample of a normal distribution ends at its own quantile of the data's."""
    run, x = table(steps=200), noise(*shape)
    end = mdx.sample(exact(run), run, noise=x, progress=False).slots.asnumpy()[0]
    np.testing.assert_allclose(end, SPREAD * x, atol=0.02)


def test_the_loop_is_steps_in_succession():
    run, x = table("dpmpp_2m"), noise(2, 3)
    denoise = exact(run)
    state, seen = schedulers.init(run, x), []
    for i in range(run.rows):
        out = denoise(np.float32(run.scale[i]) * state.slots.asnumpy()[0], run.t[i].repeat(2))
        state, _ = schedulers.step(run, state, out)
    found = mdx.sample(denoise, run, noise=x, callback=lambda i, state, info: seen.append(i))
    assert np.array_equal(found.slots.asnumpy(), state.slots.asnumpy())
    assert (seen, found.index) == (list(range(run.rows)), run.rows)


def test_what_is_returned_may_be_a_tensor():
    run, x = table(), noise(2, 3)
    one = mdx.sample(exact(run), run, noise=x)
    other = mdx.sample(lambda x, t: Tensor(exact(run)(x, t)), run, noise=Tensor(x))
    assert np.array_equal(one.slots.asnumpy(), other.slots.asnumpy())


def test_a_run_goes_on_from_a_state():
    run, x, states = table(), noise(2, 3), []
    whole = mdx.sample(exact(run), run, noise=x, callback=lambda i, state, _: states.append(state))
    for state in states:
        end = mdx.sample(exact(run), run, start=state)
        assert np.array_equal(end.slots.asnumpy(), whole.slots.asnumpy())
    begun = schedulers.init(run, x).slots.asnumpy()[0]
    same = mdx.sample(exact(run), run, start=begun)
    assert np.array_equal(same.slots.asnumpy(), whole.slots.asnumpy())


def test_noise_on_the_way_is_given():
    run, x = table("ddpm", 4), noise(2, 3)
    generators = [np.random.default_rng(seed) for seed in (1, 2)]
    drawn = list(mdx.step_noise.rows(run, generators, (3,), ["independent"] * 2))
    state, denoise = schedulers.init(run, x), exact(run)
    for i, one in enumerate(drawn):
        out = denoise(np.float32(run.scale[i]) * state.slots.asnumpy()[0], run.t[i].repeat(2))
        state, _ = schedulers.step(run, state, out, one)
    found = mdx.sample(denoise, run, noise=x, step_noise=drawn)
    assert np.array_equal(found.slots.asnumpy(), state.slots.asnumpy())
    with pytest.raises(ValueError, match=r"give step_noise, as mdx\.step_noise\.rows makes it"):
        mdx.sample(denoise, run, noise=x)
    with pytest.raises(ValueError, match="step_noise ends at row 2 of 4"):
        mdx.sample(denoise, run, noise=x, step_noise=drawn[:2])
    with pytest.raises(ValueError, match=r"row 0 adds noise, and none was given"):
        mdx.sample(denoise, run, noise=x, step_noise=[None] * 4)


def momentum(shape):
    return {"velocity": np.zeros(shape, np.float32), "calls": np.zeros(1, np.int32)}


def push(carry, x, row):
    """A denoiser whose output depends on all calls before."""
    velocity = 0.5 * as_array(carry["velocity"]) + 0.1 * x.asnumpy()
    calls = as_array(carry["calls"]) + 1
    assert calls[0] == row.index + 1
    return velocity, {"velocity": velocity, "calls": calls}


def as_array(value):
    return value.asnumpy() if isinstance(value, Tensor) else value


def test_what_is_carried_is_in_the_state(tmp_path):
    """A run that was saved in the middle ends bit for bit as the whole one."""
    run, x, denoiser = table(), noise(2, 3), Denoiser(momentum, push)

    def keep(i, state, info):
        if i == 2:
            schedulers.save_state(state, tmp_path / "state")

    whole = mdx.sample(denoiser, run, noise=x, callback=keep)
    stored = schedulers.load_state(tmp_path / "state")
    assert (stored.index, sorted(stored.carry)) == (3, ["calls", "velocity"])
    assert "carry=" in repr(stored)
    end = mdx.sample(denoiser, run, start=stored)
    assert np.array_equal(end.slots.asnumpy(), whole.slots.asnumpy())
    assert end.carry["calls"].tolist() == [run.rows]
    plain = mdx.sample(exact(run), run, noise=x)
    assert plain.carry is None


def test_after_may_change_what_goes_on():
    run, x = table(), noise(2, 3)

    def cut(table, state):
        return schedulers.State(Tensor(0.5 * state.slots.asnumpy()), state.index)

    denoiser = Denoiser(momentum, push)
    found = mdx.sample(denoiser, run, noise=x, after=cut)
    assert found.carry["calls"].tolist() == [run.rows]
    state, carry = schedulers.init(run, x), momentum(x.shape)
    for i in range(run.rows):
        row = Row(i, run.rows, run.t[i], run.alpha[i], run.sigma[i], run.scale[i])
        scaled = Tensor(np.float32(run.scale[i]) * state.slots.asnumpy()[0])
        out, carry = push(carry, scaled, row)
        state = cut(run, schedulers.step(run, state, out)[0])
    assert np.array_equal(found.slots.asnumpy(), state.slots.asnumpy())


class Counted:
    """A function of (x, t), and how often it was called."""

    def __init__(self, factor):
        self.factor, self.calls = factor, 0

    def __call__(self, x, t):
        self.calls += 1
        return self.factor * x


def test_guidance_of_any_functions():
    """Equation 6 of arXiv 2207.12598; where no image is guided, one call is enough."""
    run, x = table(), noise(2, 3)
    towards, away = Counted(np.float32(0.3)), Counted(np.float32(-0.2))
    guided = mdx.guidance.classifier_free(towards, away, [3.0, 1.0])
    found = mdx.sample(guided, run, noise=x).slots.asnumpy()[0]
    factors = np.float32([[-0.2 + 3 * 0.5], [0.3]])
    plain = mdx.sample(lambda x, t: factors * x, run, noise=x).slots.asnumpy()[0]
    np.testing.assert_allclose(found, plain, rtol=2e-5)
    assert (towards.calls, away.calls) == (run.rows, run.rows)
    mdx.sample(mdx.guidance.classifier_free(towards, away, 1.0), run, noise=x)
    assert (towards.calls, away.calls) == (2 * run.rows, run.rows)


def test_guidance_follows_the_rows():
    run, x = table(), noise(2, 3)
    scales = np.ones((run.rows, 2), np.float32)
    scales[2:4] = 3
    ways = [
        scales,
        lambda row: scales[row.index],
        mdx.guidance.Between(np.float32(3), 2 / run.rows, 4 / run.rows),
    ]
    ends = []
    for way in ways:
        away = Counted(np.float32(-0.2))
        guided = mdx.guidance.classifier_free(Counted(np.float32(0.3)), away, way)
        ends.append(mdx.sample(guided, run, noise=x).slots.asnumpy())
        assert away.calls == 2
    assert all(np.array_equal(end, ends[0]) for end in ends)
    guide = mdx.guidance.interval(3, 2 / run.rows, 4 / run.rows)
    end = mdx.sample(guide(Counted(np.float32(0.3)), Counted(np.float32(-0.2))), run, noise=x)
    assert np.array_equal(end.slots.asnumpy(), ends[0])


def test_denoisers_take_turns():
    """One run of two denoisers is two runs, the state handed over; each carries its own."""
    run, x = table(), noise(2, 3)
    other = Denoiser(lambda shape: {"n": np.zeros(1)}, lambda c, x, r: (x, {"n": c["n"] + 1}))
    whole = mdx.sample(mdx.guidance.turns(exact(run), other, ends=[4]), run, noise=x)
    first = mdx.sample(exact(run), schedulers.take(run, slice(0, 4)), noise=x)
    rest = schedulers.take(run, slice(4, None))
    last = mdx.sample(other, rest, start=first._replace(index=0))
    assert np.array_equal(whole.slots.asnumpy(), last.slots.asnumpy())
    assert whole.carry == {"1.n": [2.0]}
    for ends in ([], [1, 2], [-1], [2.5]):
        with pytest.raises((TypeError, ValueError), match="ends"):
            mdx.guidance.turns(exact(run), other, ends=ends)


RUN = table()
X = noise(2, 3)
REFUSED = {
    "nothing to begin with": (lambda: mdx.sample(exact(RUN), RUN), "give one of them"),
    "two of them": (lambda: mdx.sample(exact(RUN), RUN, noise=X, start=X), "give one of them"),
    "no denoiser": (lambda: mdx.sample(3, RUN, noise=X), r"denoiser must be a Denoiser or a fun"),
    "no table": (lambda: mdx.sample(exact(RUN), "ddim", noise=X), "a table is what"),
    "callback": (lambda: mdx.sample(exact(RUN), RUN, noise=X, callback=3), "callback must be call"),
    "one graph": (
        lambda: mdx.sample(exact(RUN), RUN, noise=X, one_graph=True),
        "one_graph runs a network",
    ),
    "shape": (lambda: mdx.sample(lambda x, t: x[:1], RUN, noise=X), "model_output has shape"),
    "no array": (lambda: mdx.sample(lambda x, t: "x", RUN, noise=X), "model_output must be"),
    "NaN": (lambda: mdx.sample(lambda x, t: x * np.nan, RUN, noise=X), "NaN or infinity"),
    "prediction": (
        lambda: mdx.sample(Denoiser(momentum, push, "v_prediction"), RUN, noise=X),
        "the table is for a model that returns 'epsilon', and the denoiser returns 'v_prediction'",
    ),
    "row": (
        lambda: mdx.sample(exact(RUN), RUN, start=schedulers.init(RUN, X)._replace(index=9)),
        "start is at row 9",
    ),
    "scale of rows": (
        lambda: mdx.sample(
            mdx.guidance.classifier_free(exact(RUN), exact(RUN), np.ones((3, 2))), RUN, noise=X
        ),
        "scale is for 3 rows, and the run has 6",
    ),
    "scale of images": (
        lambda: mdx.sample(
            mdx.guidance.classifier_free(exact(RUN), exact(RUN), [2, 2, 2]), RUN, noise=X
        ),
        r"scale of row 0 is \(3,\), for 2 images",
    ),
    "scale": (
        lambda: mdx.guidance.classifier_free(exact(RUN), exact(RUN), "much"),
        "scale must be a number or an array",
    ),
    "interval": (lambda: mdx.guidance.interval(3, 0.5, 0.2), "begin and end must be fractions"),
    "two predictions": (
        lambda: mdx.guidance.classifier_free(
            Denoiser(momentum, push, "epsilon"), Denoiser(momentum, push, "sample"), 3
        ),
        "'epsilon' and 'sample' cannot be of one run",
    ),
}


@pytest.mark.parametrize(("call", "error"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(call, error):
    with pytest.raises((TypeError, ValueError, FloatingPointError), match=error):
        call()


# Networks.

SHAPE = (4, 8, 8)  # that of test_generate.py's latents: the graphs are made once for both
PROMPTS = ["a red circle", "a blue circle"]


def networks(model):
    positive = mdx.encode_prompt(model, PROMPTS)
    negative = mdx.conditioning.repeat(mdx.encode_prompt(model, None, negative=True), 2)
    return [mdx.denoiser(model, one) for one in (positive, negative)]


def test_generate_is_a_composition(model):
    """The same bits as its parts make one after the other."""
    run = schedulers.pad(schedulers.table(model.scheduler, 2), 6)
    x = np.stack([np.random.default_rng(seed).standard_normal(SHAPE) for seed in (0, 1)])
    denoiser = mdx.guidance.classifier_free(*networks(model), 7.5)
    assert isinstance(denoiser, Network)
    end = mdx.sample(denoiser, run, noise=x).slots.asnumpy()[0]
    options = {"steps": 2, "progress": False, "output": "latent"}
    assert np.array_equal(end, mdx.generate(model, PROMPTS, seed=0, **options))
    pixels = mdx.decode(model, end, output="np")
    options["output"] = "np"
    assert np.array_equal(pixels, mdx.generate(model, PROMPTS, seed=0, **options))


def test_conditioning_is_taken_for_a_prompt(model):
    given = mdx.encode_prompt(model, PROMPTS), mdx.encode_prompt(model, ["a cat"], negative=True)
    found = generated(model, given[0], negative_prompt=given[1])
    assert np.array_equal(found, generated(model, PROMPTS, negative_prompt="a cat"))
    bare = model._replace(text_encoder=None, tokenizer=None)
    assert np.array_equal(generated(bare, given[0], negative_prompt=given[1]), found)
    with pytest.raises(ValueError, match=r"model\.tokenizer is None.*give a mdx\.Conditioning"):
        generated(bare, PROMPTS)
    other = mdx.conditioning.make("another", dict(given[0].arrays))
    with pytest.raises(ValueError, match="prompt is a conditioning for models of another"):
        generated(model, other)
    narrow = mdx.conditioning.make("stable_diffusion", {"context": np.ones((1, 16, 3))})
    with pytest.raises(ValueError, match=r"context of the conditioning must be float32 \(B, any,"):
        generated(model, narrow)
    with pytest.raises(ValueError, match="negative_prompt: 3 negative prompts for 2 prompts"):
        generated(model, PROMPTS, negative_prompt=mdx.conditioning.repeat(given[1], 3))


def test_guidance_of_generate_may_be_a_function_or_follow_rows(model):
    rows = schedulers.table(model.scheduler, 3).rows
    within = np.ones((rows, 2), np.float32)
    within[1:2] = 5
    expected = generated(model, PROMPTS, steps=3, guidance=within)
    interval = mdx.guidance.interval(5, 1 / rows, 2 / rows)
    assert np.array_equal(generated(model, PROMPTS, steps=3, guidance=interval), expected)
    for guidance in (within, interval):
        whole = generated(model, PROMPTS, steps=3, guidance=guidance, one_graph=True)
        assert np.array_equal(whole, expected)
    assert not np.array_equal(generated(model, PROMPTS, steps=3, guidance=5), expected)
    with pytest.raises(ValueError, match=rf"guidance over rows must have shape \({rows}, 2\)"):
        generated(model, PROMPTS, steps=3, guidance=within[1:])


def test_unlike_conditionings_are_two_calls(model):
    """A negative of another length is called by itself: the same numbers but for last bits."""
    towards, away = networks(model)
    arrays = {"context": np.concatenate([away.conditioning.arrays["context"]] * 2, axis=1)}
    longer = away._replace(conditioning=mdx.conditioning.make("stable_diffusion", arrays))
    # The same rows twice are read as once: attention's weights are halved, and there are two.
    apart = mdx.guidance.classifier_free(towards, longer, 4.0)
    together = mdx.guidance.classifier_free(towards, away, 4.0)
    assert isinstance(apart, Denoiser)
    run, x = schedulers.table(model.scheduler, 2), noise(2, *SHAPE)
    one, other = (mdx.sample(d, run, noise=x).slots.asnumpy()[0] for d in (apart, together))
    np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(other).max())


def test_a_network_is_a_value(model):
    towards, away = networks(model)
    assert repr(towards).startswith("Network(Net(unet")
    x, row = Tensor(noise(2, *SHAPE)), mdx.sampling.denoiser.rows(schedulers.table(KEPT, 2))[0]
    out, carry = towards.apply(towards.init(x.shape), x, row)
    assert (out.shape, carry) == ((2, *SHAPE), {})
    swapped = towards._replace(conditioning=away.conditioning)
    assert np.array_equal(
        swapped.apply({}, x, row)[0].asnumpy(), away.apply({}, x, row)[0].asnumpy()
    )
    with pytest.raises(ValueError, match="the conditioning is of 2 images, and the sample of 3"):
        mdx.sample(towards, schedulers.table(model.scheduler, 2), noise=noise(3, *SHAPE))
    for shape in ((2, 3, 9, 6), (2, 4), (2, 4, 9, 6, 1)):
        with pytest.raises(ValueError, match=r"has shape \(2.*the network takes \(B, 4, h, w\)"):
            mdx.sample(towards, schedulers.table(model.scheduler, 2), noise=noise(*shape))
    with pytest.raises(ValueError, match="is for models of another"):
        mdx.denoiser(model, mdx.conditioning.make("another", dict(away.conditioning.arrays)))
    with pytest.raises(TypeError, match=r"a mdx\.Conditioning is needed"):
        mdx.denoiser(model, "a cat")


@pytest.mark.parametrize("weights", ["net", "stage"])
def test_memory_of_a_denoiser(model, weights):
    towards, _ = networks(model)
    run, x = schedulers.table(model.scheduler, 2), noise(2, *SHAPE)
    one = mdx.sample(towards, run, noise=x).slots.asnumpy()[0]
    small = towards._replace(memory=mdx.Memory(weights=weights))
    other = mdx.sample(small, run, noise=x).slots.asnumpy()[0]
    np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(one).max())


def test_clip_skip_reads_an_earlier_layer(model):
    plain, none = (mdx.encode_prompt(model, "a", clip_skip=skip) for skip in (None, 0))
    assert plain == none
    assert mdx.encode_prompt(model, "a", clip_skip=1) != plain
    with pytest.raises(ValueError, match="hidden state -9 of a text encoder of 2 layers"):
        mdx.encode_prompt(model, "a", clip_skip=8)
    for name, value in {"second": "b", "sizes": mdx.Sizes()}.items():
        with pytest.raises(ValueError, match=f"{name} is for families that read it"):
            mdx.encode_prompt(model, "a", **{name: value})


EAGER = """
import subprocess
import sys

import numpy as np
import mdx
from mdx import schedulers
table = schedulers.table(schedulers.from_config({}, "ddim"), 2)
half = mdx.sampling.Denoiser(lambda shape: {}, lambda carry, x, row: (0.5 * x, carry))
print(mdx.sample(half, table, noise=np.ones((1, 2))).index)
"""


def test_a_denoiser_may_compute_with_its_tensor():
    """Outside graphs, where the first operator of a process would fail beside numpy 2."""
    done = subprocess.run([sys.executable, "-c", EAGER], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


def test_noise_of_one_graph_is_asked_for_as_in_the_loop(model):
    run = table("ddpm", 4)
    towards, _ = networks(model)
    x = noise(2, *SHAPE)
    for step_noise, error in (([], "step_noise ends at row 0 of 4"), ([None] * 4, "row 0 adds")):
        for one_graph in (False, True):
            with pytest.raises(ValueError, match=error):
                mdx.sample(towards, run, noise=x, step_noise=step_noise, one_graph=one_graph)
    with pytest.raises(ValueError, match="noise of row 0 has shape"):
        mdx.sample(towards, run, noise=x, step_noise=[x[0]] * 4, one_graph=True)
    stage = towards._replace(memory=mdx.Memory("stage"))
    with pytest.raises(ValueError, match="one_graph has all of the network's weights at work"):
        mdx.sample(stage, table(), noise=x, one_graph=True)


def test_what_a_denoiser_drops_is_not_carried_on():
    run, x = table(), noise(2, 3)
    dropping = Denoiser(lambda shape: {"n": np.zeros(1)}, lambda c, x, r: (x.asnumpy(), {}))
    assert mdx.sample(dropping, run, noise=x, after=lambda table, state: state).carry is None


def test_a_carry_of_another_run_is_named(tmp_path):
    run, x = table(), noise(2, 3)
    begun = schedulers.init(run, x)._replace(carry={"cache": np.zeros(1, np.float32)})
    with pytest.raises(ValueError, match="the state carries 'cache', which no denoiser"):
        mdx.sample(mdx.guidance.turns(exact(run), exact(run), ends=[2]), run, start=begun)
    with pytest.raises(ValueError, match=r"must be float32 or int32 to be saved: 'n' is int64"):
        schedulers.save_state(begun._replace(carry={"n": np.array([3])}), tmp_path / "state")
    wide = schedulers.stack([run, run, run])
    with pytest.raises(ValueError, match=r"start must have shape \(3, \.\.\.\)"):
        mdx.sample(exact(run), wide, start=schedulers.init(run, x))


def test_functions_of_rows_want_runs_of_as_many_rows(model):
    interval = mdx.guidance.interval(5, 0, 0.5)
    with pytest.raises(ValueError, match="give schedulers of as many rows each"):
        generated(model, PROMPTS, scheduler=["ddim", "heun"], guidance=interval)
    rows = max(schedulers.table(schedulers.from_config(model.scheduler, n), 2).rows
               for n in ("ddim", "heun"))  # fmt: skip
    scales = np.full((rows, 2), 5.0, np.float32)
    options = {"scheduler": ["ddim", "heun"], "steps": 2}
    whole = generated(model, PROMPTS, guidance=5, batch=1, **options)
    assert np.array_equal(generated(model, PROMPTS, guidance=scales, batch=1, **options), whole)


def test_a_learned_variance_is_not_guided():
    """Of an output (B, 2C, ...) the first half moves, and the second is the positive one's."""
    x, row = noise(2, 3, 4), mdx.sampling.denoiser.rows(table())[0]
    towards, away = noise(2, 6, 4, seed=1), noise(2, 6, 4, seed=2)
    guided = mdx.guidance.classifier_free(lambda x, t: towards, lambda x, t: away, 5.0)
    out = guided.apply(guided.init(x.shape), Tensor(x), row)[0].asnumpy()
    moved = away[:, :3] + 5 * (towards[:, :3] - away[:, :3])
    np.testing.assert_allclose(out[:, :3], moved, rtol=1e-5, atol=1e-6)
    assert np.array_equal(out[:, 3:], towards[:, 3:])


@pytest.mark.parametrize("given", [None, "much", np.nan, 1j, [[1.0]], lambda row: 3])
def test_a_scale_of_a_row_is_named(given):
    run, x = table(), noise(2, 3)
    guided = mdx.guidance.classifier_free(exact(run), exact(run), lambda row: given)
    with pytest.raises((TypeError, ValueError), match="scale of row 0"):
        mdx.sample(guided, run, noise=x)
