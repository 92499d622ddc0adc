"""LoRAs of several ranks for the tiny model, for tests that wear them."""

import numpy as np

import mdx
from tests.lora_files import factors, write

SIDES = {"height": 16, "width": 16}
NEAR = 1e-5  # of the largest latent
PROMPT = "a red circle"

LAYERS = (
    "conv_in", "conv_out", "time_embedding.linear_1", "down_blocks.0.resnets.0.conv1",
    "down_blocks.0.resnets.0.time_emb_proj", "down_blocks.0.downsamplers.0.conv",
    "up_blocks.0.upsamplers.0.conv", "up_blocks.1.resnets.0.conv_shortcut",
    "mid_block.attentions.0.proj_in", "down_blocks.0.attentions.0.proj_out",
    *(f"up_blocks.1.attentions.0.transformer_blocks.0.{inner}" for inner in (
        "attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_k",
        "attn2.to_v", "attn2.to_out.0", "ff.net.0.proj", "ff.net.2")),
)  # fmt: skip
RANKS = (2, 5, 3)
TEXT = "text_model.encoder.layers.0.self_attn.q_proj"


def made(model, folder):
    """Three of other ranks and layers; the first leaves some out, the last changes texts, too."""
    found = []
    for number, rank in enumerate(RANKS):
        layers = {}
        for i, layer in enumerate(LAYERS if number else LAYERS[::2]):
            shape = tuple(model.unet.params[layer + ".weight"].shape)
            some = factors("LoRA", shape, 100 * number + i, rank)
            some["lora_up.weight"] = some["lora_up.weight"] / 8
            layers[f"unet.{layer}"] = some
        if number == 2:
            shape = tuple(model.text_encoder.params[TEXT + ".weight"].shape)
            layers[f"text_encoder.{TEXT}"] = factors("LoRA", shape, 7, rank)
        found.append(mdx.lora.load(write(folder / f"{number}.safetensors", layers)))
    return found


def drawn(model, count=4, seed=(0, 1, 2, 3), **asked):
    asked = {"steps": 3, "scheduler": "ddim", "guidance": 3.0, **SIDES, **asked}
    return mdx.generate(
        model, [PROMPT] * count, seed=list(seed), output="latent", progress=False, **asked
    )


def near(got, expected):
    assert np.abs(got - expected).max() <= NEAR * np.abs(expected).max()
