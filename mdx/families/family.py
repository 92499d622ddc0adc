"""What a family of checkpoints supplies, as a record of data and plain functions.

A family is one kind of checkpoint: its parts by their folders, how a prompt becomes conditioning,
and what its network reads. Everything above the nets is written for any family.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from mdx.conditioning import Conditioning
from mdx.families import channels
from mdx.families.channels import Layout
from mdx.sizes import Sizes
from mdx.text.syntaxes import PLAIN

__all__ = ["CLIP_TEXT", "CLIP_TOKENIZER", "Asked", "Family", "Part"]


class Part(NamedTuple):
    """One folder of a checkpoint."""

    kind: str  # "tokenizer", "scheduler", or of which net: see `NETS` of kinds.py
    classes: frozenset[str]  # by which model_index.json may call it; the same net has had several
    required: bool = True  # a model without it is none of the family


class Asked(NamedTuple):
    """What is asked of conditioning beside the texts."""

    negative: bool = False  # whether it is what guidance moves away from
    second: tuple[str, ...] | None = None  # texts of the second text encoder; None: the same ones
    sizes: Sizes | None = None  # micro-conditioning; None: of the picture that is drawn
    clip_skip: int | None = None  # layers of the text encoders left out beyond the usual
    syntax: str = PLAIN  # how the texts are written: of mdx.text.SYNTAXES
    chunks: tuple[int, ...] | None = None  # of each text, as many as it has at least; None: its own


def _never(model: Any) -> bool:
    return False


def _as_it_stands(index: Any, json: Mapping[str, Any]) -> dict[str, Any]:
    return dict(json)


# What model_index.json calls the parts that several families have.
CLIP_TOKENIZER = frozenset({"CLIPTokenizer", "CLIPTokenizerFast"})
CLIP_TEXT = frozenset({"CLIPTextModel", "CLIPTextModelWithProjection"})


class Family(NamedTuple):
    """One kind of checkpoint."""

    name: str  # by which a Conditioning says whom it is for
    title: str  # in sentences
    record: type  # of its models: its fields are the folders of `parts`, and `index`
    parts: Mapping[str, Part]  # by folder, in the order of the record's fields
    guidance: Callable[[Any], float]  # (model) -> how far to guide where nobody says
    # (model) -> None; ValueError where one part's output is not what the next one takes
    check: Callable[[Any], None]
    # (model, texts, Asked) -> their conditioning; texts None: of a negative prompt nobody gave
    encode: Callable[[Any, list[str] | None, Asked], Conditioning]
    # (model, conditioning) -> None; ValueError for one that its network cannot read
    fits: Callable[[Any, Conditioning], None]
    # (model) -> (conditioning, shape of the sample (B, C, h, w)) -> what the network reads, by name
    inputs: Callable[[Any], Callable[[Conditioning, tuple[int, ...]], dict[str, NDArray[Any]]]]
    network: str = "unet"  # the part that denoises
    # (model) -> whether its network reads the number by which others are guided
    embeds_guidance: Callable[[Any], bool] = _never
    # (index, config.json of the network) -> as it is meant
    meant: Callable[[Any, Mapping[str, Any]], dict[str, Any]] = _as_it_stands
    # Of a prompt's arrays, those that a negative one without them is told, too.
    shared: tuple[str, ...] = ()
    # Whether a VAE whose config says force_upcast is held in float32: its numbers overflow in half.
    upcasts_vae: bool = False
    # Whether its text encoders are CLIP's, whose vectors weights of words can change.
    weighs_words: bool = False

    def layout(self, model: Any) -> Layout:
        """What the network of a model reads in channels behind the sample's: see `channels`."""
        return channels.layout(getattr(model, self.network), model.vae)

    def check_conditioning(self, model: Any, conditioning: Conditioning) -> None:
        """ValueError for a conditioning that the network of a model cannot read."""
        self.fits(model, conditioning)
        channels.check(getattr(model, self.network), model.vae, conditioning)

    def encoders(self, model: Any) -> list[str]:
        """The folders of a model's text encoders, those that it has."""
        return [
            name
            for name, part in self.parts.items()
            if part.kind == "clip" and getattr(model, name) is not None
        ]

    def tokenizers(self, model: Any) -> list[str]:
        """The folders of a model's tokenizers, those that it has."""
        return [
            name
            for name, part in self.parts.items()
            if part.kind == "tokenizer" and getattr(model, name) is not None
        ]
