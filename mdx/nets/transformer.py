"""The spatial transformer: pixels read each other, then the text.

arXiv 2112.10752, section 3.3; its feed-forward is the gated GELU of arXiv 2002.05202.
"""

from typing import NamedTuple

from mindspore import ops

from mdx import kernels
from mdx.nets import layers


class Transformer(NamedTuple):
    """What the transformers at one resolution have in common."""

    channels: int
    heads: int
    depth: int  # number of attention + feed-forward layers
    context: int  # channels of the text
    groups: int  # of the group norm at its entry
    linear_projection: bool  # whether proj_in and proj_out are stored as linears or 1x1 convs
    reads_text_only: bool = False  # both attentions read the text
    upcast: bool = False  # attention scores in float32 whatever the weights' dtype
    part_bytes: int = kernels.PART_BYTES  # of scores, or of a hidden layer, that exist at once


def shapes(name, settings):
    """Parameter shapes of the transformer `name`."""
    channels = settings.channels
    found = layers.norm_shapes(name + ".norm", channels)
    for part in (".proj_in", ".proj_out"):
        if settings.linear_projection:
            found.update(layers.linear_shapes(name + part, channels, channels))
        else:
            found.update(layers.convolution_shapes(name + part, channels, channels, 1))
    for layer in range(settings.depth):
        block = f"{name}.transformer_blocks.{layer}"
        for norm in (".norm1", ".norm2", ".norm3"):
            found.update(layers.norm_shapes(block + norm, channels))
        first = settings.context if settings.reads_text_only else channels
        for part, context in ((".attn1", first), (".attn2", settings.context)):
            found.update(layers.linear_shapes(block + part + ".to_q", channels, channels, False))
            found.update(layers.linear_shapes(block + part + ".to_k", context, channels, False))
            found.update(layers.linear_shapes(block + part + ".to_v", context, channels, False))
            found.update(layers.linear_shapes(block + part + ".to_out.0", channels, channels))
        found.update(layers.linear_shapes(block + ".ff.net.0.proj", channels, 8 * channels))
        found.update(layers.linear_shapes(block + ".ff.net.2", 4 * channels, channels))
    return found


def apply(settings, params, name, x, context):
    """x (B, C, H, W), context (B, T, D) -> (B, C, H, W)."""
    height, width = x.shape[2], x.shape[3]
    h = layers.group_norm(params, name + ".norm", x, settings.groups, 1e-6)
    tokens = layers.linear_to_tokens(params, name + ".proj_in", h)
    for layer in range(settings.depth):
        block = name + ".transformer_blocks." + str(layer)
        h = layers.layer_norm(params, block + ".norm1", tokens)
        first = context if settings.reads_text_only else h
        tokens = tokens + attention(settings, params, block + ".attn1", h, first)
        h = layers.layer_norm(params, block + ".norm2", tokens)
        tokens = tokens + attention(settings, params, block + ".attn2", h, context)
        h = layers.layer_norm(params, block + ".norm3", tokens)
        tokens = tokens + feed_forward(settings, params, block + ".ff", h)
    return x + layers.linear_from_tokens(params, name + ".proj_out", tokens, height, width)


def attention(settings, params, name, x, context):
    """x (B, T, C) reads context (B, S, D) -> (B, T, C)."""
    names = (name + ".to_q", name + ".to_k", name + ".to_v", name + ".to_out.0")
    return layers.attention(
        params,
        names,
        x,
        context,
        settings.heads,
        upcast=settings.upcast,
        part_bytes=settings.part_bytes,
    )


def feed_forward(settings, params, name, x):
    """One linear to value and gate, value * gelu(gate), one linear back: (B, T, C) -> (B, T, C)."""

    def fed(x):
        both = layers.linear(params, name + ".net.0.proj", x)
        value, gate = ops.Split(len(both.shape) - 1, 2)(both)
        return layers.linear(params, name + ".net.2", value * layers.activation("gelu", gate))

    return kernels.by_rows(fed, x, 4 * 8 * settings.channels, settings.part_bytes)
