"""What networks read in channels behind those of the sample: pictures and masks, unscaled.

A layout is the names of what lies there, in order. A network's number of channels says which it
has; what has a number of its own and is not here is refused by name.
"""

from typing import TypeAlias

from mdx.conditioning import Conditioning
from mdx.net import Net

__all__ = ["INPAINT", "INSTRUCT", "PLAIN", "UPSCALE", "Layout", "check", "layout"]

Layout: TypeAlias = tuple[str, ...]

PLAIN: Layout = ()
# Where a latent is drawn anew, 1, and the picture's latents with those pixels grey: the inpainting
# checkpoints of arXiv 2112.10752.
INPAINT: Layout = ("mask", "masked")
# The picture's latents as the autoencoder has them, unscaled: InstructPix2Pix, arXiv 2211.09800.
INSTRUCT: Layout = ("image",)
# The small picture's pixels from -1 to 1, with noise: arXiv 2112.10752, section 4.4.
UPSCALE: Layout = ("low",)

NAME = "channels"  # of the array in a conditioning, (B, C, h, w)

DEPTH = 1  # channel of a depth map


def layout(unet: Net, vae: Net) -> Layout:
    """What a network reads behind the sample's channels; ValueError for what mdx does not run."""
    latent, channels = vae.config.latent_channels, unet.config.in_channels
    more = channels - latent
    told = getattr(unet.config, "num_class_embeds", None) is not None
    known = {0: PLAIN, latent + 1: INPAINT, latent: INSTRUCT}
    if told:
        known = {3: UPSCALE}
    if more in known:
        return known[more]
    found = (
        f"the vae's latents have {latent} channels (latent_channels), but the unet takes {channels}"
        " (in_channels)"
    )
    if more == DEPTH and not told:
        raise ValueError(
            f"{found}: one more is a depth map's, and depth checkpoints are not supported"
        )
    if told:
        raise ValueError(f"{found}: expected 3 more, a small picture's, as upscalers have them")
    raise ValueError(
        f"{found}: expected as many, {2 * latent + 1} as inpainting checkpoints have, or "
        f"{2 * latent} as InstructPix2Pix has"
    )


def check(unet: Net, vae: Net, conditioning: Conditioning) -> None:
    """ValueError unless a conditioning has the channels that a network reads behind the sample."""
    wanted = unet.config.in_channels - vae.config.latent_channels
    found = conditioning.arrays.get(NAME)
    if found is None:
        if wanted:
            raise ValueError(
                f"the conditioning has no {NAME}, and the network reads {wanted} beside the sample"
            )
        return
    if found.ndim != 4 or found.shape[1] != wanted or found.dtype.kind != "f" or not wanted:
        what = f"float32 (B, {wanted}, h, w)" if wanted else "left out: the network reads none"
        raise ValueError(
            f"{NAME} of the conditioning must be {what}, not {found.dtype} {found.shape}"
        )
