"""What graphs, maps and the process itself take in memory, as it was measured on a device.

`memory_figures.json` has the figures; `benchmarks/plan_fit.py` measures and writes them.
memory_counts.py says how many of each thing a run holds.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mdx.kernels.device import ASCEND, CPU, CPU_AVX512, CPU_NATIVE, CPU_NATIVE_BFLOAT16, Lowering

__all__ = ["FILE", "MAPS", "Counts", "Figures", "bytes_held", "figures", "name_of"]

FILE = Path(__file__).with_name("memory_figures.json")
NATIVE = "cpu-native"
# Bytes that native operators work in and keep between calls, where nobody measured them with the
# rest: SD 1.5's UNet at 64x64 latents has 108 MB by two threads (`mdx_memory` of the library).
SCRATCH = 160_000_000


class Figures(NamedTuple):
    """What one of each thing takes, in bytes, or in bytes for each byte."""

    process: float  # Python, MindSpore and mdx, and what the first graph of a process brings along
    text_layers: float  # a layer of the text encoders, in their graphs
    text_maps: float  # a byte of the text encoders' largest layer
    text_casts: float  # a byte of the float32 copies that a text encoder makes of half weights
    traced_layers: float  # a layer of a UNet that is one graph, while that is traced
    traced_loops: float  # and the loop around it, where all steps are one graph
    whole_layers: float  # a layer of such a graph from then on
    loops: float  # and such a loop
    own_layers: float  # a layer of the graphs of a UNet whose stages are graphs of their own
    wide_graphs: float  # a UNet with channels enough for Winograd's convolutions
    parts: float  # a part more in which the attention of a picture is done, in a graph
    unet_maps: float  # a byte of the largest map that enters a stage of the UNet
    wide_maps: float  # the same, of a UNet with channels enough for Winograd's convolutions
    hidden: float  # a byte of the part of a hidden layer that exists at once
    noise: float  # a byte of the noise of all steps, where they are one graph
    unet_casts: float  # a byte of the float32 copies that a UNet, or its stage, makes
    vae_graph: float  # the VAE's
    wide_vae_graph: float  # the same, where it has channels enough for Winograd's convolutions
    vae_maps: float  # a byte of the largest map that enters a level of the decoder
    wide_vae_maps: float  # the same, where it has channels enough for Winograd's convolutions
    middle_maps: float  # a byte of the map before the tiles
    vae_casts: float  # a byte of the float32 copies that the VAE makes
    left_maps: float  # a byte of the UNet's largest map that the VAE finds still held
    left_wide_maps: float  # the same, of a UNet with channels enough for Winograd's convolutions
    pictures: float  # a byte of all pixels of all pictures


class Counts(NamedTuple):
    """How many of each thing of `Figures`, field for field, a step holds."""

    process: float = 1
    text_layers: float = 0
    text_maps: float = 0
    text_casts: float = 0
    traced_layers: float = 0
    traced_loops: float = 0
    whole_layers: float = 0
    loops: float = 0
    own_layers: float = 0
    wide_graphs: float = 0
    parts: float = 0
    unet_maps: float = 0
    wide_maps: float = 0
    hidden: float = 0
    noise: float = 0
    unet_casts: float = 0
    vae_graph: float = 0
    wide_vae_graph: float = 0
    vae_maps: float = 0
    wide_vae_maps: float = 0
    middle_maps: float = 0
    vae_casts: float = 0
    left_maps: float = 0
    left_wide_maps: float = 0
    pictures: float = 0


# Those that are feature maps and other results of the step itself.
MAPS = (
    "text_maps", "unet_maps", "wide_maps", "hidden", "noise",
    "vae_maps", "wide_vae_maps", "middle_maps", "pictures",
)  # fmt: skip


def name_of(lowering: Lowering) -> str:
    """The name under which a device's figures are kept; "" for one that has none by rule."""
    names = {CPU: "cpu", CPU_AVX512: "cpu-avx512", ASCEND: "ascend"}
    names |= {CPU_NATIVE: NATIVE, CPU_NATIVE_BFLOAT16: NATIVE}
    return names.get(lowering, "")


def figures(name: str) -> tuple[Figures, bool]:
    """A device's figures by name, and whether they were measured there.

    Where it has none, others' stand in: the largest of each, and what native operators work in.
    """
    known = {key: Figures(**value["figures"]) for key, value in _file().items()}
    if name in known:
        return known[name], True
    most = Figures(*(max(values) for values in zip(*known.values(), strict=True)))
    if name == NATIVE:
        most = most._replace(process=most.process + SCRATCH)
    return most, False


@functools.cache
def _file() -> Mapping[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))


def bytes_held(each: Figures, counts: Counts, fields: Sequence[str]) -> float:
    """What the things of some fields take together."""
    return sum(getattr(each, field) * getattr(counts, field) for field in fields)
