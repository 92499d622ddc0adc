"""The residual block of two convolutions that the UNet and the VAE are made of.

arXiv 1512.03385; with the time embedding arXiv 2006.11239, with its scale arXiv 2105.05233.
"""

from typing import NamedTuple

import mindspore
from mindspore import Tensor, ops

from mdx import kernels
from mdx.nets import layers
from mdx.nets.params import Params, Shapes


class Resnet(NamedTuple):
    """What all residual blocks of a net have in common."""

    activation: str  # one of layers.ACTIVATIONS
    groups: int  # of the group norms
    epsilon: float  # of the group norms
    scale_shift: bool = False  # the embedding scales and shifts, or only shifts


def shapes(
    name: str, settings: Resnet, inputs: int, outputs: int, embedding: int | None = None
) -> Shapes:
    """Parameter shapes of the block `name`; embedding: its size, None where there is none."""
    found = {
        **layers.norm_shapes(name + ".norm1", inputs),
        **layers.convolution_shapes(name + ".conv1", inputs, outputs),
        **layers.norm_shapes(name + ".norm2", outputs),
        **layers.convolution_shapes(name + ".conv2", outputs, outputs),
    }
    if embedding is not None:
        size = 2 * outputs if settings.scale_shift else outputs
        found.update(layers.linear_shapes(name + ".time_emb_proj", embedding, size))
    if inputs != outputs:
        found.update(layers.convolution_shapes(name + ".conv_shortcut", inputs, outputs, 1))
    return found


def apply(
    settings: Resnet,
    params: Params,
    name: str,
    x: Tensor,
    embedding: Tensor | None = None,
    out_scale: float = 1.0,
) -> Tensor:
    """x (B, I, H, W), embedding (B, E) after its activation -> (B, O, H, W) / out_scale."""
    groups, epsilon, kind = settings.groups, settings.epsilon, settings.activation
    norm, conv, embed = name + ".norm1", name + ".conv1", name + ".time_emb_proj"
    first = layers.groups_of(params, norm, groups, epsilon)
    h = layers.group_standardize(x, first)
    if name + ".conv_shortcut.weight" in params:
        # Now, for a large x need not be there then while h is convolved.
        x = layers.convolution(params, name + ".conv_shortcut", kernels.after(x, h))
        h = kernels.after(h, x)
    change = None
    if embedding is not None:
        change = layers.linear(params, embed, embedding)
    if change is not None and settings.scale_shift:
        h = layers.norm_act_conv(params, first, conv, h, kind)
        norm, conv, channels = name + ".norm2", name + ".conv2", h.shape[1]
        h = layers.group_norm(params, norm, h, groups, epsilon)
        # In float32: see layers.activation.
        scale = ops.cast(change[:, :channels], mindspore.float32) + 1.0
        h = kernels.scale_channels(h, ops.cast(scale, h.dtype))
        h = kernels.add_to_channels(h, change[:, channels:])
        out = x + layers.convolution(params, conv, layers.activation(kind, h))
    else:
        h = layers.norm_act_conv(params, first, conv, h, kind, change)
        second = layers.groups_of(params, name + ".norm2", groups, epsilon)
        h = layers.group_standardize(h, second)
        out = layers.norm_act_conv(params, second, name + ".conv2", h, kind, None, x)
    if out_scale == 1.0:
        return out
    return out * (1.0 / out_scale)
