"""What pipelines have in other libraries and not here, and what to do in its place."""

__all__ = ["OTHERS", "PIPELINES"]

IP_ADAPTER = "mdx has no IP-Adapter"
PIPELINES = {
    "to": "mindspore.set_device says where, and from_pretrained(..., mindspore_dtype=...) in what",
    "device": "mindspore.get_context('device_target') says where",
    "push_to_hub": "mdx.save writes a folder or a file",
    "image_processor": "mdx.images.to_array and to_pil turn pictures into arrays and back",
    "decode_latents": "mdx.decode(pipe.model, latents)",
    "prepare_latents": "give latents, or a generator",
    "load_ip_adapter": IP_ADAPTER,
    "set_ip_adapter_scale": IP_ADAPTER,
    "unload_ip_adapter": IP_ADAPTER,
}

FAMILIES = "mdx runs Stable Diffusion 1.x and 2.x and SDXL"
CONTROL = "mdx has no ControlNet"
OWN = "call mdx.generate with what mdx.load returns"
# Classes of the other libraries.
OTHERS = {
    "ControlNetModel": CONTROL,
    "StableDiffusionControlNetPipeline": CONTROL,
    "StableDiffusionXLControlNetPipeline": CONTROL,
    "FluxPipeline": FAMILIES,
    "StableDiffusion3Pipeline": FAMILIES,
    "PixArtAlphaPipeline": FAMILIES,
    "PixArtSigmaPipeline": FAMILIES,
    "Transformer2DModel": FAMILIES,
    "SD3Transformer2DModel": FAMILIES,
    "FluxTransformer2DModel": FAMILIES,
    "AutoencoderTiny": "mdx runs AutoencoderKL",
    "LatentConsistencyModelPipeline": "StableDiffusionPipeline runs such checkpoints",
    "StableDiffusionInstructPix2PixPipeline": f"{OWN}, image= and guidance=mdx.guidance.instruct()",
    "StableDiffusionUpscalePipeline": "mdx.upscale does it",
    "StableDiffusionLatentUpscalePipeline": "mdx.hires draws larger pictures",
    "StableDiffusionDepth2ImgPipeline": "depth checkpoints are not run",
    "DDPMPipeline": "mdx.sample runs any denoiser with any table",
    "DDIMPipeline": "mdx.sample runs any denoiser with any table",
    "UNet2DModel": "mdx.sample runs any denoiser with any table",
}
