"""What other libraries' scripts draw: the pictures of generate, or those of their callbacks."""

import numpy as np
import pytest
from mindspore import Tensor

import mdx
from mdx import compat, schedulers
from tests import lora_files
from tests.compat.scripts import HARD, MASK, OPTIONS, PICTURE, generator, same


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
