"""Where the parts of a checkpoint lie in one file: by which prefix, and by whose names."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mdx.single_file import text_names, unet_names, vae_names
from mdx.single_file.names import Names
from mdx.single_file.unet_names import Shapes

__all__ = [
    "ALONE", "AVERAGES", "PREFIXES", "SIGNS", "Held", "found", "is_beside", "names_of",
    "says_nothing", "stripped",
]  # fmt: skip

# Of the network that denoises, in files of all ages and tools; the last one where it is alone.
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.model.", "net.", "")

# A tensor that every net of a kind has, by whose names it is called.
SIGNS = {
    "unet": {
        "original": "input_blocks.0.0.weight",
        "diffusers": "down_blocks.0.resnets.0.norm1.weight",
    },
    "vae": {
        "original": "decoder.up.0.block.0.norm1.weight",
        "diffusers": "decoder.up_blocks.0.resnets.0.norm1.weight",
    },
    "clip": {
        "transformers": "text_model.embeddings.token_embedding.weight",
        "transformers, bare": "embeddings.token_embedding.weight",
        "OpenCLIP": "token_embedding.weight",
    },
}

# What a folder in the diffusers layout, or a file of one part, may have before its names.
ALONE = {
    "unet": (*PREFIXES[:-1], "unet.", ""),
    "vae": ("first_stage_model.", "vae.", ""),
    "clip": (
        "cond_stage_model.transformer.", "cond_stage_model.model.",
        "text_encoders.clip_l.transformer.", "text_encoders.clip_g.transformer.", "text_encoder.",
        "",
    ),
}  # fmt: skip


# Tensors of a part that nets do not read: of training, of the other half of CLIP, and buffers.
BESIDE = {
    "unet": re.compile(r"(?!)"),
    "vae": re.compile(r"(loss|model_ema)\..*"),
    "clip": re.compile(
        r"(.*\.)?(position_ids|logit_scale|attn_mask)|(vision_model|visual|visual_projection)\..*"
    ),
}
AVERAGES = "model_ema."  # of weights over training, in files of it

# Tensors beside the parts that say nothing, or what is read elsewhere.
KNOWN = {
    "alphas_cumprod", "alphas_cumprod_prev", "betas", "denoiser.log_sigmas", "denoiser.sigmas",
    "edm_mean", "edm_std", "edm_vpred.sigma_max", "edm_vpred.sigma_min", "global_step",
    "log_one_minus_alphas_cumprod", "logvar", "lvlb_weights", "model_ema.decay",
    "model_ema.num_updates", "posterior_log_variance_clipped", "posterior_mean_coef1",
    "posterior_mean_coef2", "posterior_variance", "scale_factor", "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod",
    "v_pred", "ztsnr",
}  # fmt: skip


class Held(NamedTuple):
    """How one part lies in a file."""

    kind: str  # of net: "unet", "vae" or "clip"
    prefix: str  # before the names of its tensors
    layout: str  # whose names they are: see SIGNS


def found(kind: str, shapes: Shapes, prefixes: Sequence[str] | None = None) -> Held | None:
    """How a part of a kind lies in a file.

    Args:
        kind: of net.
        shapes: of the file's tensors, by name.
        prefixes: those that its names may have, the likelier first; None for all that are known.

    Returns:
        How, by the first prefix that fits; None where there is none.
    """
    for prefix in ALONE[kind] if prefixes is None else prefixes:
        for layout, sign in SIGNS[kind].items():
            if prefix + sign in shapes:
                return Held(kind, prefix, layout)
    return None


def stripped(shapes: Mapping[str, tuple[int, ...]], held: Held) -> dict[str, tuple[int, ...]]:
    """The tensors of one part, by their names without its prefix.

    Args:
        shapes: of the file's tensors, by name.
        held: how the part lies in it.

    Returns:
        Their shapes. With no prefix it is all of them.
    """
    prefix = held.prefix
    return {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}


def names_of(held: Held, shapes: Shapes) -> Names:
    """How the file calls the weights of a part, by what is there of it.

    Args:
        held: how the part lies in the file.
        shapes: of its tensors, by their names without the prefix.

    Returns:
        The Names.
    """
    if held.layout == "original":
        if held.kind == "unet":
            return unet_names.names(unet_names.blocks(shapes))
        return vae_names.names(vae_names.blocks(shapes))
    if held.layout == "OpenCLIP":
        return text_names.open_clip(text_names.depth(shapes))
    return text_names.BARE if held.layout == "transformers, bare" else text_names.OWN


def is_beside(kind: str, key: str) -> bool:
    """Whether a tensor of a part is one that says nothing of what its net computes.

    Args:
        kind: of net.
        key: the tensor's name without the part's prefix.

    Returns:
        Whether it is.
    """
    return BESIDE[kind].fullmatch(key) is not None


def says_nothing(name: str) -> bool:
    """Whether a tensor beside the parts is one of training, or is read for a schedule.

    Args:
        name: of the tensor.

    Returns:
        Whether it is; one of means over training is none of these.
    """
    return name in KNOWN or name.endswith((".logit_scale", ".position_ids"))
