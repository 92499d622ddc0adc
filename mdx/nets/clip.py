"""CLIP's text encoder (ViT-L in SD 1.x, OpenCLIP-H in SD 2.x), arXiv 2103.00020, section 2.4."""

from typing import Annotated, NamedTuple

import mindspore
from mindspore import ops

from mdx import fields, kernels
from mdx.nets import layers
from mdx.nets.config import UNREAD, check_divides

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


def apply(config: Config, params, tokens):
    """One vector a token (B, T, C), after the final norm, and one a text (B, C), both float32.

    tokens: (B, T) int32, T at most max_position_embeddings. The vector of a text is that of its
    end token, (B, P) where the architecture projects it. Runs inside mindspore.jit.
    """
    embeddings = "text_model.embeddings."
    table = params[embeddings + "token_embedding.weight"]
    places = params[embeddings + "position_embedding.weight"]
    batch, length = tokens.shape
    x = kernels.looked_up(table, tokens.reshape((-1,))).reshape((batch, length, -1))
    first = kernels.as_input(places, table)[None, :length]
    x = x + ops.tile(first, (batch, 1, 1))
    for layer in range(config.num_hidden_layers):
        name = "text_model.encoder.layers." + str(layer)
        h = layers.layer_norm(params, name + ".layer_norm1", x, config.layer_norm_eps)
        x = x + _attention(config, params, name + ".self_attn", h)
        h = layers.layer_norm(params, name + ".layer_norm2", x, config.layer_norm_eps)
        h = layers.activation(config.hidden_act, layers.linear(params, name + ".mlp.fc1", h))
        x = x + layers.linear(params, name + ".mlp.fc2", h)
    x = layers.layer_norm(params, "text_model.final_layer_norm", x, config.layer_norm_eps)
    if config.eos_token_id == 2:
        end = ops.argmax(tokens, 1)
    else:
        end = ops.argmax(ops.cast(ops.equal(tokens, config.eos_token_id), mindspore.int32), 1)
    rows = end + length * ops.arange(0, batch, 1)
    pooled = ops.gather(x.reshape((batch * length, -1)), rows, 0)
    if _projects(config):
        pooled = layers.linear(params, "text_projection", pooled)
    return ops.cast(x, mindspore.float32), ops.cast(pooled, mindspore.float32)


def _projects(config):
    return config.architectures == PROJECTED


def _attention(config, params, name, x):
    names = (name + ".q_proj", name + ".k_proj", name + ".v_proj", name + ".out_proj")
    return layers.attention(params, names, x, x, config.num_attention_heads, causal=True)
