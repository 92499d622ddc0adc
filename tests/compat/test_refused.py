"""What scripts ask and mdx does not do is refused by its name."""

from types import SimpleNamespace

import numpy as np
import pytest

from mdx import compat
from mdx.compat import utils
from mdx.compat.calls import Call
from mdx.compat.scheduler import Sampler
from tests.compat.scripts import PICTURE, generator, same

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
