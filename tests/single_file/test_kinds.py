"""What a file is: checkpoints that mdx lacks, parts alone, and what no safetensors file is."""

import numpy as np
import pytest
from safetensors.numpy import save_file

import mdx
from tests import single_files

OTHERS = {
    "FLUX.1": ["double_blocks.0.img_attn.norm.key_norm.scale", "img_in.weight"],
    "FLUX.2": [
        "double_blocks.0.img_attn.norm.key_norm.scale",
        "single_stream_modulation.lin.weight",
    ],
    "Chroma": [
        "double_blocks.0.img_attn.norm.key_norm.scale",
        "distilled_guidance_layer.in_proj.weight",
    ],
    "Stable Diffusion 3": ["joint_blocks.0.context_block.adaLN_modulation.1.bias"],
    "Stable Diffusion 3.5 Medium": [
        "joint_blocks.0.context_block.adaLN_modulation.1.bias",
        "joint_blocks.0.x_block.attn2.qkv.weight",
    ],
    "Stable Diffusion 3.5 Large": [
        "joint_blocks.0.context_block.adaLN_modulation.1.bias",
        "joint_blocks.37.x_block.mlp.fc1.weight",
    ],
    "Z-Image": ["layers.0.adaLN_modulation.0.weight", "cap_embedder.0.weight"],
    "Lumina 2": ["layers.0.adaLN_modulation.1.weight", "cap_embedder.0.weight"],
    "Qwen-Image": ["transformer_blocks.59.img_mod.1.weight"],
    "Krea 2": ["txtfusion.projector.weight"],
    "Wan": ["head.modulation"],
    "LTX-Video": ["patchify_proj.weight"],
    "a T5 text encoder": ["encoder.block.0.layer.0.SelfAttention.q.weight"],
    "a language model": ["model.layers.0.self_attn.q_proj.weight"],
    "a ControlNet": ["control_model.time_embed.0.weight", "control_model.input_blocks.0.0.weight"],
    "an IP-Adapter": ["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"],
    "a LoRA": [
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight",
        "lora_unet_down_blocks_0_attentions_0_proj_in.alpha",
    ],
    "a LoRA (LoHa)": ["lora_unet_mid_block_x.hada_w1_a", "lora_unet_mid_block_x.hada_w1_b"],
    "a LoRA (LoKr)": ["lora_unet_mid_block_x.lokr_w1", "lora_unet_mid_block_x.lokr_w2"],
    "an embedding of words": ["emb_params"],
    "CLIP's encoder of pictures": ["vision_model.embeddings.class_embedding"],
    "FLUX.2's VAE": ["bn.running_mean", "decoder.up_blocks.0.resnets.0.norm1.weight"],
    "of a kind that mdx does not know; its tensors are a.b": ["a.b"],
    "a file without tensors": [],
}


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("title", OTHERS)
def test_other_files_are_named(title, prefix, tmp_path):
    alone = title.startswith(("a ", "an ", "of ", "CLIP", "FLUX.2's"))
    begin = "" if alone else prefix
    file = tmp_path / "it.safetensors"
    save_file({begin + key: np.zeros((2, 768), np.float32) for key in OTHERS[title]}, file)
    with pytest.raises(ValueError, match=r"it\.safetensors is ") as raised:
        mdx.load(file)
    assert f"is {title}" in str(raised.value)
    assert mdx.info(file).title.startswith(title)
    assert not mdx.info(file).runs


def test_parts_alone_are_named(tmp_path):
    params = single_files.weights("SD 1.5")
    stored = single_files.stored("SD 1.5", params)
    for prefix, title in (
        ("model.diffusion_model.", "the UNet of Stable Diffusion 1.x alone"),
        ("first_stage_model.", "a VAE alone"),
        ("cond_stage_model.transformer.", "a text encoder alone"),
    ):
        own = {key: one for key, one in stored.items() if key.startswith(prefix)}
        if "UNet" in title:  # by what it reads, which small ones do not
            own |= {key: np.zeros((4, 768), np.float32) for key in own if "attn2.to_k" in key}
        file = single_files.write(tmp_path / "part.safetensors", own)
        with pytest.raises(ValueError, match=title):
            mdx.load(file)


def test_what_no_checkpoint_is_has_its_words(tmp_path):
    for name in ("a.ckpt", "a.pt", "a.bin"):
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(ValueError, match=r"is pickled.*safetensors\.torch\.save_file"):
            mdx.load(tmp_path / name)
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    with pytest.raises(ValueError, match="quantised"):
        mdx.load(tmp_path / "a.gguf")
    with pytest.raises(FileNotFoundError, match=r"gone\.safetensors is missing"):
        mdx.load(tmp_path / "gone.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"\0\0")
    with pytest.raises(ValueError, match="no safetensors file"):
        mdx.load(tmp_path / "torn.safetensors")
