"""What one file of each family does not say of itself: the data of configs, schedulers and more.

A file holds weights alone. All that is not in their names and shapes is here, by the kinds of files
that people have; shapes are those of the checkpoints that all fine-tunes and merges come from.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["BY_TENSOR", "ORIGINALS", "VARIATIONS", "Original"]

NOTHING: Mapping = MappingProxyType({})

END, BANG = "<|endoftext|>", "!"  # what rows of ids are filled up with

BETAS = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000, "clip_sample": False, "set_alpha_to_one": False,
    "steps_offset": 1,
}  # fmt: skip
PNDM = {"_class_name": "PNDMScheduler", **BETAS, "skip_prk_steps": True}
EULER = {"_class_name": "EulerDiscreteScheduler", **BETAS, "timestep_spacing": "leading"}
DDIM = {"_class_name": "DDIMScheduler", **BETAS}

# Text encoders: ViT-L of CLIP, ViT-H and ViT-bigG of OpenCLIP. Heads have 64 channels in all three.
VIT_L = {"architectures": ["CLIPTextModel"], "hidden_act": "quick_gelu"}
VIT_H = {"architectures": ["CLIPTextModel"], "hidden_act": "gelu"}
VIT_G = {"architectures": ["CLIPTextModelWithProjection"], "hidden_act": "gelu"}

FIRST_VAE = {"scaling_factor": 0.18215, "sample_size": 512}
XL_VAE = {"scaling_factor": 0.13025, "sample_size": 1024, "force_upcast": True}


class Original(NamedTuple):
    """One kind of checkpoint in one file."""

    title: str  # in sentences
    family: str  # the name of its Family
    pipeline: str  # the class that model_index.json would name
    parts: Mapping[str, str]  # its nets by their folders: what their tensors' names begin with
    classes: Mapping[str, str]  # of all parts that model_index.json would name
    context: int  # values a token that the UNet reads
    told: int | None  # of the text and the sizes together, which an SDXL is told, too
    unet: Mapping[str, Any]  # of unet/config.json, what shapes do not say
    vae: Mapping[str, Any]  # of vae/config.json
    text: Mapping[str, Mapping[str, Any]]  # of the config.json of each text encoder
    pads: Mapping[str, str]  # its tokenizers: what fills their rows up
    scheduler: Mapping[str, Any]  # scheduler_config.json
    # Heads of the UNet: channels of each, or how many at every level.
    head_channels: int | None = 64
    text_layers: int | None = None  # of the text encoder, if the file has more that nobody reads
    zeros: bool | None = None  # whether an absent negative prompt is zeros: see model_index.Index
    # The scheduler of one whose network was taught to predict v.
    v_scheduler: Mapping[str, Any] | None = None
    # The unet's config of one whose network was taught to predict v.
    v_unet: Mapping[str, Any] = NOTHING
    complete: bool = True  # whether this and the shapes say all; else another's config is wanted


NETS = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
TEXT, TEXT_2 = "CLIPTextModel", "CLIPTextModelWithProjection"
UNET, VAE = "model.diffusion_model.", "first_stage_model."
XL_TOLD = {
    "sample_size": 128, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
}  # fmt: skip

SD_1 = Original(
    title="Stable Diffusion 1.x",
    family="stable_diffusion",
    pipeline="StableDiffusionPipeline",
    parts={"text_encoder": "cond_stage_model.transformer.", "unet": UNET, "vae": VAE},
    classes={"text_encoder": TEXT, "tokenizer": "CLIPTokenizer", **NETS},
    context=768,
    told=None,
    unet={"sample_size": 64, "attention_head_dim": 8},
    vae=FIRST_VAE,
    text={"text_encoder": VIT_L},
    pads={"tokenizer": END},
    scheduler=PNDM,
    head_channels=None,
)
SD_2 = SD_1._replace(
    title="Stable Diffusion 2.x",
    parts={"text_encoder": "cond_stage_model.model.", "unet": UNET, "vae": VAE},
    context=1024,
    unet={"sample_size": 64},
    text={"text_encoder": VIT_H},
    pads={"tokenizer": BANG},
    head_channels=64,
    text_layers=23,
    v_scheduler={**DDIM, "prediction_type": "v_prediction"},
    v_unet={"sample_size": 96, "upcast_attention": True},
)
XL = Original(
    title="SDXL",
    family="stable_diffusion_xl",
    pipeline="StableDiffusionXLPipeline",
    parts={
        "text_encoder": "conditioner.embedders.0.transformer.",
        "text_encoder_2": "conditioner.embedders.1.model.",
        "unet": UNET,
        "vae": VAE,
    },
    classes={
        "text_encoder": TEXT,
        "text_encoder_2": TEXT_2,
        "tokenizer": "CLIPTokenizer",
        "tokenizer_2": "CLIPTokenizer",
        **NETS,
    },
    context=2048,
    told=2816,
    unet=XL_TOLD,
    vae=XL_VAE,
    text={"text_encoder": VIT_L, "text_encoder_2": VIT_G},
    pads={"tokenizer": END, "tokenizer_2": BANG},
    scheduler=EULER,
    zeros=True,
    v_scheduler={**EULER, "prediction_type": "v_prediction"},
)
REFINER = XL._replace(
    title="the refiner of SDXL",
    pipeline="StableDiffusionXLImg2ImgPipeline",
    parts={"text_encoder_2": "conditioner.embedders.0.model.", "unet": UNET, "vae": VAE},
    classes={"text_encoder_2": TEXT_2, "tokenizer_2": "CLIPTokenizer", **NETS},
    context=1280,
    told=2560,
    text={"text_encoder_2": VIT_G},
    pads={"tokenizer_2": BANG},
    zeros=False,
)

UPSCALER = SD_2._replace(
    title="the upscaler of Stable Diffusion",
    family="stable_diffusion_upscaler",
    pipeline="StableDiffusionUpscalePipeline",
    complete=False,
)

ORIGINALS = (XL, REFINER, SD_2, SD_1)

# Told from others that have the same text encoder by a tensor of the UNet.
BY_TENSOR = {"label_emb.weight": UPSCALER}

# What a UNet is for whose first convolution reads so many channels, and how its pipeline is called.
VARIATIONS = {
    4: ("", "Pipeline"),
    9: (", for inpainting", "InpaintPipeline"),
    8: (", for editing by instructions", "InstructPix2PixPipeline"),
    5: (", with depth", "Depth2ImgPipeline"),
}
