"""What the words of other pipelines' calls ask of generate."""

import numpy as np
import pytest
from mindspore import Tensor

import mdx
from mdx import compat, schedulers
from tests.compat.scripts import MASK, PICTURE, generator


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
