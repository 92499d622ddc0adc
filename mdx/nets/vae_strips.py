"""The end of the autoencoder's decoder, where maps are largest, band by band of rows.

The same as vae.decode_up does for small pictures, all at once.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import mindspore
from mindspore import Tensor, ops

from mdx import kernels
from mdx.kernels.banded import Bands
from mdx.kernels.parts import Tree
from mdx.nets import layers
from mdx.nets.params import Params
from mdx.nets.resnet import Resnet

if TYPE_CHECKING:
    from mdx.nets.vae import Config


def end(config: "Config", settings: Resnet, params: Params, name: str, x: Tensor) -> Tensor:
    """The last enlargement, by layer `name`, and all after it: (1, C, h, w) -> (1, 3, 2h, 2w)."""
    maps = kernels.enlarged_bands(x, params[name + ".weight"], params[name + ".bias"])
    block = "decoder.up_blocks." + str(len(config.block_out_channels) - 1)
    for layer in range(config.layers_per_block + 1):
        maps = _resnet(settings, params, block + ".resnets." + str(layer), maps)
    norm, conv = "decoder.conv_norm_out", "decoder.conv_out"
    bands = _convolved(settings, params, norm, conv, maps, _band)
    return ops.cast(kernels.joined(bands, 2), mindspore.float32)


def _resnet(settings: Resnet, params: Params, name: str, maps: Bands) -> Bands:
    """nets/resnet.py's block, without an embedding, on bands."""
    shortcut = name + ".conv_shortcut"

    def begun(number: int, band: Tensor) -> tuple[Tensor, ...]:
        """The band, and what it is added to in the end."""
        if shortcut + ".weight" in params:
            return band, layers.convolution(params, shortcut, kernels.after(maps[number], band))
        return band, maps[number]

    first = _convolved(settings, params, name + ".norm1", name + ".conv1", maps, begun)

    def ended(number: int, band: Tensor) -> Tensor:
        return band + first[number][1]

    inner = ()
    for pair in first:
        inner = (*inner, pair[0])
    return _convolved(settings, params, name + ".norm2", name + ".conv2", inner, ended)


def _convolved(
    settings: Resnet,
    params: Params,
    norm: str,
    conv: str,
    maps: Bands,
    then: Callable[[int, Tensor], Tree],
) -> tuple[Tree, ...]:
    """Group norm, activation and convolution of bands; then(number, band) of each."""
    scale, shift = params[norm + ".weight"], params[norm + ".bias"]
    mean, variance = kernels.group_moments(maps, settings.groups, shift)

    def before(rows: Tensor) -> Tensor:
        rows = kernels.standardised(rows, mean, variance, scale, shift, settings.epsilon)
        return layers.activation(settings.activation, rows)

    weight, bias = params[conv + ".weight"], params[conv + ".bias"]
    return kernels.convolve_bands(maps, before, weight, bias, then)


def _band(number: int, band: Tensor) -> Tensor:
    return band
