"""Whether the parts of a checkpoint fit together: one's output is what the next one takes."""

from collections.abc import Mapping

from mdx.conditioning import Conditioning
from mdx.families import channels
from mdx.net import Net
from mdx.tokenizer import Tokenizer

__all__ = ["check_arrays", "check_latents", "check_text", "check_width", "width_of"]


def check_width(unet: Net, encoders: Mapping[str, Net], whose: str = "the text encoder") -> None:
    """ValueError unless the UNet reads as many values a token as all the text encoders give."""
    given = sum(net.config.hidden_size for net in encoders.values())
    width = unet.config.cross_attention_dim
    if width_of(unet) != given:
        gives = "gives" if len(encoders) == 1 else "give"
        raise ValueError(
            f"{whose} {gives} {given} values a token (hidden_size), but the unet takes {width} "
            "(cross_attention_dim)"
        )


def check_latents(unet: Net, vae: Net) -> None:
    """ValueError unless the UNet works on the VAE's latents, and gives as many channels.

    Beside them it may take what `channels` knows.
    """
    channels.layout(unet, vae)
    latent, out = vae.config.latent_channels, unet.config.out_channels
    if out != latent:
        raise ValueError(
            f"the unet takes latents of {latent} channels (in_channels) and gives {out} "
            "(out_channels): mdx runs those that give as many as they take"
        )


def check_text(words: Tokenizer | None, encoder: Net | None, which: str = "") -> None:
    """ValueError unless a text encoder embeds all ids, and has a place for each of a row.

    `which` is what its folder's name ends with, "" or "_2".
    """
    if words is None or encoder is None:
        return
    text = encoder.config
    if words.size > text.vocab_size:
        raise ValueError(
            f"the tokenizer{which} has ids up to {words.size - 1}, but the text encoder{which} "
            f"embeds {text.vocab_size} (vocab_size)"
        )
    if words.length > text.max_position_embeddings:
        raise ValueError(
            f"the tokenizer{which} makes rows of {words.length} ids (model_max_length), but the "
            f"text encoder{which} has {text.max_position_embeddings} positions "
            "(max_position_embeddings)"
        )


def width_of(unet: Net) -> int | None:
    """How many values a token the UNet reads; None if it is not the same number everywhere."""
    width = unet.config.cross_attention_dim
    widths = set(width) if isinstance(width, tuple | list) else {width}
    return widths.pop() if len(widths) == 1 else None


def check_arrays(
    conditioning: Conditioning,
    needed: Mapping[str, tuple[int | None, ...]],
    optional: Mapping[str, tuple[int | None, ...]],
) -> None:
    """ValueError unless a conditioning has these arrays, float32, of such shapes after the batch.

    None is any number. What `channels.check` looks at is of every family.
    """
    arrays = conditioning.arrays
    for name, shape in {**needed, **optional}.items():
        if name not in arrays:
            if name in needed:
                raise ValueError(f"the conditioning has no {name}, which the network reads")
            continue
        found = arrays[name].shape[1:]
        alike = len(found) == len(shape) and all(
            b in (None, a) for a, b in zip(found, shape, strict=True)
        )
        if not alike or arrays[name].dtype.kind != "f":
            wanted = ", ".join("any" if side is None else str(side) for side in ("B", *shape))
            raise ValueError(
                f"{name} of the conditioning must be float32 ({wanted}), not {arrays[name].dtype} "
                f"{arrays[name].shape}"
            )
    if unknown := sorted(arrays.keys() - needed.keys() - optional.keys() - {channels.NAME}):
        raise ValueError(f"the network reads no {', '.join(unknown[:3])} of a conditioning")
