"""Samplers, nets and pipelines that scripts make, exchange, save and load."""

import copy
import pickle

import pytest
from mindspore import bfloat16, float16

from mdx import compat, schedulers
from mdx.compat.scheduler import classes
from mdx.schedulers.samplers import SAMPLERS


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
