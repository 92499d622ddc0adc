"""Write trained nets as a checkpoint in the diffusers layout, and draw the loss curves."""

import json
from pathlib import Path

import numpy as np

from mdx import tokenizer, weights

__all__ = ["SCHEDULER", "alphas_cumprod", "plot_losses", "write", "write_net"]

# PNDM as Stable Diffusion 1.5 has it.
SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.30.0",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "clip_sample": False,
    "trained_betas": None,
}
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
# What each config.json says beside its record's fields.
HEADS = {
    "vae": {"_class_name": "AutoencoderKL", "_diffusers_version": "0.30.0"},
    "unet": {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.30.0"},
    "text_encoder": {"model_type": "clip_text_model", "torch_dtype": "float16"},
}
FILES = {
    "vae": "diffusion_pytorch_model.safetensors",
    "unet": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}


def alphas_cumprod() -> np.ndarray:
    """The share of signal at each training time, float64 (1000,), of SCHEDULER's betas."""
    ends = np.sqrt([SCHEDULER["beta_start"], SCHEDULER["beta_end"]])
    return np.cumprod(1.0 - np.linspace(*ends, SCHEDULER["num_train_timesteps"]) ** 2)


def write(out: Path, parts: dict, words: tokenizer.Tokenizer) -> None:
    """Write all but the tokenizer's files; parts: name -> (config record, weights by name)."""
    ends = {"bos_token_id": words.start, "pad_token_id": words.pad}
    for name, (config, params) in parts.items():
        write_net(out / name, name, config, params, ends if name == "text_encoder" else {})
    (out / "scheduler").mkdir(exist_ok=True)
    _json(out / "scheduler" / "scheduler_config.json", SCHEDULER)
    _json(out / "model_index.json", INDEX)


def write_net(folder: Path, kind: str, config, params: dict, more: dict | None = None) -> None:
    """Write one net's config, with what else it should say, and its weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    _json(folder / "config.json", {**HEADS[kind], **config._asdict(), **(more or {})})
    half = {key: value.astype(np.float16) for key, value in params.items()}
    weights.save(half, folder / FILES[kind])


def _json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def plot_losses(path: Path, curves: dict) -> None:
    """Draw each curve (name -> losses) over its steps, on a log scale, averaged over 1% of them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(8, 5), dpi=100, layout="constrained")
    for axis, (name, losses) in zip(axes.ravel(), curves.items(), strict=True):
        span = max(1, len(losses) // 100)
        means = np.convolve(losses, np.ones(span) / span, "valid")
        axis.semilogy(np.arange(len(means)) + span, means)
        axis.set_title(f"{name}: {means[-1]:.2g} after {len(losses)} steps", loc="left", size=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[1, 0].set_xlabel("step")
    axes[0, 0].set_ylabel("loss")
    figure.savefig(path)
    plt.close(figure)
