"""By which tensors files of other kinds are known, as data: what is no checkpoint that mdx loads.

Names are those that only the files of one kind have.
"""

from typing import NamedTuple

__all__ = ["ADAPTER_ADVICE", "BEFORE", "LATER", "OTHERS", "Sign"]

LATER = "which mdx does not run"


class Sign(NamedTuple):
    """One kind of file, and how it is known."""

    sort: str  # in a word: "controlnet", "lora", "network", ...
    title: str  # in sentences: "a ControlNet"
    keys: tuple[str, ...]  # it has one of these, with or without a prefix of networks
    advice: str = LATER  # what an error says besides


# Known before a UNet is, for they have the tensors of one, or of its beginning.
BEFORE = (
    Sign(
        "controlnet", "a ControlNet",
        (
            "control_model.time_embed.0.weight", "controlnet_cond_embedding.conv_in.weight",
            "input_hint_block.0.weight", "control_model.input_hint_block.0.weight",
            "controlnet_mid_block.weight",
        ),
        "which is no checkpoint but goes beside one",
    ),
    Sign(
        "motion module", "a network for video, or a part of one (AnimateDiff)",
        (
            "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight",
            "mid_block.motion_modules.0.temporal_transformer.norm.weight",
        ),
    ),
)  # fmt: skip

ADAPTER_ADVICE = "which is no checkpoint but goes beside one"

# Known after checkpoints are; of two that share names the rarer stands first.
OTHERS = (
    Sign("network", "FLUX.3", (
        "early_stream_modulations.image.lin.weight",
        "early_stream_modulations.image.linear.weight",
    )),
    Sign("network", "FLUX.2", (
        "single_stream_modulation.lin.weight", "single_stream_modulation.linear.weight",
    )),
    Sign("network", "Chroma", (
        "distilled_guidance_layer.in_proj.weight", "distilled_guidance_layer.in_proj.bias",
    )),
    Sign("network", "HunyuanVideo", (
        "txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias",
    )),
    Sign("network", "HiDream", (
        "double_stream_blocks.0.block.adaLN_modulation.1.bias",
        "p_embedder.pooled_embedder.linear_1.weight",
        "double_stream_blocks.0.block.adaLN_modulation.1.weight",
    )),
    Sign("network", "FLUX.1", (
        "double_blocks.0.img_attn.norm.key_norm.scale",
        "single_transformer_blocks.0.proj_mlp.weight",
    )),
    Sign("network", "Stable Diffusion 3.5 Medium", (
        "joint_blocks.0.x_block.attn2.qkv.weight", "transformer_blocks.0.attn2.add_k_proj.weight",
    )),
    Sign("network", "Stable Diffusion 3.5 Large", (
        "joint_blocks.37.x_block.mlp.fc1.weight",
    )),
    Sign("network", "Stable Diffusion 3", (
        "joint_blocks.0.context_block.adaLN_modulation.1.bias", "pos_embed.pos_embed",
    )),
    Sign("network", "Lumina 2", (
        "layers.0.adaLN_modulation.1.weight", "time_caption_embed.caption_embedder.1.weight",
    )),
    Sign("network", "Z-Image", (
        "layers.0.adaLN_modulation.0.weight", "all_x_embedder.2-1.weight",
    )),
    Sign("network", "Qwen-Image 2.1", ("txt_in.text_norm.weight",)),
    Sign("network", "Krea 2", (
        "txtfusion.projector.weight", "text_fusion.projector.weight",
    )),
    Sign("network", "Qwen-Image", (
        "transformer_blocks.59.img_mod.1.weight", "transformer_blocks.0.img_mod.1.weight",
    )),
    Sign("network", "Wan", (
        "head.modulation", "condition_embedder.text_embedder.linear_1.weight",
    )),
    Sign("network", "LTX-Video", ("patchify_proj.weight",)),
    Sign("network", "AuraFlow", ("double_layers.0.attn.w1q.weight",)),
    Sign("network", "Stable Cascade", (
        "clip_txt_mapper.weight", "down_blocks.1.0.channelwise.0.weight",
    )),
    Sign("network", "Mochi", ("blocks.0.attn.qkv_x.weight",)),
    Sign("network", "Sana", (
        "blocks.0.cross_attn.q_linear.bias", "transformer_blocks.0.ff.conv_depth.weight",
    )),
    Sign("network", "PixArt", (
        "blocks.0.cross_attn.kv_linear.weight",
        "adaln_single.emb.timestep_embedder.linear_1.weight",
    )),
    Sign("network", "Cosmos", ("net.x_embedder.proj.1.weight",)),
    Sign("adapter", "an IP-Adapter", (
        "ip_adapter.1.to_k_ip.weight", "image_proj.proj.weight", "image_proj.latents",
    ), ADAPTER_ADVICE),
    Sign("adapter", "a T2I-Adapter", (
        "adapter.conv_in.weight", "adapter.body.0.in_conv.weight", "body.0.block1.weight",
    ), ADAPTER_ADVICE),
    Sign("vae", "FLUX.2's VAE", ("bn.running_mean",)),
    Sign("vae", "a tiny VAE (TAESD)", (
        "decoder.layers.0.weight", "taesd_decoder.1.weight", "decoder.1.weight",
    )),
    Sign("text encoder", "a T5 text encoder", (
        "encoder.block.0.layer.0.SelfAttention.q.weight",
    )),
    Sign("text encoder", "a language model", (
        "model.layers.0.self_attn.q_proj.weight", "layers.0.self_attn.q_proj.weight",
    )),
    Sign("image encoder", "CLIP's encoder of pictures", (
        "vision_model.embeddings.class_embedding", "visual.class_embedding",
        "vision_model.embeddings.patch_embedding.weight",
    )),
    Sign("upscaler", "an upscaler of pictures (ESRGAN)", (
        "conv_first.weight", "model.0.weight",
    )),
)  # fmt: skip
