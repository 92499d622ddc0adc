"""The spatial transformer: pixels attend to each other, then to the text.

arXiv 2112.10752, section 3.3; its feed-forward is the gated GELU of arXiv 2002.05202.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mindspore import Tensor, ops

from mdx import kernels
from mdx.nets import layers, low_rank
from mdx.nets.params import Params, Shapes
from mdx.nets.unet_changes import NONE, Own


class Transformer(NamedTuple):
    """What the transformers at one resolution have in common."""

    channels: int
    heads: int
    depth: int  # number of attention + feed-forward layers
    context: int  # channels of the text
    groups: int  # of the group norm at its entry
    linear_projection: bool  # whether proj_in and proj_out are stored as linears or 1x1 convs
    text_only: bool = False  # both attentions attend to the text
    upcast: bool = False  # attention scores in float32 whatever the weights' dtype
    part_bytes: int = kernels.PART_BYTES  # of scores, or of a hidden layer, that exist at once


def shapes(name: str, settings: Transformer) -> Shapes:
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
        first = settings.context if settings.text_only else channels
        for part, context in ((".attn1", first), (".attn2", settings.context)):
            found.update(layers.linear_shapes(block + part + ".to_q", channels, channels, False))
            found.update(layers.linear_shapes(block + part + ".to_k", context, channels, False))
            found.update(layers.linear_shapes(block + part + ".to_v", context, channels, False))
            found.update(layers.linear_shapes(block + part + ".to_out.0", channels, channels))
        found.update(layers.linear_shapes(block + ".ff.net.0.proj", channels, 8 * channels))
        found.update(layers.linear_shapes(block + ".ff.net.2", 4 * channels, channels))
    return found


def apply(
    settings: Transformer,
    params: Params,
    name: str,
    x: Tensor,
    inputs: Mapping[str, Tensor],
    own: Own = NONE,
) -> Tensor:
    """x (B, C, H, W) -> (B, C, H, W); inputs: "context" (B, T, D), and what `own` reads."""
    height, width = x.shape[2], x.shape[3]
    h = layers.group_norm(params, name + ".norm", x, settings.groups, 1e-6)
    tokens = layers.linear_to_tokens(params, name + ".proj_in", h)
    context = inputs["context"]
    for layer in range(settings.depth):
        if layer not in own.skipped_layers:
            block = name + ".transformer_blocks." + str(layer)
            h = layers.layer_norm(params, block + ".norm1", tokens)
            if layer in own.alone:
                tokens = tokens + alone(params, block + ".attn1", h)
            else:
                first = context if settings.text_only else h
                tokens = tokens + attention(settings, params, block + ".attn1", h, first)
            h = layers.layer_norm(params, block + ".norm2", tokens)
            tokens = tokens + attention(settings, params, block + ".attn2", h, context)
            for number in range(own.images):
                seen = image(settings, params, block + ".attn2", h, inputs, (name, str(number)))
                tokens = tokens + seen
            h = layers.layer_norm(params, block + ".norm3", tokens)
            tokens = tokens + feed_forward(settings, params, block + ".ff", h)
    return x + layers.linear_from_tokens(params, name + ".proj_out", tokens, height, width)


def attention(
    settings: Transformer, params: Params, name: str, x: Tensor, context: Tensor
) -> Tensor:
    """x (B, T, C) attends to context (B, S, D) -> (B, T, C)."""
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


def alone(params: Params, name: str, x: Tensor) -> Tensor:
    """Each token of x (B, T, C) attends to itself alone: its value, and what is made of that."""
    value = layers.linear(params, name + ".to_v", x)
    return layers.linear(params, name + ".to_out.0", value)


def image(
    settings: Transformer,
    params: Params,
    name: str,
    x: Tensor,
    inputs: Mapping[str, Tensor],
    which: tuple[str, str],
) -> Tensor:
    """x (B, T, C) attends to an image prompt -> (B, T, C), scaled; which: transformer, prompt.

    The queries, and what is made of the answer, are those of attention `name` to the text; the
    latter is linear, and its bias is in what the text gave.
    """
    stage, number = which
    keys, scale = name + ".processor.to_k_ip." + number, "image_scale." + number
    names = (name + ".to_q", keys, name + ".processor.to_v_ip." + number, name + ".to_out.0")
    context = ops.cast(inputs["image." + number], x.dtype)
    attended = layers.attention(
        params,
        names,
        x,
        context,
        settings.heads,
        shifted=False,
        upcast=settings.upcast,
        part_bytes=settings.part_bytes,
    )
    if scale + "." + stage in inputs:
        scale = scale + "." + stage
    return kernels.scale_pictures(attended, ops.cast(inputs[scale], x.dtype))


def feed_forward(settings: Transformer, params: Params, name: str, x: Tensor) -> Tensor:
    """One linear to value and gate, value * gelu(gate), one linear back: (B, T, C) -> (B, T, C)."""

    def fed(x: Tensor) -> Tensor:
        return _fed(params, name, x)

    def fed_with_scale(rows: Tensor) -> Tensor:
        tokens, scale = low_rank.parted(rows, settings.channels)
        return _fed(params, name, tokens, scale).reshape((*rows.shape[:-1], settings.channels))

    row_bytes = 4 * 8 * settings.channels
    if low_rank.there(params, name + ".net.0.proj") or low_rank.there(params, name + ".net.2"):
        # A part may be of several pictures: each row takes its picture's strengths along.
        both = low_rank.with_rows(params, x)
        return kernels.by_rows(fed_with_scale, both, row_bytes, settings.part_bytes)
    return kernels.by_rows(fed, x, row_bytes, settings.part_bytes)


def _fed(params: Params, name: str, x: Tensor, scale: Tensor | None = None) -> Tensor:
    """`feed_forward` of some rows; scale: strengths of LoRAs for each."""
    both = layers.linear(params, name + ".net.0.proj", x, scale)
    value, gate = ops.Split(len(both.shape) - 1, 2)(both)
    return layers.linear(params, name + ".net.2", value * layers.activation("gelu", gate), scale)
