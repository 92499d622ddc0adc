"""What each step of a run holds in memory, counted: weights in bytes, graphs, feature maps.

Counts follow from shapes alone; memory_figures.py says what one of each takes.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from mdx.kernels.attention_maps import CACHED, PARTS
from mdx.kernels.device import CPU, WINOGRAD, attention_rule, lowering
from mdx.kernels.parts import even_size
from mdx.memory import Memory
from mdx.memory_figures import Counts
from mdx.net import Net
from mdx.nets import unet_stages, vae
from mdx.nets.unet_stages import Stage
from mdx.sampling import staged
from mdx.weights import dtype_of

__all__ = ["Held", "Moment", "Nets", "Size", "Work", "counted", "weighed"]


ROWS = 64  # of noise in a graph of all steps, which is padded to so many; more steps are more


# MindSpore takes memory from the system in pieces of this size and gives none of them back; a share
# of what lies beyond the first is not used again. Of SDXL in float16, 1024x1024: benchmarks/
# sdxl_memory.py.
POOL, STAYS = 2**30, 0.5
ENCODER = ("encoder.", "quant_conv")  # how the names of a VAE's encoder's weights begin


class Held(NamedTuple):
    """A net and the bytes of its weights."""

    net: Net
    each: int  # of one number
    mapped: int  # in memory while they are used
    copied: int  # in memory always: no part of a mapped file
    cast: int  # float32 copies of all that is no float32
    encoder: int  # of a VAE's encoder, which is in none of these


class Nets(NamedTuple):
    """The nets of a model, weighed."""

    texts: tuple[Held, ...]  # text encoders, in the order in which they run
    unet: Held
    vae: Held
    stages: tuple[int, ...]  # parameters of each of the UNet's stages

    @property
    def copied(self) -> int:
        """Bytes of weights that are in memory always."""
        return sum(held.copied for held in (*self.texts, self.unet, self.vae))


class Size(NamedTuple):
    """What a run makes."""

    latents: tuple[int, int]  # height and width
    batch: int  # pictures at once
    guided: bool  # whether the UNet is called with twice as many
    pictures: int  # in all
    one_graph: bool  # whether all steps are one compiled graph

    @property
    def rows(self) -> int:
        """The UNet's batch, both halves of guidance together."""
        return 2 * self.batch if self.guided else self.batch

    @property
    def batches(self) -> int:
        """Kinds of batches, each with graphs of its own: the last may be smaller."""
        return 2 if self.pictures % self.batch else 1


class Moment(NamedTuple):
    """One of those at which a step may hold most."""

    weights: int  # bytes of mapped weights that are in memory then
    counts: Counts


class Work(NamedTuple):
    """One step of a run, counted."""

    name: str  # "text encoder", "UNet" or "VAE"; see memory_encoding.py for another
    copied: int  # bytes of weights that are no part of a file
    moments: tuple[Moment, ...]


def weighed(texts: Sequence[Net], unet: Net, decoder: Net, dtype: str | None = None) -> Nets:
    """The bytes of a model's weights: as they are, or as if it were loaded in a dtype.

    Args:
        texts: text encoders.
        unet: the denoiser.
        decoder: the VAE.
        dtype: of the weights, or None for each net's own. Another dtype than a net's own is
            a copy in memory.
    """
    config = unet.config
    sizes = [
        sum(map(math.prod, unet_stages.shapes(config, stage).values()))
        for stage in unet_stages.stages(config)
    ]
    encoders = tuple(_held(net, dtype) for net in texts)
    return Nets(encoders, _held(unet, dtype), _held(decoder, dtype), tuple(sizes))


def _held(net: Net, dtype: str | None) -> Held:
    own = dtype_of(net.params)
    each = _bytes(dtype or own)
    mapped = copied = 0
    for name, param in net.params.items():
        if dtype not in (None, own) or name not in net.places:
            copied += each * param.size
        elif not _unused(name):
            mapped += each * param.size
    held = dtype or own
    # A CPU looks words up in float16, and in bfloat16 in what is made of the whole table. Native
    # operators read all others as they lie.
    plain, words = not lowering().fused, held == "bfloat16"
    cast = sum(
        4 * param.size
        for name, param in net.params.items()
        if (plain and not _unused(name)) or (words and "token_embedding" in name)
    )
    cast *= held != "float32"
    encoder = sum(each * p.size for name, p in net.params.items() if name.startswith(ENCODER))
    return Held(net, each, mapped, copied, cast, encoder)


def _unused(name: str) -> bool:
    """Whether a picture leaves a weight alone: the VAE's encoder, and words that no prompt has."""
    return name.startswith(ENCODER) or "token_embedding" in name


def _bytes(dtype: str) -> int:
    """Of one number."""
    return 4 if dtype == "float32" else 2


def counted(nets: Nets, size: Size, memory: Memory) -> tuple[Work, Work, Work]:
    """The steps of a run, in the order in which they run; nothing of the weights is read.

    Args:
        nets: as `weighed` gives them.
        size: what the run makes.
        memory: what is held at once.
    """
    kept = memory.weights == "all"
    texts = sum(held.mapped for held in nets.texts)
    text = _text_counts(nets)
    unet = _unet_moments(nets, size, memory, text.text_layers, kept * texts)
    weights = nets.vae.mapped + kept * (texts + nets.unet.mapped)
    decoded = _vae_counts(nets, size, memory, unet[0].counts)
    # What a large text encoder had cast stays with MindSpore, in part in the way of what follows.
    stays = STAYS * max(0, text.text_casts - POOL)
    unet = tuple(one._replace(counts=one.counts._replace(text_casts=stays)) for one in unet)
    decoded = decoded._replace(text_casts=stays)
    # Before it has maps of its own the UNet's are still there.
    begun = decoded._replace(
        unet_maps=decoded.left_maps, wide_maps=decoded.left_wide_maps, left_maps=0,
        left_wide_maps=0, vae_maps=0, wide_vae_maps=0,
    )  # fmt: skip
    return (
        Work("text encoder", nets.copied, (Moment(texts, text),)),
        Work("UNet", nets.copied, unet),
        Work("VAE", nets.copied, (Moment(weights, decoded), Moment(weights, begun))),
    )


def _text_counts(nets: Nets) -> Counts:
    configs = [held.net.config for held in nets.texts]
    layers = [
        4 * config.max_position_embeddings * (4 * config.hidden_size + 2 * config.intermediate_size)
        for config in configs
    ]
    return Counts(
        text_layers=sum(config.num_hidden_layers for config in configs),
        text_maps=max(layers, default=0),
        text_casts=max((held.cast for held in nets.texts), default=0),
    )


def _unet_moments(
    nets: Nets, size: Size, memory: Memory, text_layers: float, texts: int
) -> tuple[Moment, ...]:
    """While it runs, first; and while it is traced, or its largest weights are cast.

    texts: bytes of the text encoders' weights that are still in memory.
    """
    held, config = nets.unet, nets.unet.net.config
    stages = unet_stages.stages(config)
    own_graphs = staged.in_stages(held.net, memory) and not size.one_graph
    maps = [4 * size.rows * _tokens(size, stage) * stage.inputs for stage in stages]
    hidden = [
        4
        * (4 if lowering().fused else 8)
        * unet_stages.transformer_config(config, stage).channels
        * size.rows
        * _tokens(size, stage)
        for stage in stages
        if stage.kind == "transformer"
    ]
    wide, largest = _wide(config), max(maps)
    noise = 4 * ROWS * size.batch * config.out_channels * math.prod(size.latents)
    # Stages that are graphs of their own share one where they are alike.
    kinds = {staged.graph_of(config, stage._replace(name="")) for stage in stages}
    graphs = kinds if own_graphs else stages
    layers = size.batches * sum(_layers(config, stage) for stage in graphs)
    traced = Counts(
        text_layers=text_layers,
        wide_graphs=int(wide),
        parts=size.batches * sum(_parts(config, size, memory, stage) for stage in graphs),
    )
    at_work = traced._replace(
        unet_maps=0 if wide else largest,
        wide_maps=largest if wide else 0,
        hidden=min(memory.part_bytes, max(hidden, default=0)),
        noise=noise * size.one_graph,
    )
    weights = texts + held.mapped
    if not own_graphs:
        loops = size.batches * size.one_graph
        running = at_work._replace(whole_layers=layers, loops=loops, unet_casts=held.cast)
        tracing = traced._replace(traced_layers=layers, traced_loops=loops)
        return Moment(weights, running), Moment(weights, tracing)
    largest_stage = max(nets.stages)
    if memory.weights == "stage":
        weights = texts + min(held.mapped, held.each * largest_stage)
    running = at_work._replace(own_layers=layers)
    # What a coarse stage's weights are cast to finds room where hidden layers of fine ones were.
    casting = running._replace(hidden=0, unet_casts=4 * largest_stage * (held.cast > 0))
    return Moment(weights, running), Moment(weights, casting)


def _layers(config: Any, stage: Stage) -> int:
    """How many of a UNet's layers a stage is: a transformer may have several."""
    return unet_stages.transformer_config(config, stage).depth if stage.kind == "transformer" else 1


def _parts(config: Any, size: Size, memory: Memory, stage: Stage) -> int:
    """How many parts more than one a transformer's attention to its own tokens is done in.

    On maps it is done picture by picture, and of each in parts: see attention_maps.py. Native
    operators have no scores to part.
    """
    if stage.kind != "transformer" or lowering().fused:
        return 0
    reader, tokens = unet_stages.transformer_config(config, stage), _tokens(size, stage)
    each = 4 * reader.heads * tokens
    if attention_rule(CPU.attention, tokens, flash=False) == "maps":
        most = min(memory.part_bytes, max(CACHED, each * tokens // PARTS))
        parts = size.rows * _count(tokens, each, most)
    else:
        parts = _count(tokens, size.rows * each, memory.part_bytes)
    return reader.depth * (parts - 1)


def _count(tokens: int, each: int, part_bytes: int) -> int:
    """How many parts tokens of so many bytes each make."""
    return -(-tokens // even_size(tokens, each, part_bytes))


def _wide(config: Any) -> bool:
    """Whether a net has channels enough for Winograd's convolutions."""
    return max(config.block_out_channels) >= WINOGRAD.channels


def _tokens(size: Size, stage: Stage) -> int:
    height, width = size.latents
    return math.ceil(height / 2**stage.level) * math.ceil(width / 2**stage.level)


def _vae_counts(nets: Nets, size: Size, memory: Memory, before: Counts) -> Counts:
    """The VAE's step after a UNet's, whose graphs stay and whose maps leave room behind."""
    config = nets.vae.net.config
    channels, factor = config.block_out_channels, vae.factor(config)
    entering = channels[min(1, len(channels) - 1)]  # the last level's input
    tile = memory.tile or max(size.latents)
    height, width = (min(tile, side) for side in size.latents)
    maps = 4 * entering * height * width * factor**2
    tiled = tile < max(size.latents)
    wide, graphs = _wide(config), 2 if tiled else 1
    return before._replace(
        unet_maps=0, wide_maps=0, hidden=0, noise=0, unet_casts=0,
        left_maps=before.unet_maps,
        left_wide_maps=before.wide_maps,
        vae_graph=graphs,
        wide_vae_graph=graphs * wide,
        vae_maps=0 if wide else maps,
        wide_vae_maps=maps if wide else 0,
        middle_maps=4 * channels[-1] * math.prod(size.latents) if tiled else 0,
        vae_casts=nets.vae.cast,
        pictures=4 * 3 * math.prod(size.latents) * factor**2 * size.pictures,
    )  # fmt: skip
