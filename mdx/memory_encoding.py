"""What a run that begins with pictures holds beside others: the step that makes latents of them."""

import math

from mdx.kernels.device import WINOGRAD
from mdx.memory import Memory
from mdx.memory_counts import Moment, Nets, Size, Work
from mdx.memory_figures import Counts
from mdx.nets import vae

__all__ = ["with_pictures"]


def with_pictures(works: tuple[Work, ...], nets: Nets, size: Size, memory: Memory) -> list[Work]:
    """The steps of a run with the VAE's encoder after the text encoder.

    Args:
        works: as `memory_counts.counted` gives them.
        nets, size, memory: what they were counted of.
    """
    text, *later = works
    kept, [(texts, counts), *_] = memory.weights == "all", text.moments
    encoded = _counts(nets, size, counts)
    weights = kept * texts + nets.vae.encoder
    encoding = Work("VAE's encoder", nets.copied, (Moment(weights, encoded),))
    return [text, encoding, *(_beside(work, encoded, kept * nets.vae.encoder) for work in later)]


def _counts(nets: Nets, size: Size, text: Counts) -> Counts:
    """The decoder's figures stand in: the encoder has fewer layers of the same kinds."""
    config, pixels = nets.vae.net.config, math.prod(size.latents) * _area(nets)
    maps = 4 * config.block_out_channels[0] * pixels
    wide = max(config.block_out_channels) >= WINOGRAD.channels
    return Counts(
        text_layers=text.text_layers,
        vae_graph=1,
        wide_vae_graph=int(wide),
        vae_maps=0 if wide else maps,
        wide_vae_maps=maps if wide else 0,
        vae_casts=4 * nets.vae.encoder / nets.vae.each if nets.vae.cast else 0,
        pictures=4 * 3 * pixels * size.pictures,
    )


def _area(nets: Nets) -> int:
    """Pixels of a latent."""
    return vae.factor(nets.vae.net.config) ** 2


def _beside(work: Work, encoded: Counts, held: int) -> Work:
    """A step after pictures became latents, whose graph and pixels are still there."""
    moments = []
    for weights, counts in work.moments:
        graphs = counts._replace(
            vae_graph=counts.vae_graph + encoded.vae_graph,
            wide_vae_graph=counts.wide_vae_graph + encoded.wide_vae_graph,
            pictures=counts.pictures + encoded.pictures,
        )
        moments.append(Moment(weights + held, graphs))
    return work._replace(moments=tuple(moments))
