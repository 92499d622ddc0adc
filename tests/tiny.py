"""A complete checkpoint with random weights, small enough to write for every test."""

import json
import shutil
from pathlib import Path

import numpy as np

from mdx import tokenizer, weights
from mdx.nets import clip, unet, vae

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}
SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
TEXT = {
    "architectures": ["CLIPTextModel"],
    "model_type": "clip_text_model",
    "vocab_size": 560,
    "hidden_size": 16,
    "intermediate_size": 32,
    "projection_dim": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
    "hidden_act": "quick_gelu",
    "eos_token_id": 559,
}
UNET = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 8,
    "block_out_channels": [16, 32],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "attention_head_dim": 2,
    "cross_attention_dim": 16,
}
VAE = {
    "_class_name": "AutoencoderKL",
    "sample_size": 16,
    "block_out_channels": [16, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "scaling_factor": 0.18215,
}
# Part to its net, its config and the base name of its weights.
NETS = {
    "text_encoder": (clip, TEXT, "model"),
    "unet": (unet, UNET, "diffusion_pytorch_model"),
    "vae": (vae, VAE, "diffusion_pytorch_model"),
}


def write(folder: Path) -> Path:
    """Write the checkpoint, float32, in the diffusers layout."""
    write_json(folder / "model_index.json", INDEX)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    captions = ["a red circle on a blue background"]
    tokenizer.train(captions, folder / "tokenizer", vocab_size=560, length=16)
    for part, (net, config, base) in NETS.items():
        write_json(folder / part / "config.json", config)
        params = random_params(net.shapes(net.from_json(config)))
        weights.save(params, folder / part / f"{base}.safetensors")
    return folder


def random_params(shapes: dict, seed: int = 0) -> dict:
    """Numbers that keep activations of order one: norms near 1, the rest by fan-in."""
    random = np.random.default_rng(seed)
    params = {}
    for name, shape in shapes.items():
        value = random.standard_normal(shape)
        value /= np.sqrt(max(np.prod(shape[1:]), 10)) if len(shape) > 1 else 10
        params[name] = np.float32(value + ("norm" in name and name.endswith("weight")))
    return params


def change_json(path: Path, **changes) -> None:
    """Set keys of a JSON file; a key set to `...` is removed."""
    value = json.loads(path.read_text()) | changes
    write_json(path, {k: v for k, v in value.items() if v is not ...})


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def hub_cache(cache: Path, repo: str, folder: Path, commit: str = "c0ffee" * 6 + "cafe") -> None:
    """Lay `folder` out as the Hub's cache does after a download: blobs, links and a ref."""
    root = cache / ("models--" + repo.replace("/", "--"))
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    for number, file in enumerate(sorted(f for f in folder.rglob("*") if f.is_file())):
        blob = root / "blobs" / str(number)
        blob.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, blob)
        link = root / "snapshots" / commit / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
