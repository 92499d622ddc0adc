"""A whole checkpoint in the diffusers layout with random weights, tiny or of a real one's size."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

CONFIGS = Path(__file__).with_name("checkpoint_configs.json")

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
# What that of an SDXL says otherwise.
INDEX_XL = {
    "_class_name": "StableDiffusionXLPipeline",
    "force_zeros_for_empty_prompt": True,
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
}
SCHEDULER = {
    "_class_name": "DPMSolverMultistepScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
VOCABULARY = 600  # words enough for the prompts, and fewer than the text encoder embeds


def configs() -> dict[str, dict[str, Any]]:
    """The nets' configs, by the name of the checkpoint that has them."""
    return json.loads(CONFIGS.read_text())


def write(folder: Path, nets: Mapping[str, Any], seed: int = 0) -> Path:
    """Write all parts of a checkpoint whose nets have these configs; returns the folder.

    One that is there already is left as it is: its last file says that it is whole.
    """
    if (folder / "model_index.json").exists():
        return folder
    from mdx import tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    for name, config in nets.items():
        write_net(folder / name, config, seed)
        if name.startswith("text_encoder"):
            words, length = name.replace("text_encoder", "tokenizer"), places(config)
            tokenizer.train(["a photograph"], folder / words, vocab_size=VOCABULARY, length=length)
    index = INDEX | (INDEX_XL if "text_encoder_2" in nets else {})
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def write_net(folder: Path, config: Mapping[str, Any], seed: int) -> int:
    """Write config.json and random weights as safetensors; returns the number of parameters.

    Weights are scaled by their fan-in and norms lie near 1, so that signals keep their size
    through the deep nets; no bias is zero, so that none hides a mistake.
    """
    net = module(folder.name)
    shapes = net.shapes(net.from_json(config))
    counts = {name: math.prod(shape) for name, shape in shapes.items()}
    header, begin = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        end = begin + 4 * counts[name]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
        begin = end
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)  # the numbers lie aligned, as the format asks
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    rng = np.random.default_rng(seed)
    # Tensor by tensor: mdx.weights.save would want all of them in memory, twice.
    with (folder / file_name(folder.name)).open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        for name, shape in shapes.items():
            values = rng.standard_normal(counts[name], np.float32)
            if len(shape) > 1:
                values /= math.sqrt(math.prod(shape[1:]))
            else:
                values *= 0.1
                values += 1.0 if "norm" in name and name.endswith(".weight") else 0.0
            file.write(values.data)
    return sum(counts.values())


def module(name: str) -> Any:
    """The net that a checkpoint's folder holds."""
    from mdx import nets

    return {"unet": nets.unet, "vae": nets.vae}.get(name, nets.clip)


def places(text: Mapping[str, Any]) -> int:
    """Ids in a row of a text encoder of this config."""
    return text.get("max_position_embeddings", 77)


def file_name(name: str) -> str:
    """Of a net's weights."""
    base = "model" if name.startswith("text_encoder") else "diffusion_pytorch_model"
    return base + ".safetensors"
