"""Networks as stateless graphs: Config, from_json, shapes and apply, one net a file."""

from mdx.nets import clip, unet, vae

__all__ = ["clip", "unet", "vae"]
