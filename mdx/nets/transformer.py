"""The spatial transformer: pixels attend to each other, then to the text.

arXiv 2112.10752, section 3.3; its feed-forward is the gated GELU of arXiv 2002.05202.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mindspore import Tensor, ops

from mdx import kernels
from mdx.kernels.arguments import LayerNorm
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
    """x (B, C, H, W) -> (B, C, H, W); inputs: "context" (B, T, D), and what `own` reads.

    Tokens are (B, H*W, C), or maps as x where native operators read those as tokens.
    """
    norm = layers.groups_of(params, name + ".norm", settings.groups, 1e-6)
    tokens = layers.linear_to_tokens(params, name + ".proj_in", x, norm)
    context = inputs["context"]
    for layer in range(settings.depth):
        if layer not in own.skipped_layers:
            block = name + ".transformer_blocks." + str(layer)
            norm = layers.normed_by(params, block + ".norm1")
            if layer in own.alone:
                tokens = alone(params, block + ".attn1", tokens, norm)
            else:
                first = context if settings.text_only else None
                tokens = attention(settings, params, block + ".attn1", tokens, first, norm)
            norm, before = layers.normed_by(params, block + ".norm2"), tokens
            tokens = attention(settings, params, block + ".attn2", tokens, context, norm)
            for number in range(own.images):
                which = (name, str(number))
                seen = image(settings, params, block + ".attn2", before, inputs, which, norm)
                tokens = tokens + seen
            norm = layers.normed_by(params, block + ".norm3")
            tokens = feed_forward(settings, params, block + ".ff", tokens, norm)
    height, width = x.shape[2], x.shape[3]
    return layers.linear_from_tokens(params, name + ".proj_out", tokens, height, width, x)


def attention(
    settings: Transformer,
    params: Params,
    name: str,
    x: Tensor,
    context: Tensor | None,
    norm: LayerNorm,
) -> Tensor:
    """x (B, T, C), normed, attends to context (B, S, D), or to itself where that is None -> x + it.

    What is returned is as x.
    """
    names = (name + ".to_q", name + ".to_k", name + ".to_v", name + ".to_out.0")
    return layers.attention(
        params,
        names,
        x,
        context,
        settings.heads,
        scores=(settings.upcast, settings.part_bytes),
        around=(norm, x),
    )


def alone(params: Params, name: str, x: Tensor, norm: LayerNorm) -> Tensor:
    """`attention` in which each token of x (B, T, C) attends to itself alone: to its value."""
    value = layers.linear(params, name + ".to_v", x, norm=norm)
    return layers.linear(params, name + ".to_out.0", value, residual=x)


def image(
    settings: Transformer,
    params: Params,
    name: str,
    x: Tensor,
    inputs: Mapping[str, Tensor],
    which: tuple[str, str],
    norm: LayerNorm,
) -> Tensor:
    """x (B, T, C), normed, attends to an image prompt -> as x, scaled; which: transformer, prompt.

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
        scores=(settings.upcast, settings.part_bytes),
        around=(norm, None),
    )
    if scale + "." + stage in inputs:
        scale = scale + "." + stage
    return kernels.scale_pictures(attended, ops.cast(inputs[scale], x.dtype))


def feed_forward(
    settings: Transformer, params: Params, name: str, x: Tensor, norm: LayerNorm
) -> Tensor:
    """x + its norm by one linear to value and gate, value * gelu(gate), one linear back: as x."""

    def fed(x: Tensor) -> Tensor:
        return _fed(params, name, x, norm)

    def fed_with_scale(rows: Tensor) -> Tensor:
        tokens, scale = low_rank.parted(rows, settings.channels)
        out = _fed(params, name, tokens, norm, scale)
        return out.reshape((*rows.shape[:-1], settings.channels))

    changed = low_rank.there(params, name + ".net.0.proj") or low_rank.there(
        params, name + ".net.2"
    )
    row_bytes = 4 * 8 * settings.channels
    if len(x.shape) == 4 and not changed:
        # Native operators never have value and gate beside what is made of them.
        row_bytes = 4 * 4 * settings.channels
    if changed and len(x.shape) == 3:
        # A part may be of several pictures: each row takes its picture's strengths along.
        both = low_rank.with_rows(params, x)
        return kernels.by_rows(fed_with_scale, both, row_bytes, settings.part_bytes)
    return kernels.by_rows(fed, x, row_bytes, settings.part_bytes)


def _fed(
    params: Params, name: str, x: Tensor, norm: LayerNorm, scale: Tensor | None = None
) -> Tensor:
    """`feed_forward` of some rows; scale: strengths of LoRAs for each."""
    hidden = layers.gated(params, name + ".net.0.proj", x, scale, norm=norm)
    return layers.linear(params, name + ".net.2", hidden, scale, residual=x)
