"""What is learned beside a checkpoint and added to it: LoRAs, and words of one's own."""

from mdx.adapters import lora, textual_inversion

__all__ = ["lora", "textual_inversion"]
