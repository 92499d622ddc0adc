"""Arguments of the public functions: what is accepted, and what is refused before any work."""

import re
import time
from contextlib import nullcontext, suppress

import mindspore
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from PIL import Image

import mdx
from mdx import inpainting, latents, request, schedulers, step_noise
from mdx.sampling import staged
from tests.anything import ANYTHING, refused
from tests.generating import samplers

FUZZ = settings(
    deadline=5000, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
DEFAULTS = {
    "prompt": "a", "negative_prompt": None, "scheduler": None, "steps": 2, "guidance": 7.5,
    "seed": 0, "height": None, "width": None, "images_per_prompt": 1, "sizes": None,
    "prompt_syntax": "plain", "clip_skip": None,
    "image": None, "strength": None, "mask": None, "inpaint": None, "lora": None,
    "lora_scale": None,
    "start": None, "step_noise": None, "output": "pil", "progress": None, "callback": None,
    "after": None, "one_graph": False, "memory": None, "batch": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine of 64 MB, so that no test asks for many images in vain."""
    small = {"SC_PHYS_PAGES": 2**14, "SC_PAGE_SIZE": 2**12}
    monkeypatch.setattr("mdx.checks.os.sysconf", small.__getitem__)


def run(model, **arguments):
    """What a call of generate() comes to."""
    return request.checked(request.Arguments(model, **DEFAULTS | arguments))


def asked(model, **arguments):
    """The Requests of a call of generate()."""
    return run(model, **arguments).requests


@pytest.mark.parametrize("name", DEFAULTS)
@given(value=ANYTHING)
@FUZZ
def test_generate_refuses_by_name(model, name, value):
    if name in ("image", "mask") and isinstance(value, str):  # which is a file's name
        with pytest.raises(OSError, match=name):
            asked(model, **{"image": np.zeros((8, 8, 3)), name: value})
    elif not refused(name, lambda: asked(model, **{name: value})):
        assert all(isinstance(one, request.Request) for one in asked(model, **{name: value}))


@given(value=ANYTHING)
@example(value=mdx.Memory())
@FUZZ
def test_what_is_no_model_is_refused(model, value):
    assert refused("model", lambda: asked(value))
    assert refused("model", lambda: latents.encode(value, np.zeros((1, 8, 8, 3))))
    assert refused("model", lambda: latents.decode(value, np.zeros((1, 4, 8, 8))))
    assert refused("model", lambda: mdx.plan(value, 8, 8, 1))


@pytest.mark.parametrize("part", ["tokenizer", "text_encoder", "unet", "vae", "scheduler"])
@given(value=ANYTHING)
@FUZZ
def test_what_is_no_part_of_a_model_is_refused(model, part, value):
    if not isinstance(value, schedulers.Scheduler):
        assert refused(f"model.{part}", lambda: asked(model._replace(**{part: value})))


def test_the_wrong_part_is_refused(model):
    """Another net's place, or the whole model for one of its nets."""
    for part, value in (("vae", model), ("vae", model.unet), ("unet", model.text_encoder)):
        assert refused(f"model.{part}", lambda p=part, v=value: asked(model._replace(**{p: v})))


@pytest.mark.parametrize(
    "name",
    ["height", "width", "batch", "dtype", "budget", "memory", "guided", "one_graph", "pictures",
     "beside"],
)  # fmt: skip
@given(value=ANYTHING)
@FUZZ
def test_plan_refuses_by_name(model, name, value):
    arguments = {"height": 8, "width": 8, "batch": 1, name: value}
    if not refused(name, lambda: mdx.plan(model, **arguments)):
        assert mdx.plan(model, **arguments).peak > 0


@pytest.mark.parametrize("name", ["latents", "output", "memory"])
@given(value=ANYTHING)
@FUZZ
def test_decode_refuses_by_name(model, name, value):
    arguments = {"latents": np.zeros((1, 4, 8, 8)), name: value}

    def blank(net, latents, memory):
        return np.zeros((1, 3, 16, 16), np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latents, "_decoded", blank)
        if not refused(name, lambda: mdx.decode(model, **arguments)):
            assert len(mdx.decode(model, **arguments)) == 1


@given(value=ANYTHING)
@FUZZ
def test_encode_refuses_by_name(model, value):
    """Sides of 8 pixels are what `encode` takes: only pictures come that far."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latents, "_encoder", lambda config: lambda params, pixels: pixels)
        if not refused("images", lambda: mdx.encode(model, value)):
            assert mdx.encode(model, value).shape[1:] == (3, 8, 8)


@pytest.mark.parametrize("name", ["latents", "keep", "seed"])
@given(value=ANYTHING)
@FUZZ
def test_known_refuses_by_name(name, value):
    arguments = {"latents": np.zeros((1, 4, 8, 8)), "keep": 1, name: value}
    refused(name, lambda: inpainting.keep_known(**arguments))


@pytest.mark.parametrize("name", ["images", "rows", "cols"])
@given(value=ANYTHING)
@FUZZ
def test_grid_refuses_by_name(name, value):
    arguments = {"images": [Image.new("L", (8, 8))], "rows": 1, "cols": 1, name: value}
    if not refused(name, lambda: mdx.grid(**arguments), "grid"):
        assert mdx.grid(**arguments).size == (8, 8)


@pytest.mark.parametrize("name", ["keep", "factor"])
@given(value=ANYTHING)
@FUZZ
def test_shrunk_refuses_by_name(name, value):
    refused(
        name,
        lambda: inpainting.downsample_mask(**{"keep": np.ones((8, 8)), "factor": 2, name: value}),
    )


@pytest.mark.parametrize("name", ["source", "dtype", "variant", "revision", "offline"])
@given(value=ANYTHING)
@FUZZ
def test_load_refuses_by_name(tiny_checkpoint, name, value):
    """A text may be a name of anything, which is then not there."""
    for load in (mdx.load, mdx.load_vae):
        arguments = {"source": tiny_checkpoint, "offline": True, name: value}
        with suppress(OSError) if isinstance(value, str) else nullcontext():
            refused(name, lambda load=load, arguments=arguments: load(**arguments))


# Sizes of 2**63 bytes and more, each in less than a second and before anything is made.
HUGE = {
    "images_per_prompt": {"images_per_prompt": 2**62},
    "height": {"height": 2**62},
    "width": {"width": 2**40},
    "height and width": {"height": 2**24, "width": 2**24},
    "prompt": {"prompt": ["a"] * 1000, "images_per_prompt": 2**40},
    "one batch of them": {"images_per_prompt": 2**40, "batch": 1},
}


@pytest.mark.parametrize("arguments", HUGE.values(), ids=HUGE.keys())
def test_more_than_the_machine_holds_is_refused_at_once(model, arguments):
    begin = time.perf_counter()
    with pytest.raises(
        MemoryError, match=r"images_per_prompt, height and width .*ask for .* bytes"
    ):
        asked(model, **arguments)
    assert time.perf_counter() - begin < 1


def test_numbers_that_are_none_of_float32_are_refused(model):
    for scale in (
        10**400,
        -(10**400),
        1e39,
        np.float64("nan"),
        float("-inf"),
        np.longdouble("1e4000"),
    ):
        with pytest.raises(ValueError, match="guidance must be a finite number"):
            asked(model, guidance=scale)
    assert asked(model, guidance=3e38)[0].guidance.tolist() == [np.float32(3e38)]
    for number in (np.array(5.0), np.float16(5), np.array(5)):
        assert asked(model, guidance=number)[0].guidance.tolist() == [5]


MISSPELT = {
    "scheduler": (lambda m: asked(m, scheduler="eular"), "'euler'"),
    "a scheduler's option": (
        lambda m: schedulers.from_config(m.scheduler, "euler", use_karas_sigmas=True),
        "'use_karras_sigmas'",
    ),
    "output": (lambda m: asked(m, output="latents"), "'latent'"),
    "step_noise": (lambda m: asked(m, step_noise="brownien"), "'brownian'"),
    "weights": (lambda m: asked(m, memory=mdx.Memory(weights="stages")), "'stage'"),
    "dtype": (lambda m: mdx.load(dtype="flaot32"), "'float32'"),
    "dtype of a plan": (lambda m: mdx.plan(m, 8, 8, 1, dtype="flot16"), "'float16'"),
}


@pytest.mark.parametrize(("act", "meant"), MISSPELT.values(), ids=MISSPELT.keys())
def test_the_name_that_was_meant_is_asked_for(model, act, meant):
    with pytest.raises(ValueError, match=re.escape(f"; did you mean {meant}?")):
        act(model)


def test_whole_numbers_of_numpy_are_whole_numbers(model):
    """Wherever one is taken: the request is the same as with those of Python."""
    plain = {"steps": 3, "height": 24, "width": 16, "images_per_prompt": 3, "batch": 2}
    plain |= {"seed": 7, "memory": 10**10, "guidance": 3}
    of_numpy = {name: np.int64(value) for name, value in plain.items()}
    for one, other in zip(asked(model, **plain), asked(model, **of_numpy), strict=True):
        assert repr(one) == repr(other)
        assert one.table == other.table


def test_seeds_in_an_array_are_a_list(model):
    [listed] = asked(model, images_per_prompt=3, seed=[5, 0, 2**40])
    for seeds in (np.array([5, 0, 2**40]), [np.int64(5), np.uint8(0), 2**40]):
        assert asked(model, images_per_prompt=3, seed=seeds)[0].seeds == listed.seeds
    after = inpainting.keep_known(np.zeros((1, 4, 8, 8)), 1, seed=np.int64(3))
    table = schedulers.table(model.scheduler, 2)
    state = schedulers.init(table, np.zeros((2, 4, 8, 8)))
    expected = inpainting.keep_known(np.zeros((1, 4, 8, 8)), 1, seed=[3, 4])(table, state)
    assert np.array_equal(after(table, state).slots.asnumpy(), expected.slots.asnumpy())


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_dtypes_of_mindspore_name_those_of_weights(tiny_checkpoint, model, name):
    dtype = getattr(mindspore, name)
    assert next(iter(mdx.load(tiny_checkpoint, dtype=dtype).unet.params.values())).dtype == dtype
    assert next(iter(mdx.load_vae(tiny_checkpoint, dtype=dtype).params.values())).dtype == dtype
    assert mdx.plan(model, 8, 8, 1, dtype) == mdx.plan(model, 8, 8, 1, name)
    with pytest.raises(ValueError, match=r"one of float32, float16, bfloat16, not 'int8'"):
        mdx.load(tiny_checkpoint, dtype=mindspore.int8)


def test_seeds_are_those_of_numpy():
    """default_rng is Generator(PCG64), as the docs say."""
    for seed in (0, 7, 2**70):
        state = np.random.Generator(np.random.PCG64(seed)).bit_generator.state
        assert request.generator(seed).bit_generator.state == state
    own = np.random.default_rng(3)
    assert request.generator(own) is own


def test_batches_part_everything_alike(model):
    """Five images, two at a time: the requests are those of the parts."""
    names = ["ddim", "euler", "heun", "dpmpp_2m", "euler_a"]
    start = np.random.default_rng(0).normal(size=(5, 4, 8, 8)).astype(np.float32)
    common = {"scheduler": names, "guidance": [1.0, 2.0, 0.5, 0.25, 3.0], "seed": 4}
    prompts, negative = list("abcde"), list("vwxyz")
    found = asked(model, prompt=prompts, negative_prompt=negative, start=start, batch=2, **common)
    assert [len(one.prompts) for one in found] == [2, 2, 1]
    whole = max(
        schedulers.table(schedulers.from_config(model.scheduler, n), 2).slots for n in names
    )
    for i, one in enumerate(found):
        part = slice(2 * i, 2 * i + 2)
        [alone] = asked(
            model,
            prompt=prompts[part],
            negative_prompt=negative[part],
            start=start[part],
            scheduler=names[part],
            guidance=common["guidance"][part],
            seed=[4 + j for j in range(5)[part]],
        )
        assert one.table.slots == max(whole, request.SLOTS)
        assert one.table == schedulers.pad(alone.table, one.table.slots)
        assert np.array_equal(one.start.slots.asnumpy()[0], start[part])
        assert all(
            getattr(one, name) == getattr(alone, name) for name in ("seeds", "shape", "kinds")
        )
        assert one.prompts == list(range(5)[part])
        assert np.array_equal(one.guidance, alone.guidance)


def test_a_stacked_table_is_parted_by_images(model):
    tables = [
        schedulers.table(schedulers.from_config(model.scheduler, name), 3)
        for name in ("ddim", "dpmpp_2m", "euler_a")
    ]
    found = asked(
        model, scheduler=schedulers.stack(tables), steps=None, images_per_prompt=3, batch=1
    )
    for one, table in zip(found, tables, strict=True):
        own = schedulers.pad(schedulers.stack([table]), one.table.slots)
        assert one.table.batch_size == 1
        assert np.array_equal(one.table.mix[: table.rows], own.mix)
        assert np.array_equal(one.table.init_noise_scale, own.init_noise_scale)


def test_a_batch_as_large_as_all_is_one(model):
    for size in (None, 3, 4, 2**40):
        [one] = asked(model, images_per_prompt=3, batch=size)
        assert len(one.prompts) == 3


def test_a_state_is_parted_with_its_row(model):
    slots = np.random.default_rng(0).normal(size=(2, 3, 4, 8, 8)).astype(np.float32)
    state = schedulers.State(mindspore.Tensor(slots), 1)
    found = asked(model, images_per_prompt=3, batch=2, start=state)
    assert [one.start.index for one in found] == [1, 1]
    got = np.concatenate([one.start.slots.asnumpy()[:2] for one in found], axis=1)
    assert np.array_equal(got, slots)


def reading(model, prediction, name="ddim"):
    """A sampler for models of another prediction type, with the model's levels."""
    return schedulers.from_config(model.scheduler, name, prediction_type=prediction)


@pytest.mark.parametrize("prediction", ["v_prediction", "sample"])
def test_a_sampler_for_another_prediction_is_refused(model, prediction):
    """The model predicts epsilon: what else is made of its answer looks like a picture, only."""
    scheduler = reading(model, prediction)
    table = schedulers.table(scheduler, 2)
    error = rf"scheduler is for a model that returns '{prediction}', and the .* returns 'epsilon'"
    for wrong in (scheduler, [scheduler, "ddim"], ["ddim", scheduler]):
        with pytest.raises(ValueError, match=error):
            asked(
                model,
                scheduler=wrong,
                images_per_prompt=len(wrong) if isinstance(wrong, list) else 1,
            )
    for wrong in (table, schedulers.stack([table]), schedulers.pad(table, 7)):
        with pytest.raises(ValueError, match=error):
            asked(model, scheduler=wrong, steps=None)
    # What says nothing is taken at its word, and a checkpoint's own config can be put right.
    unasked = table._replace(prediction=None)
    assert asked(model, scheduler=unasked, steps=None)[0].table.prediction is None
    other = model._replace(scheduler=scheduler)
    assert asked(other, scheduler=table, steps=None)[0].table.prediction == prediction
    with pytest.raises(ValueError, match="returns 'epsilon'"):
        asked(other, scheduler=schedulers.from_config(model.scheduler, "euler"))


def test_a_table_that_makes_no_run_is_refused(model):
    """Put together by hand, so that nobody has looked at it."""
    table = schedulers.table(model.scheduler, 2)
    wrong = table._replace(mix=table.mix * 2)
    with pytest.raises(ValueError, match=r"Table that makes no run: .* row 0 misses"):
        asked(model, scheduler=wrong, steps=None)


def test_samplers_that_read_what_the_model_returns_are_accepted(model):
    names = samplers(model)
    assert set(schedulers.compatibles(model.scheduler)) - set(names) == {"EDMEulerScheduler"}
    for name in names:
        built = schedulers.table(schedulers.from_config(model.scheduler, name), 4)
        assert asked(model, scheduler=name)[0].table.prediction == "epsilon"
        assert asked(model, scheduler=built, steps=None)[0].table.prediction == "epsilon"
    with pytest.raises(ValueError, match="for a model that returns 'preconditioned epsilon'"):
        asked(model, scheduler="edm_euler")


def test_after_is_for_one_batch(model):
    def after(table, state):
        return state

    assert len(asked(model, images_per_prompt=2, batch=2, after=after)) == 1
    with pytest.raises(ValueError, match=r"after sees one batch at a time.*: leave out batch"):
        asked(model, images_per_prompt=2, batch=1, after=after)


def test_guidance_moves_away_from_the_first_half():
    """Arithmetic of equation 6 in arXiv 2207.12598, an image a scale."""
    rng = np.random.default_rng(0)
    halves = rng.normal(size=(2, 2, 4, 8, 8)).astype(np.float32)
    scale = np.float32([1.0, 7.5])
    both = mindspore.Tensor(np.concatenate(halves))
    got = staged.combined(both, mindspore.Tensor(scale)).asnumpy()
    away, towards = halves.astype(np.float64)
    expected = away + scale[:, None, None, None].astype(np.float64) * (towards - away)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    x, t = staged.doubled(mindspore.Tensor(halves[0]), mindspore.Tensor(scale))
    assert np.array_equal(x.asnumpy(), np.concatenate([halves[0]] * 2))
    assert t.asnumpy().tolist() == [1.0, 7.5, 1.0, 7.5]


@pytest.mark.parametrize(("name", "kind"), [("dpmpp_sde", "brownian"), ("ddpm", "independent")])
def test_samplers_have_the_noise_they_were_made_for(model, name, kind):
    assert asked(model, scheduler=name)[0].kinds == [kind]
    both = asked(model, images_per_prompt=2, scheduler=[name, "ddim"])[0]
    assert both.kinds == [kind, "independent"]
    assert (
        asked(model, images_per_prompt=2, scheduler=name, step_noise="brownian")[0].kinds
        == ["brownian"] * 2
    )


def test_a_path_has_the_variance_of_each_row(model):
    """Its increments are unit noise; fresh noise is what the generator gives."""
    table = schedulers.table(schedulers.from_config(model.scheduler, "euler_a"), 4)

    def drawn(kind, seed=0):
        generators = [np.random.default_rng(seed), np.random.default_rng(seed + 1)]
        rows = step_noise.rows(table, generators, (4, 32, 32), [kind] * 2)
        return [row for row in rows if row is not None]

    for row in drawn("brownian"):
        assert row.shape == (2, 4, 32, 32)
        assert abs(row.std() - 1) < 0.05
    fresh = np.random.default_rng(0)
    for row in drawn("independent"):
        assert np.array_equal(row[0], fresh.standard_normal((4, 32, 32)))
    assert np.array_equal(drawn("brownian", 1)[0][0], drawn("brownian", 0)[0][1])


@pytest.mark.parametrize("carry", [3, np.zeros(2), "x"])
def test_what_a_start_carries_is_looked_at(model, carry):
    state = schedulers.State(mindspore.Tensor(np.zeros((1, 1, 4, 8, 8), np.float32)), 0, carry)
    with pytest.raises(TypeError, match="the carry of start must be a dict of arrays"):
        asked(model, start=state)
