"""CLIP's text encoder, arXiv 2103.00020, section 2.4.

ViT-L in SD 1.x, OpenCLIP-H in SD 2.x, ViT-L and OpenCLIP-bigG in SDXL.
"""

from typing import Annotated, NamedTuple

import mindspore
from mindspore import Tensor, ops

from mdx import fields, kernels
from mdx.kernels.arguments import LayerNorm
from mdx.nets import layers
from mdx.nets.config import UNREAD, check_divides
from mdx.nets.params import Params

PLAIN, PROJECTED = ("CLIPTextModel",), ("CLIPTextModelWithProjection",)


class Config(NamedTuple):
    """text_encoder/config.json, field for field, as far as it says what is computed."""

    vocab_size: fields.Size = 49408
    hidden_size: fields.Size = 512
    intermediate_size: fields.Size = 2048
    # Read where architectures ask for a projection.
    projection_dim: Annotated[int | None, fields.nullable(fields.SIZE)] = 512
    num_hidden_layers: Annotated[int, fields.DEPTH] = 12
    num_attention_heads: fields.Size = 8
    max_position_embeddings: fields.Size = 77
    hidden_act: Annotated[str, fields.choice(*layers.ACTIVATIONS)] = "quick_gelu"
    layer_norm_eps: Annotated[float, fields.number(0, 1)] = 1e-5
    # 2 in old configs, which means: the token with the largest id.
    eos_token_id: Annotated[int, fields.whole()] = 49407
    architectures: Annotated[tuple | None, fields.choice(None, PLAIN, PROJECTED)] = None


NEUTRAL = {
    "model_type": fields.choice("clip_text_model", None),
    "pruned_heads": fields.choice({}, None),
}
# For training; none changes the forward pass.
SILENT = (
    "attention_dropout", "bos_token_id", "dropout", "initializer_factor", "initializer_range",
    "pad_token_id", *UNREAD,
)  # fmt: skip


def from_json(json: dict) -> Config:
    """text_encoder/config.json as a Config. Raises ValueError naming what is not supported."""
    config = fields.read(Config, json, NEUTRAL, SILENT)
    check_divides(
        (config.hidden_size,),
        config.num_attention_heads,
        "heads (hidden_size, num_attention_heads)",
    )
    if _projects(config) and config.projection_dim is None:
        raise ValueError("projection_dim null is not supported with a projection (architectures)")
    return config


def depth(config: Config) -> int:
    """The number of layers, each of which has weights of its own."""
    return config.num_hidden_layers


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter, by its name in the checkpoint."""
    size = config.hidden_size
    embeddings = "text_model.embeddings."
    found = {
        embeddings + "token_embedding.weight": (config.vocab_size, size),
        embeddings + "position_embedding.weight": (config.max_position_embeddings, size),
        **layers.norm_shapes("text_model.final_layer_norm", size),
    }
    for layer in range(config.num_hidden_layers):
        name = f"text_model.encoder.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found.update(layers.linear_shapes(f"{name}.self_attn.{part}", size, size))
        found.update(layers.linear_shapes(name + ".mlp.fc1", size, config.intermediate_size))
        found.update(layers.linear_shapes(name + ".mlp.fc2", config.intermediate_size, size))
        found.update(layers.norm_shapes(name + ".layer_norm1", size))
        found.update(layers.norm_shapes(name + ".layer_norm2", size))
    if _projects(config):
        found["text_projection.weight"] = (config.projection_dim, size)
    return found


def layers_run(config: Config, layer: int) -> int:
    """The number of layers below the hidden state `layer`, counted from the end: -1 is the last.

    -1 - num_hidden_layers is the embeddings. ValueError for one that there is not.
    """
    count = config.num_hidden_layers
    if not -1 - count <= layer <= -1:
        raise ValueError(
            f"hidden state {layer} of a text encoder of {count} layers is not there: expected "
            f"{-1 - count} to -1"
        )
    return count + 1 + layer


def apply(
    config: Config,
    params: Params,
    tokens: Tensor,
    layer: int = -1,
    normed: bool = True,
    pooled: bool = True,
    unread: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """One vector a token and one a text, of the layers that are asked for; inside mindspore.jit.

    SD 1.x and 2.x read the last layer normed, and with clip skip k layer -1 - k, normed too; SDXL
    reads -2 as it is, and -2 - k.

    Args:
        config: the net's record, a constant of the graph.
        params: the weights by their names in the checkpoint, as `shapes` lists them.
        tokens: (B, T) int32, T at most max_position_embeddings.
        layer: the hidden state that is read, counted from the end: see `layers_run`. Nothing above
            it is computed unless `pooled`.
        normed: whether the final norm is applied to it.
        pooled: whether the vectors of texts are wanted. They take all layers, whatever `layer` is.
        unread: (B, T) float32, -1e9 for tokens that none reads, and 0 for others; None for no such.

    Returns:
        (B, T, C) of tokens, and that of each text, which is of its end token after all layers and
        the final norm: (B, C), or (B, P) where the architecture projects it; None unless `pooled`.
        Both float32.

    Raises:
        ValueError: for a layer that there is not.
    """
    count, read = config.num_hidden_layers, _layers_run(config, layer)
    hidden = _through(config, params, _embedded(params, tokens), 0, read, unread)
    if not pooled:
        if normed:
            hidden = _final_norm(config, params, hidden)
        return ops.cast(hidden, mindspore.float32), None
    last = _final_norm(config, params, _through(config, params, hidden, read, count, unread))
    if normed and read == count:
        hidden = last
    elif normed:
        hidden = _final_norm(config, params, hidden)
    vectors = ops.cast(_pooled(config, params, tokens, last), mindspore.float32)
    return ops.cast(hidden, mindspore.float32), vectors


@ops.constexpr
def _layers_run(fields: Config, layer: int) -> int:
    """`layers_run` while a graph is compiled, where a record has become a tuple."""
    return layers_run(Config(*fields), layer)


def _embedded(params: Params, tokens: Tensor) -> Tensor:
    """Token ids (B, T) -> (B, T, C)."""
    embeddings = "text_model.embeddings."
    table = params[embeddings + "token_embedding.weight"]
    places = params[embeddings + "position_embedding.weight"]
    batch, length = tokens.shape
    x = kernels.looked_up(table, tokens.reshape((-1,))).reshape((batch, length, -1))
    first = kernels.as_input(places, table)[None, :length]
    return x + ops.tile(first, (batch, 1, 1))


def _through(
    config: Config, params: Params, x: Tensor, first: int, last: int, unread: Tensor | None
) -> Tensor:
    """Layers [first, last) on x (B, T, C)."""
    for layer in range(first, last):
        name = "text_model.encoder.layers." + str(layer)
        norm = layers.normed_by(params, name + ".layer_norm1", config.layer_norm_eps)
        x = _attention(config, params, name + ".self_attn", x, unread, norm)
        norm = layers.normed_by(params, name + ".layer_norm2", config.layer_norm_eps)
        h = layers.linear(params, name + ".mlp.fc1", x, norm=norm, kind=config.hidden_act)
        x = layers.linear(params, name + ".mlp.fc2", h, residual=x)
    return x


def _final_norm(config: Config, params: Params, x: Tensor) -> Tensor:
    return layers.layer_norm(params, "text_model.final_layer_norm", x, config.layer_norm_eps)


def _pooled(config: Config, params: Params, tokens: Tensor, x: Tensor) -> Tensor:
    """What x (B, T, C) has at each text's end token, projected where the architecture does it."""
    batch, length = tokens.shape
    if config.eos_token_id == 2:
        end = ops.argmax(tokens, 1)
    else:
        end = ops.argmax(ops.cast(ops.equal(tokens, config.eos_token_id), mindspore.int32), 1)
    rows = end + length * ops.arange(0, batch, 1)
    found = ops.gather(x.reshape((batch * length, -1)), rows, 0)
    if _projects(config):
        return layers.linear(params, "text_projection", found)
    return found


def _projects(config: Config) -> bool:
    return config.architectures == PROJECTED


def _attention(
    config: Config, params: Params, name: str, x: Tensor, unread: Tensor | None, norm: LayerNorm
) -> Tensor:
    """x (B, T, C), normed, reads itself -> x + that."""
    names = (name + ".q_proj", name + ".k_proj", name + ".v_proj", name + ".out_proj")
    heads = config.num_attention_heads
    return layers.attention(
        params, names, x, None, heads, causal=True, unread=unread, around=(norm, x)
    )
