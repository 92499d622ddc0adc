"""Pipelines' switches for memory and progress, as a `mdx.Memory`."""

from typing import Any

import mdx
from mdx.checks import shown
from mdx.compat.unmapped import unmapped

__all__ = ["Switches"]

FEW = 8 * 1024 * 1024  # bytes of attention scores at once, where they are asked to be few
USUAL = mdx.Memory()

UNMAPPED = {
    "enable_freeu": "nothing scales a UNet's skips",
    "enable_group_offload": "pipe.enable_sequential_cpu_offload() has a block's weights at a time",
    "enable_layerwise_casting": "choose the dtype with from_pretrained(..., mindspore_dtype=...)",
    "fuse_qkv_projections": "mdx chooses how attention is computed",
    "unfuse_qkv_projections": "mdx chooses how attention is computed",
    "upcast_vae": "a VAE that overflows is loaded in float32",
}


@unmapped(UNMAPPED)
class Switches:
    """What a pipeline holds in memory at once, and what it shows."""

    vae: Any
    _part_bytes: int = USUAL.part_bytes
    _weights: str = USUAL.weights
    _progress_disabled: bool = False

    @property
    def memory(self) -> mdx.Memory | None:
        """The switches as `mdx.generate` takes them."""
        made = mdx.Memory(self._weights, self._part_bytes, self.vae.tile)
        return None if made == USUAL else made

    def enable_attention_slicing(self, slice_size: Any = "auto") -> None:
        """Make attention scores in parts.

        mdx always does, in parts of `Memory().part_bytes`: "auto" is that; "max" and numbers are
        smaller parts.
        """
        whole = isinstance(slice_size, int) and not isinstance(slice_size, bool)
        if not (whole and slice_size > 0) and slice_size not in (None, "auto", "max"):
            raise ValueError(
                f"slice_size must be 'auto', 'max', None or a number, not {shown(slice_size)}"
            )
        self._part_bytes = USUAL.part_bytes if slice_size in (None, "auto") else FEW

    def disable_attention_slicing(self) -> None:
        """Make attention scores in parts of the usual size."""
        self._part_bytes = USUAL.part_bytes

    def enable_vae_slicing(self) -> None:
        """Decode one picture after the other, which mdx always does."""

    def disable_vae_slicing(self) -> None:
        """Nothing to do: mdx decodes one picture after the other."""

    def enable_vae_tiling(self) -> None:
        """Decode large pictures in tiles that blend."""
        self.vae.enable_tiling()

    def disable_vae_tiling(self) -> None:
        """Decode pictures whole."""
        self.vae.disable_tiling()

    def enable_model_cpu_offload(self, *_: Any, **__: Any) -> None:
        """Hold the weights of the net at work alone."""
        self._weights = "net"

    def enable_sequential_cpu_offload(self, *_: Any, **__: Any) -> None:
        """Hold the weights of the block at work alone."""
        self._weights = "stage"

    def remove_all_hooks(self) -> None:
        """Hold all weights."""
        self._weights = USUAL.weights

    def maybe_free_model_hooks(self) -> None:
        """Nothing to do: weights go where they were used."""

    def enable_xformers_memory_efficient_attention(self, *_: Any, **__: Any) -> None:
        """Nothing to do: mdx's attention never holds all scores."""

    def disable_xformers_memory_efficient_attention(self) -> None:
        """Nothing to do: mdx's attention never holds all scores."""

    def set_progress_bar_config(self, **options: Any) -> None:
        """Whether a bar is drawn: `disable` is read, and how it looks is mdx's."""
        self._progress_disabled = bool(options.get("disable", False))
