"""Whole repositories that people have: small files as published, nets shrunk to random weights."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from mdx import weights
from mdx.families import NETS
from mdx.nets import clip, unet, vae
from mdx.weights import OLD_ATTENTION
from tests import tiny, tokenizer_folders, wild
from tests.tokenizer_folders import FOLDERS, PLAIN, tokenizer_json

# Of each part, the sizes that are made smaller; the kinds of blocks stay.
SMALLER: dict[str, dict[str, dict]] = {
    "unet": {
        "attention_head_dim": {5: 1, 10: 2, 20: 4},
        "block_out_channels": {320: 32, 640: 32, 1280: 64},
        "cross_attention_dim": {768: 24, 1024: 32},
        "layers_per_block": {2: 1},
    },
    "vae": {"block_out_channels": {128: 32, 256: 32, 512: 32}, "layers_per_block": {2: 1}},
    "text_encoder": {
        "hidden_size": {768: 24, 1024: 32},
        "intermediate_size": {3072: 48, 4096: 64},
        "num_attention_heads": {12: 3, 16: 4},
        "num_hidden_layers": {12: 2, 23: 3},
    },
}
# Part -> its net, and the base name of its weights.
MODULES = {
    "text_encoder": (clip, NETS["clip"].base),
    "text_encoder_2": (clip, NETS["clip"].base),
    "unet": (unet, NETS["unet"].base),
    "vae": (vae, NETS["vae"].base),
}
PIXELS = (64, 128)  # height and width that a test may ask of them all

CHECKED = {
    "feature_extractor": ["transformers", "CLIPFeatureExtractor"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
}
UNCHECKED = {
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
}
LATER = {
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": True,
    "safety_checker": [None, None],
}
# What lies in repositories beside what a pipeline reads.
BESIDE = {
    "README.md": "# A model",
    "feature_extractor/preprocessor_config.json": '{"crop_size": 224}',
    "model.ckpt": "pickled",
    "safety_checker/config.json": "{}",
    "safety_checker/pytorch_model.bin": "pickled",
    "unet/diffusion_pytorch_model.bin": "pickled",
    "vae/diffusion_flax_model.msgpack": "flax",
}


class Repository(NamedTuple):
    """The small files of a repository at full size, and how its weights are stored."""

    index: dict[str, Any]  # model_index.json
    scheduler: dict[str, Any]  # scheduler/scheduler_config.json
    nets: dict[str, dict]  # part -> its config.json
    tokenizer: dict[str, Any] | None  # its files: see tokenizer_folders.write
    # Part -> the variants of its weights' files, "" for the plain one.
    variants: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    old_names: bool = False  # weights bear the names of 2022
    tokenizer_2: dict[str, Any] | None = None  # the files of the second one
    smaller: Mapping[str, dict] = MappingProxyType(SMALLER)  # see there
    low_res_scheduler: dict[str, Any] | None = None  # its config
    small_vae: Mapping[str, Any] = MappingProxyType({})  # keys in which the VAE differs


def index(version, scheduler, *parts, **own):
    """model_index.json of a Stable Diffusion whose scheduler is of this class."""
    nets = {key: tiny.INDEX[key] for key in ("text_encoder", "tokenizer", "unet", "vae")}
    found = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": version, **nets}
    for part in parts:
        found |= part
    return found | {"scheduler": ["diffusers", scheduler]} | own


def nets(unet, vae="SD 1.4 as first published", text="SD 1.4 as first published", **own):
    """The configs of these names in wild.NETS; the unet's with other values of its own."""
    names = {"unet": unet, "vae": vae, "text_encoder": text}
    found = {part: wild.NETS[part][name] for part, name in names.items()}
    return found | {"unet": found["unet"] | own}


def schedule(name):
    return wild.SCHEDULERS[name][2]


FIRST, SECOND = FOLDERS["stable-diffusion-v1-5"], FOLDERS["stable-diffusion-2-1"]
DDIM, PNDM = "DDIMScheduler", "PNDMScheduler"
SD_1_5 = Repository(
    index("0.6.0", PNDM, CHECKED), schedule("SD 1.5"), nets("SD 1.5", "ft-mse"), FIRST
)

# Those that mdx runs.
RUN = {
    "SD 1.4": Repository(
        index("0.2.2", PNDM, CHECKED),
        schedule("SD 1.4 as first published"),
        nets("SD 1.4 as first published"),
        FIRST,
        old_names=True,
    ),
    "SD 1.5": SD_1_5,
    "SD 2.1 base": Repository(
        index("0.10.0.dev0", PNDM, UNCHECKED),
        schedule("SD 2.1 base"),
        nets("SD 2.1", "SD 2.1", "SD 2.1", sample_size=64, upcast_attention=False),
        SECOND,
    ),
    "SD 2.1": Repository(
        index("0.8.0", DDIM, UNCHECKED),
        schedule("SD 2.1"),
        nets("SD 2.1", "SD 2.1", "SD 2.1"),
        SECOND,
    ),
    "SD turbo": Repository(
        index("0.24.0.dev0", "EulerDiscreteScheduler", LATER),
        schedule("SD turbo"),
        nets("SD turbo", "of 2024", "SD 2.1"),
        FOLDERS["sd-turbo"],
        {"text_encoder": ("", "fp16"), "unet": ("", "fp16"), "vae": ("", "fp16")},
    ),
    "tiny SD": Repository(
        index("0.19.0.dev0", "DPMSolverMultistepScheduler", CHECKED),
        schedule("tiny SD"),
        nets("tiny SD", "of 2024", "everything"),
        FIRST,
    ),
    "DreamBooth of 2022": SD_1_5._replace(
        index=index("0.5.1", DDIM, CHECKED),
        scheduler=schedule("DreamBooth of 2022"),
        nets=nets("SD 1.5", _diffusers_version="0.5.1", _name_or_path="CompVis/somewhere"),
        old_names=True,
    ),
    "DreamBooth of 2023": SD_1_5._replace(
        index=index("0.17.0.dev0", "DDPMScheduler", LATER),
        scheduler=schedule("DreamBooth of 2023"),
    ),
    "LCM LoRA, fused": SD_1_5._replace(
        index=index("0.24.0", "LCMScheduler", LATER), scheduler=schedule("LCM LoRA, fused")
    ),
    "conversion older than 0.9": SD_1_5._replace(
        index=index("0.7.2", PNDM, CHECKED),
        scheduler=schedule("conversion older than 0.9"),
        nets=nets("SD 1.5", _diffusers_version="0.7.2", sample_size=32),
        old_names=True,
    ),
    "conversion without steps_offset": SD_1_5._replace(
        index=index("0.3.0", PNDM, {"safety_checker": [None, None]}),
        scheduler=schedule("conversion without steps_offset"),
    ),
    "index and config differ": SD_1_5._replace(
        index=index("0.6.0", DDIM, CHECKED), scheduler=schedule("index and config differ")
    ),
    "defaults marked as such": SD_1_5._replace(
        index=index("0.19.3", DDIM, CHECKED), scheduler=schedule("defaults marked as such")
    ),
    "averaged weights": SD_1_5._replace(
        nets=nets("SD 1.5", "averaged weights", "everything", **wild.AVERAGED)
    ),
    "tokenizer.json alone": SD_1_5._replace(
        index=index("0.35.0", PNDM, LATER),
        tokenizer={"config": PLAIN, "json": tokenizer_json()},
    ),
    "inversions by 4.30": SD_1_5._replace(tokenizer=FOLDERS["inversions by 4.30"]),
    "inversions by 4.57": SD_1_5._replace(tokenizer=FOLDERS["inversions by 4.57"]),
    "inversions by 5.24": SD_1_5._replace(tokenizer=FOLDERS["inversions by 5.24"]),
    "fp16 of the unet alone": SD_1_5._replace(
        variants={"unet": ("fp16",), "text_encoder": ("", "fp16")}
    ),
}
# Those of kinds that mdx lacks, with what it says of them.
# One whose network reads how far it is guided.
EMBEDDED = Repository(
    index("0.22.0.dev0", "LCMScheduler", CHECKED, _class_name="LatentConsistencyModelPipeline"),
    schedule("LCM"),
    nets("SD 1.5", time_cond_proj_dim=256),
    FIRST,
)

# Those whose networks read a picture, too.
OF_PICTURES = {
    "inpainting": SD_1_5._replace(
        index=index("0.6.0", PNDM, CHECKED, _class_name="StableDiffusionInpaintPipeline"),
        nets=nets("SD 1.5", in_channels=9),
    ),
    "InstructPix2Pix": SD_1_5._replace(
        index=index(
            "0.12.0.dev0",
            "EulerAncestralDiscreteScheduler",
            CHECKED,
            _class_name="StableDiffusionInstructPix2PixPipeline",
        ),
        scheduler=schedule("SD turbo") | {"timestep_spacing": "leading", "steps_offset": 1},
        nets=nets("SD 1.5", in_channels=8),
    ),
    "upscaler": Repository(
        index(
            "0.10.0.dev0",
            DDIM,
            {"low_res_scheduler": ["diffusers", "DDPMScheduler"]},
            _class_name="StableDiffusionUpscalePipeline",
            max_noise_level=350,
        ),
        schedule("SD 2.1") | {"set_alpha_to_one": True, "steps_offset": 1},
        nets(
            "SD 2.1",
            "SD 2.1",
            "SD 2.1",
            in_channels=7,
            num_class_embeds=1000,
            block_out_channels=[320, 640, 640, 1280],
            attention_head_dim=5,
            only_cross_attention=[True, True, True, False],
            down_block_types=["DownBlock2D", *["CrossAttnDownBlock2D"] * 3],
            up_block_types=[*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"],
            upcast_attention=None,
        ),
        SECOND,
        low_res_scheduler={
            "_class_name": "DDPMScheduler",
            "_diffusers_version": "0.10.0.dev0",
            "beta_end": 0.02,
            "beta_schedule": "scaled_linear",
            "beta_start": 0.0001,
            "clip_sample": True,
            "num_train_timesteps": 1000,
            "prediction_type": "epsilon",
            "trained_betas": None,
            "variance_type": "fixed_small",
        },
        small_vae={
            "block_out_channels": [128, 256, 512],
            "down_block_types": ["DownEncoderBlock2D"] * 3,
            "up_block_types": ["UpDecoderBlock2D"] * 3,
            "scaling_factor": 0.08333,
        },
    ),
}
REFUSED = {
    "depth": (
        SD_1_5._replace(
            index=index("0.10.0.dev0", PNDM, CHECKED, _class_name="StableDiffusionPipeline"),
            nets=nets("SD 1.5", in_channels=5),
        ),
        "depth checkpoints are not supported",
    ),
    "AnimateDiff": (
        SD_1_5._replace(
            index=index(
                "0.22.0.dev0",
                DDIM,
                LATER,
                _class_name="AnimateDiffPipeline",
                motion_adapter=["diffusers", "MotionAdapter"],
            ),
        ),
        "AnimateDiffPipeline with motion_adapter",
    ),
}


def write(folder: Path, repository: Repository) -> Path:
    """Write a repository in the diffusers layout, with what lies beside it in many."""
    tiny.write_json(folder / "model_index.json", repository.index)
    tiny.write_json(folder / "scheduler" / "scheduler_config.json", repository.scheduler)
    if repository.low_res_scheduler is not None:
        file = folder / "low_res_scheduler" / "scheduler_config.json"
        tiny.write_json(file, repository.low_res_scheduler)
    for name in ("tokenizer", "tokenizer_2"):
        if (files := getattr(repository, name)) is not None:
            tokenizer_folders.write(folder / name, **files)
    for seed, part in enumerate(sorted(repository.nets)):
        net, base = MODULES[part]
        config = shrunk(part, repository)
        tiny.write_json(folder / part / "config.json", config)
        params = tiny.random_params(net.shapes(net.from_json(config)), seed)
        if repository.old_names:
            params = {old_name(part, name): value for name, value in params.items()}
            if part == "text_encoder":
                params["text_model.embeddings.position_ids"] = np.arange(77)[None]
        for variant in repository.variants.get(part, ("",)):
            stored = params
            if variant == "fp16":
                stored = {name: np.float16(value) for name, value in params.items()}
            dot = "." if variant else ""
            weights.save(stored, folder / part / f"{base}{dot}{variant}.safetensors")
    for name, text in BESIDE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def shrunk(part: str, repository: Repository) -> dict[str, Any]:
    """The config of a part, small."""
    config = dict(repository.nets[part]) | (repository.small_vae if part == "vae" else {})
    for key, sizes in repository.smaller[part].items():
        config[key] = exchanged(config[key], sizes)
    if part.startswith("text_encoder"):
        added = "<cat-toy>" in str(repository.tokenizer)
        config["vocab_size"] = tokenizer_folders.SIZE + added * len(tokenizer_folders.ADDED)
    return config


def exchanged(said: Any, sizes: Mapping[int, int]) -> Any:
    """A size, or lists of them, smaller."""
    if isinstance(said, list):
        return [exchanged(one, sizes) for one in said]
    return sizes.get(said, said)


def old_name(part: str, name: str) -> str:
    """What a weight was called in 2022."""
    if part == "vae" and ".attentions." in name:
        for old, new in OLD_ATTENTION.items():
            name = name.replace(f".{new}.", f".{old}.")
    return name
