"""What pipelines have in other libraries and not here, and what to do in its place."""

__all__ = ["PIPELINES"]

LORA = "mdx has no LoRA"
IP_ADAPTER = "mdx has no IP-Adapter"
PIPELINES = {
    "to": "mindspore.set_device says where, and from_pretrained(..., mindspore_dtype=...) in what",
    "device": "mindspore.get_context('device_target') says where",
    "save_pretrained": "mdx saves no checkpoints",
    "push_to_hub": "mdx saves no checkpoints",
    "from_single_file": "mdx.load takes folders in the diffusers layout",
    "image_processor": "mdx.images.to_array and to_pil turn pictures into arrays and back",
    "decode_latents": "mdx.decode(pipe.model, latents)",
    "prepare_latents": "give latents, or a generator",
    "load_textual_inversion": "mdx has no textual inversion",
    "unload_textual_inversion": "mdx has no textual inversion",
    "load_ip_adapter": IP_ADAPTER,
    "set_ip_adapter_scale": IP_ADAPTER,
    "unload_ip_adapter": IP_ADAPTER,
    "load_lora_weights": LORA,
    "unload_lora_weights": LORA,
    "fuse_lora": LORA,
    "unfuse_lora": LORA,
    "set_adapters": LORA,
    "get_active_adapters": LORA,
    "disable_lora": LORA,
    "enable_lora": LORA,
    "delete_adapters": LORA,
}
