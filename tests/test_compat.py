"""Scripts of other libraries' pipelines: what their calls ask of mdx, and what they draw."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from mindspore import Tensor, bfloat16, float16
from PIL import Image

import mdx
from mdx import compat, schedulers
from mdx.compat import utils
from mdx.compat.calls import Call
from mdx.compat.scheduler import Sampler, classes
from mdx.schedulers.samplers import SAMPLERS
from tests import lora_files, repositories
from tests.repositories_xl import LEAST

OPTIONS = {"steps": 3, "progress": False}


def generator(seed):
    return np.random.Generator(np.random.PCG64(seed))


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


@pytest.fixture
def pipe(model):
    found = compat.StableDiffusionPipeline.of(model)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.fixture(scope="module")
def xl_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xl")
    repositories.write(folder, LEAST)
    return mdx.load(folder)


@pytest.fixture
def asked(monkeypatch):
    """What generate is asked, as it would be: nothing is drawn."""
    seen = []

    def generate(model, prompt, **options):
        seen.append({"model": model, "prompt": prompt, **options})
        return [Image.new("RGB", (16, 16))]

    monkeypatch.setattr(mdx, "generate", generate, raising=False)
    return seen


def same(images, expected):
    assert len(images) == len(expected)
    for image, other in zip(images, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(image), np.asarray(other))


# What is drawn.


def test_pictures_are_those_of_generate(tiny_checkpoint, model):
    pipe = compat.DiffusionPipeline.from_pretrained(str(tiny_checkpoint), use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    assert type(pipe) is compat.StableDiffusionPipeline
    result = pipe("a red circle", generator=generator(0), num_inference_steps=3)
    expected = mdx.generate(model, "a red circle", seed=0, **OPTIONS)
    same(result[0], expected)
    same(result.images, expected)
    pipe.scheduler = compat.DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    images, unsafe = pipe(
        ["a", "b"], num_inference_steps=3, generator=[generator(3), generator(4)], return_dict=False
    )
    same(images, mdx.generate(model, ["a", "b"], scheduler="dpmpp_2m", seed=[3, 4], **OPTIONS))
    assert unsafe is None


def test_one_generator_goes_on(pipe, model):
    """As in mindone: it is not at its beginning for the second call."""
    one = generator(1)
    first = pipe("a", generator=one, num_inference_steps=3).images
    second = pipe("a", generator=one, num_inference_steps=3).images
    other = generator(1)
    same(first, mdx.generate(model, "a", seed=other, **OPTIONS))
    same(second, mdx.generate(model, "a", seed=other, **OPTIONS))


def latents(pipe, prompt="a", **named):
    named = {"num_inference_steps": 3, "generator": generator(3), **named}
    return pipe(prompt, output_type="latent", **named).images.asnumpy()


def of_generate(model, prompt="a", **options):
    return mdx.generate(model, prompt, **{"seed": 3, "output": "latent", **OPTIONS, **options})


def test_noise_and_embeddings_that_are_given(pipe, model):
    pipe.scheduler = compat.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    expected = of_generate(model, scheduler="euler")
    noise = Tensor(np.float32(generator(3).standard_normal((1, 4, 8, 8))))
    np.testing.assert_array_equal(latents(pipe, latents=noise, generator=None), expected)
    positive, negative = pipe.encode_prompt("a", 1, True)
    given = {"prompt_embeds": positive, "negative_prompt_embeds": negative}
    np.testing.assert_array_equal(latents(pipe, None, **given), expected)
    assert pipe.encode_prompt("a", do_classifier_free_guidance=False)[1] is None


def test_callbacks_see_a_run_and_leave_it(pipe, model):
    seen, former = [], []

    def watch(pipe, step, time, given):
        seen.append((step, time.item(), pipe.num_timesteps, pipe.guidance_scale, *given))
        return given

    def old(step, time, latents):
        former.append((step, latents.asnumpy()))

    got = latents(pipe, callback_on_step_end=watch, callback=old, callback_steps=2)
    np.testing.assert_array_equal(got, of_generate(model))
    table = schedulers.table(model.scheduler, 3)
    rows = enumerate(table.t)
    assert seen == [(row, int(time), table.rows, 7.5, "latents") for row, time in rows]
    assert [step for step, _ in former] == [0, 2]
    np.testing.assert_array_equal(former[-1][1].shape, got.shape)


def test_a_callback_that_ends_guidance(pipe, model):
    def end(pipe, step, time, given):
        if step == 0:
            given["prompt_embeds"] = given["prompt_embeds"].chunk(2)[-1]
            pipe._guidance_scale = 0.0
        return given

    names = ["prompt_embeds", "latents", "negative_prompt_embeds"]
    pipe.scheduler = compat.DDIMScheduler.from_config(pipe.scheduler.config)
    got = latents(
        pipe, callback_on_step_end=end, callback_on_step_end_tensor_inputs=names
    )  # fmt: skip
    guidance = mdx.guidance.interval(7.5, 0, 1 / 3)
    np.testing.assert_array_equal(got, of_generate(model, scheduler="ddim", guidance=guidance))


def test_a_callback_that_stops(pipe, model):
    pipe.scheduler = compat.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    states = []

    def stop(pipe, step, time, given):
        pipe._interrupt = step == 1
        return given

    got = latents(pipe, callback_on_step_end=stop)
    of_generate(model, scheduler="euler", callback=lambda i, state, info: states.append(state))
    table = schedulers.table(schedulers.from_config(model.scheduler, "euler"), 3)
    expected = states[1].slots.asnumpy()[0] * np.float32(1 / table.alpha[2])
    np.testing.assert_array_equal(got, expected)
    assert pipe.interrupt


def test_latents_that_a_callback_gives_back(pipe, model):
    """They are in the coordinates of scripts, x / alpha of Euler, and the run goes on with them."""
    pipe.scheduler = compat.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    euler = schedulers.from_config(model.scheduler, "euler")
    fixed = np.float32(generator(9).standard_normal((1, 4, 8, 8)))

    def put(pipe, step, time, given):
        return {"latents": Tensor(fixed)} if step == 1 else given

    table = schedulers.table(euler, 3)
    rest = schedulers.take(table, slice(2, None))
    start = fixed / np.float32(1 / table.alpha[2])
    expected = of_generate(model, scheduler=rest, steps=None, start=start)
    np.testing.assert_allclose(latents(pipe, callback_on_step_end=put), expected, atol=1e-5)


CHANGES = {
    "nothing": (lambda given: None, TypeError, "must return the dict"),
    "another name": (lambda given: {"x": 1}, ValueError, "'x', which it was not given"),
    "shape": (lambda given: {"latents": Tensor(np.ones((1, 4, 2, 2), np.float32))}, ValueError,
              "latents of shape"),
    "prompts": (lambda given: {"prompt_embeds": given["prompt_embeds"] * 2}, ValueError,
                "changed prompt_embeds.*mdx.guidance.turns"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_callback_may_not_give_back(pipe, name):
    change, error, words = CHANGES[name]
    names = ["latents", "prompt_embeds"]
    with pytest.raises(error, match=words):
        latents(
            pipe, callback_on_step_end=lambda *told: change(told[-1]),
            callback_on_step_end_tensor_inputs=names,
        )  # fmt: skip


PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
MASK = Image.fromarray(np.uint8(np.kron([[255, 0], [200, 100]], np.ones((8, 8)))))
HARD = MASK.point(lambda value: 255 * (value > 127))


def test_pictures_of_pictures(model):
    pipe = compat.StableDiffusionImg2ImgPipeline.of(model)
    expected = mdx.generate(model, "a", image=PICTURE, strength=0.8, seed=1, **OPTIONS)
    pixels = np.float32(np.asarray(PICTURE) / 255)
    forms = [
        PICTURE,
        pixels[None],
        Tensor(pixels.transpose(2, 0, 1)[None]),
        mdx.encode(model, PICTURE),
    ]
    for image in forms:
        got = pipe("a", image, num_inference_steps=3, generator=generator(1)).images
        same(got, expected)
    inpainting = compat.AutoPipelineForInpainting.from_pipe(pipe)
    assert type(inpainting) is compat.StableDiffusionInpaintPipeline
    got = inpainting(
        "a", image=PICTURE, mask_image=MASK, num_inference_steps=3, generator=generator(1)
    ).images
    inpaint = mdx.Inpaint(method="steps")
    same(
        got, mdx.generate(model, "a", image=PICTURE, mask=HARD, inpaint=inpaint, seed=1, **OPTIONS)
    )


def test_loras(pipe, model, tmp_path):
    shape = (16, 16)
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    layer = {f"{name}.{k}": v for k, v in peft(shape).items()}
    files = []
    for i in (1, 2):
        from safetensors.numpy import save_file

        files.append(tmp_path / f"{i}.safetensors")
        save_file({k: np.float32(v * i) for k, v in layer.items()}, files[-1])
    first, second = (mdx.lora.load(file) for file in files)

    def weights(model):
        return model.unet.params[name.removeprefix("unet.") + ".weight"].asnumpy()

    def are(expected):
        np.testing.assert_array_equal(weights(pipe.model), weights(expected))

    pipe.load_lora_weights(tmp_path, weight_name="1.safetensors", adapter_name="one")
    are(mdx.lora.merge(model, first))
    assert pipe.model.unet is pipe.model.unet  # merged once
    assert pipe._model(0.5) is not pipe.model
    pipe.load_lora_weights(files[1], adapter_name="two")
    with pytest.raises(ValueError, match="several adapters are loaded, one, two"):
        pipe.model  # noqa: B018
    pipe.set_adapters(["one", "two"], adapter_weights=[0.5, 2])
    are(mdx.lora.merge(model, [(first, 0.5), (second, 2.0)]))
    pipe.disable_lora()
    are(model)
    pipe.enable_lora()
    pipe.delete_adapters("two")
    are(mdx.lora.merge(model, first, 0.5))
    pipe.fuse_lora(lora_scale=0.5)
    pipe.unload_lora_weights()
    are(mdx.lora.merge(model, first, 0.25))
    pipe.unfuse_lora()
    are(model)
    with pytest.raises(ValueError, match="'three' is none of those that were loaded"):
        pipe.set_adapters("three")


def test_words_that_are_taught(pipe, model, tmp_path):
    from safetensors.numpy import save_file

    rows = np.float32(np.random.default_rng(0).standard_normal((2, 16)))
    save_file({"emb_params": rows}, tmp_path / "dog.safetensors")
    pipe.load_textual_inversion(str(tmp_path), weight_name="dog.safetensors", token="<dog>")
    taught = mdx.textual_inversion.add(model, tmp_path / "dog.safetensors", "<dog>")
    got = mdx.encode_prompt(pipe.model, "a <dog>")
    assert got == mdx.encode_prompt(taught, "a <dog>") != mdx.encode_prompt(model, "a <dog>")
    pipe.unload_textual_inversion()
    assert pipe.model == model


def peft(shape):
    found = lora_files.factors("LoRA", shape)
    return {
        "lora_A.weight": found["lora_down.weight"],
        "lora_B.weight": found["lora_up.weight"],
    }


# What generate is asked.


def test_what_nobody_says_is_what_generate_does(pipe, asked):
    pipe("a")
    [call] = asked
    usual = {
        "prompt": "a", "steps": 50, "guidance": 7.5, "images_per_prompt": 1, "output": "pil",
        "scheduler": pipe.scheduler.value, "progress": False,
    }  # fmt: skip
    assert {name: call.pop(name) for name in usual} == usual
    assert call.pop("model") == pipe.model
    assert set(call.values()) == {None}


def test_words_of_a_call(pipe, asked):
    one = generator(0)
    pipe(
        ["a", "b"], 32, 16, guidance_scale=3.0, negative_prompt=["c", "d"], num_images_per_prompt=2,
        generator=one, num_inference_steps=7, output_type="np", eta=0.0, guidance_rescale=0.0,
        cross_attention_kwargs=None, return_dict=True,
    )  # fmt: skip
    [call] = asked
    told = {
        "prompt": ["a", "b"], "height": 32, "width": 16, "guidance": 3.0, "steps": 7,
        "negative_prompt": ["c", "d"], "images_per_prompt": 2, "seed": one, "output": "np",
    }  # fmt: skip
    assert {name: call[name] for name in told} == told


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        ({"timesteps": [999, 500, 1]}, {"timesteps": [999, 500, 1]}),
        ({"sigmas": [10.0, 2.0, 0.0]}, {"sigmas": [10.0, 2.0, 0.0]}),
    ],
)
def test_levels_of_ones_own(pipe, asked, words, asks):
    pipe("a", **words)
    assert asked[0]["scheduler"] == schedulers.table(pipe.scheduler.value, **asks)
    assert asked[0]["steps"] is None


def test_eta(pipe, asked):
    """The call says it, and its default is 0, of TCD, too, whose own default is another."""
    for cls, eta in ((compat.DDIMScheduler, 0.5), (compat.TCDScheduler, 0.3)):
        pipe.scheduler = cls.from_config(pipe.scheduler.config)
        pipe("a")
        pipe("a", eta=eta)
        assert [call["scheduler"].config["eta"] for call in asked[-2:]] == [0.0, eta]
    pipe.scheduler = compat.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    with pytest.warns(UserWarning, match="eta=0.5 is ignored: EulerDiscreteScheduler"):
        pipe("a", eta=0.5)


def test_words_of_sdxl(xl_model, asked):
    pipe = compat.StableDiffusionXLPipeline.of(xl_model)
    sizes = {"original_size": (70, 80), "crops_coords_top_left": (1, 2), "target_size": (9, 8)}
    pipe("a", **sizes)
    assert asked[-1]["sizes"] == mdx.Sizes((70, 80), (1, 2), (9, 8))
    assert asked[-1]["guidance"] == 5.0
    pipe("a", "b", negative_prompt="c", negative_prompt_2="d", clip_skip=1)
    assert asked[-1]["prompt"] == mdx.encode_prompt(xl_model, "a", second="b", clip_skip=1)
    negative = mdx.encode_prompt(xl_model, "c", negative=True, second="d")
    assert asked[-1]["negative_prompt"] == negative
    embeds = pipe.encode_prompt("a", negative_prompt="c")
    names = ("prompt_embeds", "negative_prompt_embeds")
    names += ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    given = dict(zip(names, embeds, strict=True))
    pipe(**given, original_size=(70, 80))
    told = mdx.Sizes(original=(70, 80))
    assert asked[-1]["prompt"] == mdx.encode_prompt(xl_model, "a", sizes=told)
    with pytest.raises(ValueError, match="prompt_embeds of SDXL go with pooled_prompt_embeds"):
        pipe(prompt_embeds=given["prompt_embeds"])
    with pytest.raises(ValueError, match="prompt_2 has 2 texts, and prompt 1: give as many"):
        pipe("a", ["b", "c"])
    with pytest.raises(ValueError, match="negative_original_size, negative_target_size"):
        pipe("a", negative_original_size=(1, 2))


def test_parts_of_a_run(xl_model, asked):
    pipe = compat.StableDiffusionXLPipeline.of(xl_model)
    pipe("a", num_inference_steps=5, denoising_end=0.6)
    table = schedulers.table(xl_model.scheduler, 5)
    first = asked[-1]["scheduler"]
    assert first == schedulers.take(table, slice(0, 3))
    finer = compat.StableDiffusionXLImg2ImgPipeline.from_pipe(pipe)
    image = Tensor(np.ones((1, 4, 8, 8), np.float32))
    finer("a", image=image, num_inference_steps=5, denoising_start=0.6)
    assert asked[-1]["scheduler"] == schedulers.table(xl_model.scheduler, 5, start=3)
    # Scripts know Euler's latents divided by the signal's factor.
    start = asked[-1]["start"]
    np.testing.assert_allclose(start, np.full_like(start, table.alpha[3]), rtol=1e-6)
    for words in ({"denoising_end": 1.5}, {"denoising_end": 1e-9}):
        with pytest.raises(ValueError, match="denoising_end"):
            pipe("a", **words)


def test_pictures_and_masks_as_scripts_mean_them(model, asked):
    pipe = compat.StableDiffusionInpaintPipeline.of(model)
    large = PICTURE.resize((48, 32))
    pipe("a", large, MASK.resize((48, 32)), num_images_per_prompt=2)
    [call] = asked
    assert (call["height"], call["width"], call["strength"]) == (16, 16, 1.0)
    assert call["image"][0].size == call["mask"][0].size == (16, 16)
    assert set(np.unique(call["mask"][0])) == {0, 255}
    assert call["inpaint"] == mdx.Inpaint(method="steps")
    pipe("a", [PICTURE], MASK, padding_mask_crop=4, strength=0.5)
    assert asked[-1]["inpaint"] == mdx.Inpaint(only_masked=4, method="steps")
    assert asked[-1]["strength"] == 0.5
    begun = compat.AutoPipelineForImage2Image.from_pipe(pipe)
    begun(["a", "b"], [PICTURE, large], num_images_per_prompt=2)
    assert asked[-1]["image"] == [PICTURE, PICTURE, large, large]


def test_switches(pipe):
    assert pipe.memory is None
    pipe.enable_attention_slicing()
    pipe.enable_vae_slicing()
    pipe.enable_xformers_memory_efficient_attention()
    assert pipe.memory is None
    pipe.enable_attention_slicing("max")
    assert pipe.memory.part_bytes < mdx.Memory().part_bytes
    pipe.disable_attention_slicing()
    pipe.enable_vae_tiling()
    assert pipe.memory == mdx.Memory(tile=16)
    pipe.vae.disable_tiling()
    pipe.enable_model_cpu_offload()
    assert pipe.memory == mdx.Memory("net")
    pipe.enable_sequential_cpu_offload()
    assert pipe.memory == mdx.Memory("stage")
    with pytest.raises(ValueError, match="slice_size must be"):
        pipe.enable_attention_slicing("some")


# Parts.


def test_a_class_for_every_sampler():
    assert set(classes()) == {sampler.names[0] for sampler in SAMPLERS}
    for name, cls in classes().items():
        assert getattr(compat, name) is cls


def test_configs_go_from_sampler_to_sampler(model):
    own = compat.PNDMScheduler.from_config(model.scheduler)
    assert own.value == model.scheduler
    words = {"use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++"}
    for config in (own.config, dict(own.config), own):
        made = compat.DPMSolverMultistepScheduler.from_config(config, **words)
        name = "DPMSolverMultistepScheduler"
        assert made.value == schedulers.from_config(model.scheduler, name, **words)
    assert compat.PNDMScheduler.from_config(made.config).value.config == own.value.config
    assert made.config.use_karras_sigmas is made.config["use_karras_sigmas"] is True
    assert compat.DDIMScheduler in own.compatibles
    assert copy.deepcopy(made) == made == pickle.loads(pickle.dumps(made)) != own
    assert '"use_karras_sigmas": true' in repr(made)
    for change in (
        lambda: setattr(made, "x", 1),
        lambda: made.config.update(a=1),
        lambda: setattr(made.config, "a", 1),
        lambda: made.config.pop("a"),
    ):
        with pytest.raises((AttributeError, TypeError), match="from_config"):
            change()


def test_samplers_of_folders(tiny_checkpoint, model):
    made = compat.DDIMScheduler.from_pretrained(tiny_checkpoint, subfolder="scheduler")
    config = tiny_checkpoint / "scheduler"
    assert made.value == schedulers.from_config(config, "DDIMScheduler")
    with pytest.raises(FileNotFoundError, match=r"no folder with a scheduler_config.json"):
        compat.DDIMScheduler.from_pretrained("someone/else", subfolder="scheduler")


def test_what_the_network_predicts_is_not_mistaken(pipe):
    """A scheduler of another prediction is refused, unless a script says that it is so."""
    pipe.scheduler = compat.DDIMScheduler.from_config(
        {**pipe.scheduler.config, "prediction_type": "v_prediction"}
    )
    with pytest.raises(ValueError, match=r"'v_prediction'.*'epsilon'"):
        pipe("a", num_inference_steps=2)
    pipe.scheduler = compat.DDIMScheduler.from_config(
        pipe.scheduler.config, prediction_type="v_prediction"
    )
    assert schedulers.prediction(pipe.model.scheduler) == "v_prediction"


def test_a_sampler_that_a_pipeline_is_made_with(tiny_checkpoint):
    """As diffusers' pipelines of Stable Diffusion change it: no script means what it would do."""
    made = compat.DDIMScheduler(beta_schedule="scaled_linear", prediction_type="v_prediction")
    pipe = compat.DiffusionPipeline.from_pretrained(tiny_checkpoint, scheduler=made)
    config = pipe.scheduler.config
    assert (made.config.clip_sample, config.clip_sample, config.steps_offset) == (True, False, 1)
    assert schedulers.prediction(pipe.model.scheduler) == "v_prediction"


def test_parts_are_exchanged_and_shared(pipe, model, tiny_checkpoint):
    assert pipe.model == model
    vae = compat.AutoencoderKL.from_pretrained(tiny_checkpoint, mindspore_dtype=float16)
    pipe.vae = vae
    assert pipe.vae is vae
    assert pipe.model.vae is vae.value
    other = compat.StableDiffusionImg2ImgPipeline(**pipe.components)
    assert other.unet is pipe.unet
    third = compat.AutoPipelineForText2Image.from_pipe(other, text_encoder=None)
    assert third.model.text_encoder is None
    unet = compat.UNet2DConditionModel.from_pretrained(tiny_checkpoint, subfolder="unet")
    assert unet.config.sample_size == unet.config["sample_size"] == 8
    assert pipe.vae_scale_factor == 2
    assert pipe.tokenizer.model_max_length == 16
    pipe.unet = unet.value
    assert type(pipe.unet) is compat.UNet2DConditionModel


def test_saved_and_loaded(pipe, tmp_path, tiny_checkpoint):
    pipe.scheduler = compat.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.save_pretrained(tmp_path / "saved")
    again = compat.DiffusionPipeline.from_pretrained(tmp_path / "saved")
    assert again.scheduler.value.name == "EulerDiscreteScheduler"
    begun = compat.AutoPipelineForImage2Image.from_pretrained(
        tiny_checkpoint, mindspore_dtype=bfloat16, safety_checker=None, variant=None
    )
    assert type(begun) is compat.StableDiffusionImg2ImgPipeline
    assert begun.dtype == bfloat16


def test_the_class_that_a_checkpoint_names(xl_model):
    refiner = xl_model._replace(
        index=xl_model.index._replace(pipeline="StableDiffusionXLImg2ImgPipeline")
    )
    chosen = compat.DiffusionPipeline.chosen
    assert chosen(refiner) is compat.StableDiffusionXLImg2ImgPipeline
    assert chosen(xl_model) is compat.StableDiffusionXLPipeline
    assert chosen(xl_model._replace(index=None)) is compat.StableDiffusionXLPipeline


# What is refused, by name.

CALLS = {
    "generator": ({"generator": 3}, TypeError, "generator must be a numpy.random.Generator"),
    "generators": ({"generator": [generator(0)] * 3}, ValueError, "list of 3, and 1 images"),
    "no prompt": ({"prompt": None}, ValueError, "give prompt or prompt_embeds"),
    "misspelt": ({"guidance": 3}, TypeError, "no argument 'guidance'; did you mean"),
    "rescale": ({"guidance_rescale": 0.7}, ValueError, "guidance_rescale=0.7 is not mapped"),
    "adapter": ({"ip_adapter_image": PICTURE}, ValueError, "ip_adapter_image=.* is not mapped"),
    "attention": ({"cross_attention_kwargs": {"x": 1}}, ValueError, "cross_attention_kwargs must"),
    "image": ({"image": PICTURE}, TypeError, "no argument 'image'"),
    "of SDXL": ({"prompt_2": "a"}, TypeError, "no argument 'prompt_2'; did you mean 'prompt'"),
    "output": ({"output_type": "pt"}, ValueError, "output_type must be one of pil, np, ms, latent"),
    "latents": ({"latents": np.ones((1, 3, 8, 8))}, ValueError, "latents must be of 1 image"),
    "embeds": ({"prompt": None, "prompt_embeds": [[1.0]]}, ValueError, "prompt_embeds must be fl"),
    "width": (
        {"prompt": None, "prompt_embeds": np.ones((1, 16, 3))}, ValueError, "prompt_embeds: ",
    ),
    "both": ({"timesteps": [1], "sigmas": [1.0, 0]}, ValueError, "timesteps and sigmas exclude"),
    "times": ({"num_images_per_prompt": 0}, ValueError, "num_images_per_prompt must be 1 or more"),
    "steps": ({"num_inference_steps": 0}, ValueError, "^num_inference_steps must be 1 or more"),
    "callback": ({"callback_on_step_end": 3}, TypeError, "callback_on_step_end must be callable"),
    "inputs": (
        {
            "callback_on_step_end": print,
            "callback_on_step_end_tensor_inputs": ["image_embeds"],
        },
        ValueError, "callback_on_step_end_tensor_inputs must be some of latents",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_refused_by_name(pipe, name):
    words, error, message = CALLS[name]
    with pytest.raises(error, match=message):
        pipe(**{"prompt": "a", **words})


def test_places_of_arguments(pipe):
    with pytest.raises(TypeError, match="takes 4 arguments without a name, prompt, height"):
        pipe("a", 16, 16, 3, 7.5)
    with pytest.raises(TypeError, match="is given prompt twice"):
        pipe("a", prompt="b")


FOLDER = {
    "torch_dtype": ({"torch_dtype": "float16"}, ValueError, "say mindspore_dtype"),
    "pickles": ({"use_safetensors": False}, ValueError, "only safetensors are read"),
    "misspelt": ({"mindspore_dtyp": 1}, TypeError, "did you mean 'mindspore_dtype'"),
    "checker": ({"safety_checker": 1}, ValueError, "safety_checker=1 is not mapped"),
    "part": ({"vae": 3}, TypeError, "vae must be a AutoencoderKL"),
    "scheduler": ({"scheduler": "ddim"}, TypeError, "scheduler must be made by a class of mdx"),
    "other parts": ({"text_encoder_2": None}, TypeError, "has no part 'text_encoder_2'"),
}


@pytest.mark.parametrize("name", FOLDER)
def test_loading_is_refused_by_name(tiny_checkpoint, name):
    words, error, message = FOLDER[name]
    with pytest.raises(error, match=message):
        compat.DiffusionPipeline.from_pretrained(tiny_checkpoint, **words)


def test_another_familys_pipeline(tiny_checkpoint):
    with pytest.raises(ValueError, match="StableDiffusionXLPipeline is for StableDiffusionXL"):
        compat.StableDiffusionXLPipeline.from_pretrained(tiny_checkpoint)


@pytest.mark.parametrize(
    "use",
    [
        lambda pipe: pipe.to("cuda"),
        lambda pipe: pipe.load_ip_adapter("x"),
        lambda pipe: pipe.enable_freeu(s1=1),
        lambda pipe: pipe.unet(1),
        lambda pipe: pipe.vae.decode(1),
        lambda pipe: pipe.tokenizer("a"),
        lambda pipe: pipe.scheduler.set_timesteps(3),
        lambda pipe: pipe.scheduler.timesteps,
        lambda pipe: pipe.image_processor,
    ],
)
def test_what_is_not_mapped_says_what_does_it(pipe, use):
    with pytest.raises(AttributeError, match=r"is not mapped by mdx.compat: "):
        use(pipe)


def test_names_that_are_misspelt(pipe):
    with pytest.raises(AttributeError, match="'schedular'; did you mean 'scheduler'"):
        pipe.schedular = compat.DDIMScheduler()
    with pytest.raises(ValueError, match="safety_checker=1 is not mapped"):
        pipe.safety_checker = 1
    pipe.safety_checker = None
    assert pipe.safety_checker is None
    with pytest.raises(TypeError, match="choose a sampler's class"):
        Sampler()
    with pytest.raises(ImportError, match=r"FluxPipeline is not mapped by mdx.compat: mdx runs"):
        from mdx.compat import FluxPipeline  # noqa: F401
    assert not hasattr(compat, "Nothing")


def test_utils(tmp_path):
    sheet = utils.make_image_grid([PICTURE] * 4, 2, 2)
    assert sheet.size == (32, 32)
    assert utils.make_image_grid([PICTURE] * 2, rows=1, cols=2, resize=8).size == (16, 8)
    PICTURE.save(tmp_path / "a.png")
    same([utils.load_image(str(tmp_path / "a.png"))], [PICTURE])
    with pytest.raises(ValueError, match=r"load_image reads files: fetch 'https://x/a.png' first"):
        utils.load_image("https://x/a.png")


def test_every_argument_is_taken_somewhere():
    taken = set().union(*(cls.arguments for cls in compat.stable_diffusion.CLASSES))
    assert taken == set(Call._fields)


def test_what_a_pipeline_is_given_is_checked(model):
    pipe = SimpleNamespace(**{name: getattr(model, name) for name in ("unet", "vae")})
    with pytest.raises(TypeError, match="needs tokenizer, text_encoder, scheduler"):
        compat.StableDiffusionPipeline(**vars(pipe))
    with pytest.raises(TypeError, match=r"pipeline must be a pipeline of mdx.compat"):
        compat.AutoPipelineForImage2Image.from_pipe(model)
