"""The config.json of each net, by the shapes of its tensors and the data of its kind."""

from collections.abc import Mapping
from typing import Any

from mdx.single_file import text_names, unet_names, vae_names
from mdx.single_file.contents import Held
from mdx.single_file.originals import Original
from mdx.single_file.unet_names import Level, Shapes

__all__ = ["of_text", "of_unet", "of_vae", "seen_of_unet", "size"]

CROSS_DOWN, DOWN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, UP = "CrossAttnUpBlock2D", "UpBlock2D"
MIDDLES = {0: None, 1: "UNetMidBlock2D", 2: "UNetMidBlock2DCrossAttn"}


def of_unet(shapes: Shapes, original: Original, predicts_v: bool) -> dict[str, Any]:
    """unet/config.json of a UNet by the first implementation's names.

    Args:
        shapes: of its tensors, by their names without a prefix.
        original: the kind of checkpoint.
        predicts_v: whether it was taught to predict v.

    Returns:
        The config.

    Raises:
        ValueError: that names the tensor that is not there, or is of no such net.
    """
    found = unet_names.blocks(shapes)
    channels = _channels(shapes, found)
    counts = [len(level) for level in found.down]
    config: dict[str, Any] = {
        **seen_of_unet(shapes, "input_blocks.0.0.weight", "out.2.weight", "time_embed"),
        "block_out_channels": channels,
        "down_block_types": [CROSS_DOWN if _reads(level) else DOWN for level in found.down],
        "up_block_types": [CROSS_UP if _reads(level) else UP for level in found.up],
        "mid_block_type": MIDDLES[len(found.mid)],
        "layers_per_block": counts[0] if len({*counts}) == 1 else counts,
        "use_linear_projection": _is_linear(shapes),
        "attention_head_dim": [count // (original.head_channels or 1) or 1 for count in channels],
        **_transformers(found),
        **original.unet,
        **(original.v_unet if predicts_v else {}),
    }
    read = {shape[-1] for name, shape in shapes.items() if _ends(name, "attn2.to_k.weight", shape)}
    config["cross_attention_dim"] = read.pop() if len(read) == 1 else original.context
    if original.told is not None:
        config["projection_class_embeddings_input_dim"] = size(shapes, "label_emb.0.0.weight", 1)
    return config


def seen_of_unet(shapes: Shapes, first: str, last: str, time: str) -> dict[str, Any]:
    """What shapes say of a UNet by whosever names.

    Args:
        shapes: of its tensors, by their names without a prefix.
        first: the name of the weight of its first convolution.
        last: of its last one's.
        time: the module of its time embedding.

    Returns:
        Keys of its config: how many channels it reads and gives, and whether it is told how far it
        is guided.
    """
    told = shapes.get(f"{time}.cond_proj.weight")
    found: dict[str, Any] = {
        "in_channels": size(shapes, first, 1),
        "out_channels": size(shapes, last, 0),
    }
    return found | ({"time_cond_proj_dim": told[-1]} if told else {})


def of_vae(shapes: Shapes, known: Mapping[str, Any], layout: str = "original") -> dict[str, Any]:
    """vae/config.json of a VAE.

    Args:
        shapes: of its tensors, by their names without a prefix.
        known: keys that shapes do not say, as of the kind of checkpoint.
        layout: by whose names: see `contents.SIGNS`.

    Returns:
        The config.

    Raises:
        ValueError: that names the tensor that is not there.
    """
    if layout == "original":
        found = vae_names.blocks(shapes)
        levels, layers = found.levels, found.layers
        firsts = [f"encoder.down.{level}.block.0.conv1.weight" for level in range(levels)]
        attention = "decoder.mid.attn_1.q.weight"
    else:
        levels = _count(shapes, "encoder.down_blocks.")
        layers = _count(shapes, "encoder.down_blocks.0.resnets.")
        firsts = [f"encoder.down_blocks.{level}.resnets.0.conv1.weight" for level in range(levels)]
        attention = "decoder.mid_block.attentions.0."
    return {
        "block_out_channels": [size(shapes, name, 0) for name in firsts],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": layers,
        "latent_channels": size(shapes, "decoder.conv_in.weight", 1),
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
        "mid_block_add_attention": any(name.startswith(attention) for name in shapes),
        **known,
    }


def of_text(
    shapes: Shapes, held: Held, known: Mapping[str, Any], most: int | None = None
) -> dict[str, Any]:
    """config.json of a text encoder.

    Args:
        shapes: of its tensors, by their names without a prefix.
        held: how it lies in the file.
        known: keys that shapes do not say.
        most: layers that are read, if the file has more.

    Returns:
        The config.

    Raises:
        ValueError: that names the tensor that is not there.
    """
    if held.layout == "OpenCLIP":
        words, places = "token_embedding.weight", "positional_embedding"
        inner, projection = "transformer.resblocks.0.mlp.c_fc.weight", "text_projection"
        projected = 1
    else:
        bare = "" if held.layout == "transformers, bare" else "text_model."
        words = f"{bare}embeddings.token_embedding.weight"
        places = f"{bare}embeddings.position_embedding.weight"
        inner, projection = f"{bare}encoder.layers.0.mlp.fc1.weight", "text_projection.weight"
        projected = 0
    layers, width = text_names.depth(shapes), size(shapes, words, 1)
    there = projection in shapes
    return {
        "vocab_size": size(shapes, words, 0),
        "hidden_size": width,
        "intermediate_size": size(shapes, inner, 0),
        "max_position_embeddings": size(shapes, places, 0),
        "num_hidden_layers": layers if most is None else min(layers, most),
        "num_attention_heads": width // 64 or 1,
        "projection_dim": size(shapes, projection, projected) if there else width,
        "eos_token_id": size(shapes, words, 0) - 1,
        **known,
    }


def size(shapes: Shapes, name: str, axis: int) -> int:
    """One side of a tensor.

    Args:
        shapes: by name.
        name: of the tensor.
        axis: which side.

    Returns:
        It.

    Raises:
        ValueError: that names the tensor, if it is not there or has no such side.
    """
    if name not in shapes:
        raise ValueError(f"it has no {name}, which says how large the net is")
    if len(shapes[name]) <= axis:
        raise ValueError(f"{name} has the shape {list(shapes[name])}: expected more axes")
    return shapes[name][axis]


def _channels(shapes: Shapes, found: unet_names.Blocks) -> list[int]:
    """The channels at each level, by the first residual block there."""
    numbers, number = [], 1
    for level in found.down:
        numbers.append(number)
        number += len(level) + 1
    names = [f"input_blocks.{one}.0.in_layers.2.weight" for one in numbers]
    return [size(shapes, name, 0) for name in names]


def _reads(level: Level) -> bool:
    return any(depth is not None for depth in level)


def _is_linear(shapes: Shapes) -> bool:
    axes = [len(shape) for name, shape in shapes.items() if name.endswith("1.proj_in.weight")]
    return axes[:1] == [2]


def _ends(name: str, end: str, shape: tuple[int, ...]) -> bool:
    return name.endswith(end) and bool(shape)


def _transformers(found: unet_names.Blocks) -> dict[str, Any]:
    """The layers of transformers: one number if it is the same everywhere, as configs have it."""
    middle = next(iter(found.mid), None) if len(found.mid) > 1 else None
    depths = {depth for level in (*found.down, *found.up) for depth in level} | {middle}
    depths.discard(None)
    if len(depths) < 2:
        return {"transformer_layers_per_block": next(iter(depths), 1)}

    def entry(level: Level, otherwise: int) -> Any:
        """A level's number; the list of its transformers' where they differ."""
        own = [otherwise if depth is None else depth for depth in level]
        return own[0] if len({*own}) == 1 else own

    down = [entry(level, 1) for level in found.down]
    if middle is not None and not _reads(found.down[-1]):
        down[-1] = middle
    up = [entry(level, 1) for level in found.up]
    agree = all(
        not _reads(level) or up[i] == down[len(down) - 1 - i] for i, level in enumerate(found.up)
    )
    plain = agree and not any(isinstance(one, list) for one in down)
    config: dict[str, Any] = {"transformer_layers_per_block": down}
    return config if plain else config | {"reverse_transformer_layers_per_block": up}


def _count(shapes: Shapes, begin: str) -> int:
    """How many numbers follow a beginning."""
    found = {name[len(begin) :].partition(".")[0] for name in shapes if name.startswith(begin)}
    return len({one for one in found if one.isascii() and one.isdigit()})
