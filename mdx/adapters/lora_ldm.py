"""The names that a UNet's layers have in the original code (LDM), which many LoRAs go by."""

from collections.abc import Iterable

from mdx.nets.unet_config import Config
from mdx.single_file.layouts import names_for
from mdx.single_file.names import source

__all__ = ["ldm_names"]

END = ".weight"  # any weight tells of its layer


def ldm_names(config: Config, layers: Iterable[str]) -> dict[str, str]:
    """The name in the original code of each of a UNet's layers.

    config: the UNet's; layers: their names in diffusers' layout.
    """
    names = names_for("unet", config)
    found = {layer: source(names, layer + END) for layer in layers}
    return {layer: where.key.removesuffix(END) for layer, where in found.items() if where}
