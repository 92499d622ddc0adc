"""The kinds of nets that parts of checkpoints are."""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from mdx.nets import clip, unet, vae
from mdx.weights import new_text_names, old_vae_names

__all__ = ["NETS", "Kind"]


class Kind(NamedTuple):
    """One kind of net."""

    module: ModuleType  # with Config, from_json, shapes and depth
    base: str  # of the names of its weights' files
    rename: Callable[[str], str] | None = None  # a name that weights once had to today's


NETS = {
    "clip": Kind(clip, "model", new_text_names),
    "unet": Kind(unet, "diffusion_pytorch_model"),
    "vae": Kind(vae, "diffusion_pytorch_model", old_vae_names),
}
