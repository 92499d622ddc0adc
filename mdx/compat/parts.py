"""The parts of a pipeline as scripts hold them: nets and tokenizers."""

import os
from pathlib import Path
from typing import Any, TypeVar

import mdx
from mdx.checks import shown
from mdx.compat.configs import Config
from mdx.compat.loading import NAMES, loaded_as
from mdx.compat.unmapped import unmapped
from mdx.nets import vae
from mdx.tokenizer import Tokenizer

__all__ = [
    "AutoencoderKL", "CLIPTextModel", "CLIPTextModelWithProjection", "CLIPTokenizer", "Part",
    "UNet2DConditionModel", "as_part",
]  # fmt: skip

P = TypeVar("P", bound="Part")

LEAST_TILE = 16  # latents a side, as mdx.Memory has it

NETS = {
    "__call__": "pipe.model is what mdx calls: mdx.denoiser, mdx.encode_prompt, mdx.decode",
    "to": "choose the dtype where it is loaded, as from_pretrained(..., mindspore_dtype=...)",
    "half": "choose the dtype where it is loaded, as from_pretrained(..., mindspore_dtype=...)",
    "set_attn_processor": "mdx chooses how attention is computed",
    "enable_forward_chunking": "hidden layers are made in parts: mdx.Memory(part_bytes=...)",
    "fuse_qkv_projections": "mdx chooses how attention is computed",
}


@unmapped(NETS)
class Part:
    """A net or a tokenizer of a checkpoint: `value` is what mdx calls it."""

    value: Any  # a mdx.Net, or a tokenizer

    def __init__(self, value: Any) -> None:
        self.value = value

    @classmethod
    def from_pretrained(
        cls: type[P],
        pretrained_model_name_or_path: str | os.PathLike[str],
        subfolder: str | None = None,
        **asked: Any,
    ) -> P:
        """Load a part of a checkpoint, by `mdx.load`.

        Args:
            pretrained_model_name_or_path: the checkpoint's folder or Hub id.
            subfolder: the part's within it.
            asked: mindspore_dtype, variant, revision, use_safetensors and local_files_only.

        Returns:
            The part.

        Raises:
            OSError, ValueError, TypeError: as `mdx.load`, and for what is not mapped.
        """
        where = f"{cls.__name__}.from_pretrained"
        if CLASSES.get(subfolder or "") is not cls:
            own = [name for name, kind in CLASSES.items() if kind is cls]
            raise ValueError(
                f"{where} loads a part of a whole checkpoint: say subfolder as one of "
                f"{', '.join(own)}, not {shown(subfolder)}; of a file, mdx.load_part loads one"
            )
        model = mdx.load(pretrained_model_name_or_path, **_options(where, asked))
        found = getattr(model, str(subfolder), None)
        if found is None:
            raise ValueError(f"{pretrained_model_name_or_path} has no {subfolder}")
        return cls(found)

    @property
    def config(self) -> Any:
        """What its config.json says, and the defaults for the rest."""
        return Config(self.value.config._asdict())

    @property
    def dtype(self) -> Any:
        """The dtype of its weights."""
        return next(iter(self.value.params.values())).dtype

    def __repr__(self) -> str:
        """Its class and what it holds."""
        return f"{type(self).__name__}({type(self.value).__name__} of mdx)"


class UNet2DConditionModel(Part):
    """The network that denoises."""


class CLIPTextModel(Part):
    """A text encoder."""


class CLIPTextModelWithProjection(Part):
    """A text encoder with a vector of the whole text."""


@unmapped({"__call__": "mdx.encode_prompt takes texts", "decode": "texts are what prompts are"})
class CLIPTokenizer(Part):
    """Text to ids."""

    @property
    def model_max_length(self) -> int:
        """How many ids a prompt becomes, its start and its end included."""
        return self.value.length

    def __len__(self) -> int:
        return self.value.size


@unmapped(
    {
        "encode": "mdx.encode(pipe.model, images) gives the latents that a UNet works on",
        "decode": "mdx.decode(pipe.model, latents) takes the latents that a UNet works on",
    }
)
class AutoencoderKL(Part):
    """The VAE: pictures to latents and back."""

    tiled: bool = False

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        subfolder: str | None = None,
        **asked: Any,
    ) -> "AutoencoderKL":
        """Load a VAE alone, by `mdx.load_vae`.

        Args:
            pretrained_model_name_or_path: a folder or a Hub id, which is one or has one in vae/.
            subfolder: "vae", or another of a folder.
            asked: mindspore_dtype, variant, revision, use_safetensors and local_files_only.

        Returns:
            The VAE.

        Raises:
            OSError, ValueError, TypeError: as `mdx.load_vae`, and for what is not mapped.
        """
        source = pretrained_model_name_or_path
        if subfolder not in (None, "", "vae"):
            source = Path(source, subfolder)
            if not source.is_dir():
                raise FileNotFoundError(
                    f"there is no folder {source}: of a Hub id only subfolder='vae' is looked at"
                )
        return cls(mdx.load_vae(source, **_options(f"{cls.__name__}.from_pretrained", asked)))

    @classmethod
    def from_single_file(
        cls, pretrained_model_link_or_path_or_dict: str | os.PathLike[str], **asked: Any
    ) -> "AutoencoderKL":
        """Load a VAE of one file, by `mdx.load_vae`.

        Args:
            pretrained_model_link_or_path_or_dict: the file.
            asked: mindspore_dtype, config and local_files_only.

        Returns:
            The VAE.

        Raises:
            OSError, ValueError, TypeError: as `mdx.load_vae`, and for what is not mapped.
        """
        names = {**NAMES, "config": "config"}
        options = _options(f"{cls.__name__}.from_single_file", asked, names)
        return cls(mdx.load_vae(pretrained_model_link_or_path_or_dict, **options))

    def enable_tiling(self, use_tiling: bool = True) -> None:
        """Decode large pictures in tiles that blend, as `mdx.Memory(tile=...)`."""
        self.tiled = bool(use_tiling)

    def disable_tiling(self) -> None:
        """Decode pictures whole."""
        self.tiled = False

    def enable_slicing(self) -> None:
        """Decode one picture after the other, which mdx always does."""

    def disable_slicing(self) -> None:
        """Nothing to do: mdx decodes one picture after the other."""

    @property
    def tile(self) -> int | None:
        """Latents a side of a tile: those of the pictures that it was trained on."""
        if not self.tiled:
            return None
        config = self.value.config
        size = config.sample_size
        side = max(size) if isinstance(size, tuple) else size
        return max(LEAST_TILE, side // vae.factor(config))


# The class of each part by its folder.
CLASSES: dict[str, type[Part]] = {
    "vae": AutoencoderKL,
    "unet": UNet2DConditionModel,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
    "tokenizer": CLIPTokenizer,
    "tokenizer_2": CLIPTokenizer,
}


def _options(where: str, asked: Any, names: Any = NAMES) -> dict[str, Any]:
    options, parts = loaded_as(where, asked, names)
    if parts:
        raise TypeError(f"{where} has no argument {sorted(parts)[0]!r}")
    return options


def as_part(name: str, value: Any) -> Part | None:
    """What a pipeline holds as its part `name`; TypeError by name for what can be none."""
    if value is None or isinstance(value, CLASSES[name]):
        return value
    if isinstance(value, Part):
        value = value.value
    wanted = Tokenizer if issubclass(CLASSES[name], CLIPTokenizer) else mdx.Net
    if not isinstance(value, wanted):
        raise TypeError(f"{name} must be a {CLASSES[name].__name__} or None, not {shown(value)}")
    return CLASSES[name](value)
