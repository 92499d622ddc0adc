"""Runs of generate() as values: begun anywhere, stopped, gone on with, on one path of noise."""

import numpy as np
import pytest
from mindspore import Tensor

import mdx
from mdx import schedulers, step_noise
from mdx.schedulers import State
from mdx.schedulers.samplers import SAMPLERS
from tests.compiles import counted
from tests.generating import TOLERANCE, apart, latents, noise


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


RUNNING = ["pndm", "unipc", "dpm2_a", "dpmpp_sde", "sa_solver", "ddpm", "lcm"]


@pytest.mark.parametrize("name", RUNNING)
def test_a_resumed_run_ends_as_the_whole_one_bit_for_bit(model, tmp_path, name):
    """Stopped after any row, from a file, with the seed alone: histories and noise come back."""
    states = []
    whole = latents(model, scheduler=name, callback=lambda i, state, info: states.append(state))
    for state in states:
        schedulers.save_state(state, tmp_path / "state")
        stored = schedulers.load_state(tmp_path / "state")
        assert np.array_equal(latents(model, scheduler=name, start=stored), whole), state.index
    shown = []
    latents(model, scheduler=name, start=states[1], callback=lambda i, *_: shown.append(i))
    assert shown == list(range(2, len(states)))
    assert np.array_equal(latents(model, scheduler=name, start=states[1], one_graph=True), whole)


def test_a_state_of_fewer_slots_is_padded(model):
    """One from a loop of the caller's own, which knows nothing of generate's six slots."""
    table = schedulers.table(schedulers.from_config(model.scheduler, "dpmpp_2m"), 3)
    state = schedulers.init(table, noise(0))
    assert state.slots.shape[0] == 2
    got = latents(model, scheduler=table, steps=None, start=state)
    assert np.array_equal(got, latents(model, scheduler="dpmpp_2m"))


def test_the_progress_bar_of_a_resumed_run_begins_where_it_stopped(model, capsys):
    states = []
    latents(model, scheduler="ddim", callback=lambda i, state, info: states.append(state))
    latents(model, scheduler="ddim", start=states[1], progress=True)
    err = capsys.readouterr().err
    assert "2/3" in err
    assert "3/3" in err
    assert "0/3" not in err


@pytest.mark.parametrize("name", ["ddim", "ddpm"])
def test_start_as_the_seed_would_have_it_changes_nothing(model, name):
    """Bitwise, the sampler's own noise included; and the size is that of the latents."""
    shape = (1, 4, 8, 12)
    plain = latents(model, scheduler=name, width=24)
    assert np.array_equal(latents(model, scheduler=name, start=noise(0, shape)), plain)


def test_image_to_image(model):
    """A picture noised to the last step's level: at time 1 sigma is 0.04, and less is left of it.

    And a run begun where another came by ends as that one, bit for bit.
    """
    s = schedulers.from_config(model.scheduler, "ddim")
    picture = mdx.encode(model, mdx.generate(model, "a", steps=2, seed=1, progress=False))
    last = schedulers.table(s, 10, start=9)
    begin = schedulers.add_noise(last, 0, picture, noise(3)).asnumpy()
    got = latents(model, scheduler=last, steps=None, start=begin)
    assert 0 < np.abs(got - picture).max() < 0.2
    states = []
    whole = latents(
        model, scheduler=s, steps=10, callback=lambda i, state, info: states.append(state)
    )
    for row in (2, 6, 9):
        rest = schedulers.table(s, 10, start=row)
        sample = states[row - 1].slots.asnumpy()[0]
        assert np.array_equal(latents(model, scheduler=rest, steps=None, start=sample), whole)


NOISY = ["ddpm", "euler_a", "dpm2_a", "dpmpp_sde", "er_sde", "sa_solver"]


@pytest.mark.parametrize("name", NOISY)
def test_more_steps_on_one_path_are_the_same_run_in_more_detail(name):
    """In the numbers of the tables: on a path the ends converge, with fresh noise they do not."""
    s = schedulers.from_config({"clip_sample": False, "prediction_type": "sample"}, name)
    shape = (400,)

    def end(steps, kind):
        table = schedulers.table(s, sigmas=np.geomspace(10, 0.1, steps + 1))
        generator = np.random.Generator(np.random.PCG64(3))
        slots = np.zeros((table.slots, *shape))
        slots[0] = table.alpha[0] * 0.3
        rows = step_noise.rows(table, [generator], shape, [kind])
        for i, drawn in enumerate(rows):
            x, a, b = slots[0], table.alpha[i], table.sigma[i]
            x0 = 0.5 * a * x / (0.5 * a**2 + b**2)  # the best guess for data of variance 1/2
            out = (x0 - table.denoise[i, 0] * x) / table.denoise[i, 1]
            fresh = np.zeros(shape) if drawn is None else drawn[0]
            slots = np.tensordot(table.mix[i], np.stack([*slots, out, x0, fresh]), 1)
        return slots[0] / table.alpha[-1]

    counts = (16, 32, 64, 128)
    path, fresh = ([end(n, kind) for n in counts] for kind in step_noise.KINDS[::-1])
    gap = lambda a, b: np.sqrt(np.mean((a - b) ** 2)) / np.std(b)  # noqa: E731
    gaps = [gap(a, path[-1]) for a in path[:-1]]
    assert gaps[2] < gaps[1] < gaps[0], gaps
    assert gaps[2] < 0.25, gaps
    assert min(gap(a, fresh[-1]) for a in fresh[:-1]) > 3 * gaps[2], gaps
    # Either way the samples are of one distribution: 400 of them know its width to 3.5%.
    np.testing.assert_allclose(np.std(path[-1]), np.std(fresh[-1]), rtol=0.18)


def stochastic():
    """The table of every sampler that adds noise, but for those that go up again."""
    for sampler in SAMPLERS:
        table = schedulers.table(schedulers.from_config({}, sampler.names[0]), 20)
        if table.stochastic and sampler.family != "inpainting":
            yield sampler.names[1], table


def test_every_sampler_s_noise_can_be_read_off_a_path():
    """Unit normal and independent from row to row, as rows that draw it expect."""
    found = dict(stochastic())
    assert len(found) > 12
    for name, table in found.items():
        generator = np.random.default_rng(5)
        rows = step_noise.rows(table, [generator], (4000,), ["brownian"])
        drawn = np.concatenate([row for row in rows if row is not None])
        assert len(drawn) == sum(table.needs_noise(i) for i in range(table.rows)), name
        # 4000 draws: five standard errors.
        np.testing.assert_allclose(np.cov(drawn), np.eye(len(drawn)), atol=0.12, err_msg=name)
        np.testing.assert_allclose(drawn.mean(axis=1), 0, atol=0.08, err_msg=name)


def test_who_takes_a_path_unasked():
    """The samplers that keep a row's noise for later ones; in a stack, their images alone."""
    found = dict(stochastic())
    unasked = {name for name, table in found.items() if step_noise.kinds(table, 1) == ["brownian"]}
    assert unasked == {"dpmpp_sde", "sa_solver"}
    three = schedulers.stack([found["ddpm"], found["dpmpp_sde"], found["euler_a"]])
    assert step_noise.kinds(three, 3) == ["independent", "brownian", "independent"]


@pytest.mark.parametrize("kind", [None, *step_noise.KINDS])
def test_noise_of_either_kind_does_not_depend_on_the_batch(model, kind):
    """Samplers mixed, of unequal length; a generator moves as it does alone."""
    names = ["ddim", "dpmpp_sde", "euler_a"]
    generators = lambda: [np.random.Generator(np.random.PCG64(i)) for i in range(3)]  # noqa: E731
    together, alone = generators(), generators()
    options = {"scheduler": names, "images_per_prompt": 3, "step_noise": kind}
    batch = latents(model, "a", seed=together, **options)
    for i, name in enumerate(names):
        solo = latents(model, "a", seed=[alone[i]], scheduler=name, step_noise=kind)
        assert apart(batch[i], solo[0]) < TOLERANCE, name
        assert together[i].bit_generator.state == alone[i].bit_generator.state, name
    graph = latents(model, "a", seed=generators(), one_graph=True, **options)
    assert np.array_equal(graph, batch)


def test_kinds_of_noise_are_kinds_of_pictures(model):
    """Fresh noise is the default where no path is asked for, and compiles nothing anew."""
    fresh, path = (latents(model, scheduler="ddpm", step_noise=k) for k in step_noise.KINDS)
    with counted() as compiles:
        assert np.array_equal(latents(model, scheduler="ddpm"), fresh)
        assert apart(path, fresh) > 0.1
        kept = latents(model, scheduler="dpmpp_sde")
        assert np.array_equal(latents(model, scheduler="dpmpp_sde", step_noise="brownian"), kept)
        assert apart(latents(model, scheduler="dpmpp_sde", step_noise="independent"), kept) > 0.1
    assert compiles.count == 0


def test_after_goes_on_with_what_it_returns(model):
    """It sees the table and the state of every row; the callback sees what it made of it."""
    rows, seen = [], []

    def after(table, state):
        rows.append((table.rows, state.index))
        return State(Tensor(state.slots.asnumpy() / 2), state.index)

    got = latents(model, after=after, callback=lambda i, s, info: seen.append(s.slots.asnumpy()))
    assert rows == [(4, i) for i in (1, 2, 3, 4)]
    assert np.array_equal(seen[-1][0], got)
    assert apart(got, latents(model)) > 0.1
    assert np.array_equal(latents(model, after=lambda table, state: state), latents(model))


@pytest.mark.parametrize(
    ("after", "error", "words"),
    [
        (lambda t, s: s.slots, TypeError, "after must return a State, not "),
        (lambda t, s: s._replace(index=0), ValueError, "a State at row 1 .*not at row 0"),
        (lambda t, s: s._replace(slots=s.slots[:1]), ValueError, "after must return a State at"),
    ],
)
def test_what_after_must_return(model, after, error, words):
    with pytest.raises(error, match=words):
        latents(model, after=after)
