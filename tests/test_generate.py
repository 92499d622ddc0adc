"""generate(): what users rely on, with a tiny checkpoint of random weights."""

import io
import threading
import warnings

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

import mdx
from mdx import schedulers
from mdx.sampling import one_graph
from tests.compiles import counted
from tests.generating import TOLERANCE, apart, latents, noise, rounded, samplers


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


def psnr(got, expected):
    """Decibels for pixels in [0, 1]."""
    return -10 * np.log10(np.mean((np.float64(got) - expected) ** 2))


def test_nothing_compiles_for_another_prompt_seed_scheduler_or_number_of_steps(model):
    mdx.generate(model, "a red circle", steps=2, seed=0, progress=False)
    ddim = schedulers.from_config(model.scheduler, "ddim", eta=1.0)
    with counted() as compiles:
        mdx.generate(model, "blue", steps=2, seed=0, progress=False)
        mdx.generate(model, "blue", negative_prompt="red", seed=5, steps=2, progress=False)
        mdx.generate(model, "blue", seed=5, steps=4, guidance=2.0, progress=False)
        for name in ("ddim", "euler", "dpmpp_2m", "PNDMScheduler", ddim):
            mdx.generate(model, "blue", seed=5, steps=5, scheduler=name, progress=False)
    assert compiles.count == 0
    with counted() as compiles:
        mdx.generate(model, "blue", seed=5, steps=2, width=20, progress=False)
    # The UNet, its input, the step and the VAE at another size; not the text.
    assert compiles.count == 4


def test_a_batch_equals_solo_runs(model):
    batch = latents(model, ["a", "b", "a", "b"], seed=[0, 1, 2, 3], steps=4)
    for i, prompt in enumerate(["a", "b", "a", "b"]):
        solo = latents(model, prompt, seed=i, steps=4)
        assert apart(batch[i], solo[0]) < TOLERANCE


def test_images_of_a_batch_equal_solo_runs(model):
    batch = mdx.generate(
        model, "a", seed=[0, 1, 2, 3], images_per_prompt=4, steps=2, output="np", progress=False
    )
    for i in range(4):
        solo = mdx.generate(model, "a", seed=i, steps=2, output="np", progress=False)
        assert apart(batch[i], solo[0]) < TOLERANCE


def test_initial_noise_is_that_of_the_seed_bitwise(model):
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        init = schedulers.init
        patch.setattr(schedulers, "init", lambda table, x: seen.append(x) or init(table, x))
        latents(model, seed=[3, 0], images_per_prompt=2, steps=1)
        latents(model, seed=7, images_per_prompt=2, steps=1)
        latents(model, seed=np.random.Generator(np.random.PCG64(3)), steps=1)
    listed, counted_up, generator = seen
    assert listed.dtype == np.float64
    assert np.array_equal(listed, np.concatenate([noise(3), noise(0)]))
    assert np.array_equal(counted_up, np.concatenate([noise(7), noise(8)]))
    assert np.array_equal(generator, noise(3))


def test_one_generator_serves_all_images_in_turn(model):
    generator = np.random.Generator(np.random.PCG64(4))
    both = latents(model, ["a", "b"], seed=generator, steps=2)
    second = np.random.Generator(np.random.PCG64(4))
    second.standard_normal((1, 4, 8, 8))
    assert apart(both[:1], latents(model, "a", seed=4, steps=2)) < TOLERANCE
    assert apart(both[1:], latents(model, "b", seed=second, steps=2)) < TOLERANCE


def test_step_noise_does_not_depend_on_the_batch(model):
    noisy = schedulers.from_config(model.scheduler, "ddim", eta=1.0)
    batch = latents(model, ["a", "a"], seed=[1, 2], scheduler=noisy, steps=4)
    solo = latents(model, "a", seed=2, scheduler=noisy, steps=4)
    assert apart(batch[1], solo[0]) < TOLERANCE
    plain = latents(model, "a", seed=2, scheduler="ddim", steps=4)
    assert np.abs(plain - solo).max() > 0.1


def test_the_same_call_gives_the_same_bits(model):
    assert np.array_equal(latents(model), latents(model))
    assert not np.array_equal(latents(model), latents(model, seed=1))
    assert not np.array_equal(latents(model, seed=None), latents(model, seed=None))


def test_guidance_of_one_is_the_prompt_alone(model):
    alone = latents(model, guidance=1)
    assert np.array_equal(alone, latents(model, guidance=0, negative_prompt="blue"))
    # In the limit of scale 1, the guided branch is the unguided one.
    near = latents(model, guidance=1 + 1e-6)
    assert apart(near, alone) < TOLERANCE
    assert np.abs(latents(model, guidance=9) - alone).max() > 0.01


def test_guidance_is_linear_in_its_scale(model):
    """After one step the latents are linear in the model's output (arXiv 2207.12598, eq. 6)."""
    low, middle, high = (latents(model, steps=1, guidance=g) for g in (2.0, 3.0, 4.0))
    assert np.abs(high - middle).max() > 1e-3
    assert np.allclose(high - middle, middle - low, atol=1e-4)


def test_negative_prompts(model):
    both = latents(model, ["a", "b"], negative_prompt=["x", "y"], seed=[0, 0])
    assert apart(both[1], latents(model, "b", negative_prompt="y")[0]) < TOLERANCE
    shared = latents(model, ["a", "b"], negative_prompt="y", seed=[0, 0])
    assert apart(shared[1], both[1]) < TOLERANCE
    assert np.array_equal(latents(model, negative_prompt=""), latents(model))
    # Moving from the prompt to itself leaves the prompt alone.
    same = latents(model, "a", negative_prompt="a")
    assert apart(same, latents(model, "a", guidance=1)) < TOLERANCE


def test_several_images_of_each_prompt_stand_in_succession(model):
    four = latents(model, ["a", "b"], images_per_prompt=2, seed=0)
    for i, prompt in enumerate(["a", "a", "b", "b"]):
        assert apart(four[i], latents(model, prompt, seed=i)[0]) < TOLERANCE


def test_outputs(model):
    # A size at which test_memory.py, too, makes graphs.
    kinds = {"prompt": "a", "steps": 1, "seed": 0, "progress": False, "height": 18, "width": 12}
    images = mdx.generate(model, **kinds)
    assert [image.size for image in images] == [(12, 18)]
    pixels = mdx.generate(model, output="np", **kinds)
    assert pixels.shape == (1, 18, 12, 3)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    assert np.abs(np.float32(images[0]) / 255 - pixels[0]).max() <= 0.5001 / 255
    raw = mdx.generate(model, output="latent", **kinds)
    assert raw.shape == (1, 4, 9, 6)
    assert raw.dtype == np.float32


def test_callback_sees_every_step(model):
    seen = []
    last = latents(model, steps=4, callback=lambda *event: seen.append(event))
    assert [step for step, _, _ in seen] == [0, 1, 2, 3, 4]  # PNDM: one call more than steps
    assert np.array_equal(seen[-1][1].slots.asnumpy()[0], last)
    assert all(info.x0.shape == (1, 4, 8, 8) for _, _, info in seen)


def test_progress_bar_counts_model_calls(model, capsys):
    latents(model, steps=4, progress=True)
    assert "5/5" in capsys.readouterr().err
    latents(model, steps=4, progress=False)
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "progress", "drawn"),
    [
        (Terminal, None, True), (Terminal, True, True), (Terminal, False, False),
        (io.StringIO, None, False), (io.StringIO, True, True), (io.StringIO, False, False),
    ],
)  # fmt: skip
def test_a_bar_is_drawn_on_a_terminal_or_where_it_is_asked(
    model, monkeypatch, stream, progress, drawn
):
    stream = stream()
    monkeypatch.setattr("sys.stderr", stream)
    latents(model, steps=1, progress=progress)
    assert ("1/1" in stream.getvalue()) == drawn
    assert bool(stream.getvalue()) == drawn


@pytest.mark.parametrize("progress", [None, True])
def test_no_stderr_is_no_error(model, monkeypatch, progress):
    """A program without a console has none, and one may be closed, at any time."""
    closed, closing = io.TextIOWrapper(io.BytesIO()), Terminal()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr("sys.stderr", stream)
        latents(model, steps=1, progress=progress)
    monkeypatch.setattr("sys.stderr", closing)
    latents(model, steps=2, progress=progress, callback=lambda *_: closing.close())


BATCHES = {
    "prompt": list("abc"),
    "negative_prompt": list("xyz"),
    "seed": [4, 0, 7],
    "scheduler": ["euler_a", "heun", "dpmpp_sde"],
    "guidance": [0.5, 3.0, 7.5],
}


def part(images):
    return {name: values[images] for name, values in BATCHES.items()}


@pytest.mark.parametrize("one_graph", [False, True])
def test_batches_are_calls_of_their_own(model, one_graph):
    """Bit for bit, the last batch being smaller; and as all at once, but for the order of sums."""
    found = latents(model, batch=2, one_graph=one_graph, **part(slice(None)))
    for images in (slice(0, 2), slice(2, 3)):
        alone = latents(model, one_graph=one_graph, **part(images))
        assert np.array_equal(found[images], alone)
    assert apart(found, latents(model, **part(slice(None)))) < TOLERANCE


def test_each_batch_is_seen_from_its_first_step_to_its_last(model, capsys):
    seen = []
    found = latents(
        model, ["a", "b", "c"], batch=2, scheduler="ddim", progress=True,
        callback=lambda step, state, info: seen.append((step, state, info)),
    )  # fmt: skip
    assert [step for step, _, _ in seen] == [0, 1, 2] * 2
    assert [state.slots.shape[1] for _, state, _ in seen] == [2] * 3 + [1] * 3
    assert [info.x0.shape[0] for _, _, info in seen] == [2] * 3 + [1] * 3
    assert np.array_equal(seen[2][1].slots.asnumpy()[0], found[:2])
    assert np.array_equal(seen[5][1].slots.asnumpy()[0], found[2:])
    assert "6/6" in capsys.readouterr().err


def test_a_state_goes_on_in_batches(model, capsys):
    states = []
    options = {"seed": [3, 4, 5], "scheduler": "dpmpp_2m", "steps": 4}
    whole = latents(model, list("abc"), callback=lambda *seen: states.append(seen[1]), **options)
    rest = latents(model, list("abc"), start=states[1], batch=2, progress=True, **options)
    assert apart(rest, whole) < TOLERANCE
    assert "8/8" in capsys.readouterr().err


def test_one_generator_serves_batch_after_batch(model):
    def generator():
        return np.random.Generator(np.random.PCG64(4))

    together = generator()
    found = latents(model, list("abc"), seed=together, batch=2, scheduler="euler_a")
    apart_ = generator()
    first = latents(model, list("ab"), seed=apart_, scheduler="euler_a")
    assert np.array_equal(found, np.concatenate([
        first, latents(model, "c", seed=apart_, scheduler="euler_a"),
    ]))  # fmt: skip


def test_a_table_or_a_scheduler_or_a_name_say_the_same(model):
    scheduler = schedulers.from_config(model.scheduler, "euler")
    expected = latents(model, scheduler="euler", steps=6)
    assert np.array_equal(expected, latents(model, scheduler=scheduler, steps=6))
    table = schedulers.table(scheduler, 6)
    assert np.array_equal(expected, latents(model, scheduler=table, steps=None))


def test_a_batch_of_samplers(model):
    """A stacked table: each image its own sampler, equal to its solo run."""
    kinds = [schedulers.from_config(model.scheduler, n) for n in ("ddim", "euler", "dpmpp_2m")]
    tables = [schedulers.table(kind, steps) for kind, steps in zip(kinds, (3, 4, 5), strict=True)]
    options = {"steps": None, "images_per_prompt": 3}
    batch = latents(model, "a", seed=[0, 1, 2], scheduler=schedulers.stack(tables), **options)
    for i, table in enumerate(tables):
        solo = latents(model, "a", seed=i, scheduler=table, steps=None)
        assert apart(batch[i], solo[0]) < TOLERANCE


def generators(count):
    return [np.random.Generator(np.random.PCG64(seed)) for seed in range(count)]


def test_a_batch_of_every_sampler_with_guidance_and_seed_each(model):
    """All samplers of the checkpoint at once: each image is its solo run, of unequal length.

    The noise that an image drew is bitwise that of its solo run: its generator stands where it
    stood there, which also says that samplers without noise draw none.
    """
    names = samplers(model)
    count = len(names)
    scales = [(7.5, 1.0, 0.5, 3.0)[i % 4] for i in range(count)]
    tables = [schedulers.table(schedulers.from_config(model.scheduler, n), 4) for n in names]
    assert len({table.rows for table in tables}) > 1
    assert len({table.stochastic for table in tables}) == 2
    together, alone = generators(count), generators(count)
    batch = latents(
        model,
        "a",
        scheduler=names,
        guidance=scales,
        seed=together,
        images_per_prompt=count,
        steps=4,
    )
    for i, name in enumerate(names):
        solo = latents(model, "a", scheduler=name, guidance=scales[i], seed=[alone[i]], steps=4)
        assert apart(batch[i], solo[0]) < TOLERANCE, name
        assert together[i].bit_generator.state == alone[i].bit_generator.state, name


def test_names_schedulers_and_tables_in_one_list(model):
    """Only those without rows of their own take the number of steps."""
    scheduler = schedulers.from_config(model.scheduler, "euler")
    chosen = ["ddim", scheduler, schedulers.table(scheduler, 2)]
    batch = latents(model, "a", scheduler=chosen, steps=4, images_per_prompt=3)
    for i, one in enumerate(chosen):
        solo = latents(model, "a", scheduler=one, seed=i, steps=None if i == 2 else 4)
        assert apart(batch[i], solo[0]) < TOLERANCE


def test_one_for_all_is_a_list_of_equals(model):
    """Bitwise: the graph is the same, and so are its inputs."""
    options = {"prompt": ["a", "b"], "seed": [3, 4]}
    one = latents(model, scheduler="ddim", guidance=3.0, **options)
    each = latents(model, scheduler=["ddim"] * 2, guidance=[3.0, 3.0], **options)
    assert np.array_equal(one, each)


def test_one_graph_is_the_loop_bit_for_bit(model):
    """Every sampler, with one compile for all of them and for any number of steps."""
    names = samplers(model)
    expected = [latents(model, scheduler=name, steps=5) for name in names]
    short = latents(model, steps=2)
    one_graph._runner.cache_clear()  # another test may have compiled the graph
    with counted() as compiles:
        found = [latents(model, scheduler=name, steps=5, one_graph=True) for name in names]
        assert np.array_equal(latents(model, steps=2, one_graph=True), short)
    for name, got, loop in zip(names, found, expected, strict=True):
        assert np.array_equal(got, loop), name
    assert compiles.count == 1


def test_one_graph_of_a_mixed_batch(model):
    """A sampler, guidance and seed each; without guidance, and beyond the rows of one graph."""
    names = ["ddim", "euler_a", "heun"]
    options = {"images_per_prompt": 3, "scheduler": names, "guidance": [1.0, 7.5, 2.0]}
    batch = latents(model, one_graph=True, **options)
    assert np.array_equal(batch, latents(model, **options))
    plain = {"guidance": 1, "scheduler": "ddpm", "steps": one_graph.ROWS + 1}
    assert np.array_equal(latents(model, one_graph=True, **plain), latents(model, **plain))


def test_one_graph_shows_nothing(model, capsys):
    mdx.generate(model, "a", one_graph=True, steps=2, seed=0)
    assert capsys.readouterr().err == ""


def test_two_threads_get_what_each_gets_alone(model):
    runs = [{"prompt": "a", "seed": 1}, {"prompt": "b c", "seed": 2, "scheduler": "euler"}]
    alone = [latents(model, steps=6, **run) for run in runs]
    found = [[None] * 3, [None] * 3]

    def work(i):
        for turn in range(3):
            found[i][turn] = latents(model, steps=6, **runs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        for got in found[i]:
            assert got is not None, "the thread failed"
            assert np.array_equal(got, alone[i])


def test_two_threads_may_compile_at_once(tiny_checkpoint, model):
    """A size that no other test uses, so that both threads come to an absent graph."""
    found = [None, None]

    def work(i):
        found[i] = latents(model, seed=i, steps=2, height=12, width=28)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        assert np.array_equal(found[i], latents(model, seed=i, steps=2, height=12, width=28))


def test_float16_is_near_float32(tiny_checkpoint, model):
    half = mdx.load(tiny_checkpoint, dtype="float16")
    size = {name: sum(p.nbytes for p in m.unet.params.values()) for name, m in
            (("half", half), ("full", model))}  # fmt: skip
    assert size["half"] * 2 == size["full"]
    options = {"steps": 10, "seed": 0, "output": "np", "progress": False}
    got = mdx.generate(half, "a red circle", **options)
    expected = mdx.generate(model, "a red circle", **options)
    assert np.isfinite(got).all()
    assert psnr(got, expected) > 35


def test_bfloat16_computes_as_float32_does_from_the_rounded_weights(tiny_checkpoint, model):
    """The same bits, stage by stage too: widening is exact, and all else is float32."""
    brain = mdx.load(tiny_checkpoint, dtype="bfloat16")
    assert [2 * p.nbytes for p in brain.unet.params.values()] == [
        p.nbytes for p in model.unet.params.values()
    ]
    # At the size of test_memory.py's pictures: the graphs of float32 are made once for both.
    options = {"steps": 3, "seed": 0, "output": "np", "progress": False, "height": 18, "width": 12}
    options["memory"] = mdx.Memory(weights="stage")
    found = mdx.generate(brain, "a red circle", **options)
    assert np.array_equal(found, mdx.generate(rounded(model), "a red circle", **options))
    assert psnr(found, mdx.generate(model, "a red circle", **options)) > 35


def test_overflow_is_an_error(model):
    params = dict(model.unet.params)
    params["conv_out.weight"] = Tensor(params["conv_out.weight"].asnumpy() * np.float32(1e38))
    spoilt = model._replace(unet=model.unet._replace(params=mindspore.mutable(params)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(FloatingPointError, match="NaN or infinity"):
            latents(spoilt)


@pytest.mark.parametrize("part", ["text_encoder", "unet", "vae"])
def test_weights_that_are_not_finite_are_named(model, part):
    """Those that loading did not look at, when their picture is none."""
    net = getattr(model, part)
    name = {
        "text_encoder": "text_model.encoder.layers.0.mlp.fc1.weight",
        "unet": "conv_out.weight",
        "vae": "decoder.conv_out.weight",
    }[part]
    params = dict(net.params)
    spoilt = params[name].asnumpy().copy()
    spoilt.reshape(-1)[spoilt.size // 2] = np.nan
    params[name] = Tensor(spoilt)
    spoilt = model._replace(**{part: net._replace(params=mindspore.mutable(params))})
    steps = []
    with pytest.raises(FloatingPointError, match=f"weights hold NaN or infinity: {name};"):
        mdx.generate(
            spoilt, "a red circle", steps=2, seed=0, progress=False,
            callback=lambda *told: steps.append(told),
        )  # fmt: skip
    assert bool(steps) == (part == "vae")


def test_the_model_is_left_as_it_was(model):
    before = {k: v.asnumpy().copy() for k, v in model.unet.params.items()}
    latents(model)
    assert all(np.array_equal(v.asnumpy(), before[k]) for k, v in model.unet.params.items())
