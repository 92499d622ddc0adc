"""A LoRA's file as a value: what it changes, layer by layer, in whatever dialect it is written.

Tools name the tensors of a layer by different endings; here each ending is a role. What stands
before it is the layer's name, which `lora_names` finds in a model.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from mdx import bfloat16
from mdx.adapters.lora_scales import Scales, scales_of
from mdx.adapters.lora_unread import refuse_others
from mdx.files import as_name, first_few
from mdx.safetensors_file import Entry, entries
from mdx.weights import STORED

__all__ = ["Layer", "Lora", "read"]


class Layer(NamedTuple):
    """What a file holds for one layer of a network."""

    kind: str  # one of KINDS
    tensors: Mapping[str, NDArray[Any]]  # by role, as stored; bfloat16 as float32
    scale: float  # what the product of the factors is multiplied by: alpha / r, as a rule


class Lora(NamedTuple):
    """What `load` returns: changes to the weights of a model, as they were learned.

    A value: equal and hashed by its file's numbers and names.
    """

    name: str  # of its file, without the ending
    digest: str  # SHA-256 of the numbers in the file: its first letters are how people name it
    layers: Mapping[str, Layer]  # by the layers' names in the file
    unread: tuple[str, ...] = ()  # tensors whose ending is no role
    base: str = ""  # what its metadata says that it was trained on; "" where it says nothing

    def __repr__(self) -> str:
        """Its name and how much it changes; its numbers are in its layers."""
        try:
            kinds = ", ".join(sorted({layer.kind for layer in self.layers.values()}))
            return f"Lora({self.name}: {len(self.layers)} layers, {kinds})"
        except (AttributeError, TypeError, ValueError):
            return "Lora(of fields that make none)"

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same numbers by the same names."""
        return isinstance(other, Lora) and _identity(self) == _identity(other)

    def __ne__(self, other: object) -> bool:
        """Whether they differ: a tuple would compare arrays, whose truth is ambiguous."""
        return not self == other

    def __hash__(self) -> int:
        """The same for equal ones."""
        return hash((self.digest, len(self.layers)))

    def __reduce__(self) -> tuple[Any, ...]:
        layers = {
            name: (layer.kind, dict(layer.tensors), layer.scale)
            for name, layer in self.layers.items()
        }
        return _again, (self.name, self.digest, layers, self.unread, self.base)


def _again(name: str, digest: str, layers: Any, unread: tuple[str, ...], base: str) -> Lora:
    made = {
        one: Layer(kind, MappingProxyType(tensors), scale)
        for one, (kind, tensors, scale) in layers.items()
    }
    return Lora(name, digest, MappingProxyType(made), unread, base)


def _identity(one: Lora) -> tuple[Any, ...]:
    layers = {
        name: (layer.kind, layer.scale, {r: a.shape for r, a in layer.tensors.items()})
        for name, layer in one.layers.items()
    }
    return one.digest, layers, one.unread


# What a tensor's name ends with, and its role. The first that fits counts.
ROLES = tuple(
    (re.compile(f"(?:{ending})$"), role)
    for ending, role in (
        # kohya's, diffusers' old ones, PEFT's with the name of its adapter or without.
        (r"(?:\.lora_down|\.lora\.down|_lora\.down|\.lora_linear_layer\.down)\.weight", "down"),
        (r"(?:\.lora_up|\.lora\.up|_lora\.up|\.lora_linear_layer\.up)\.weight", "up"),
        (r"\.lora_A(?:\.[^.]+)?\.weight|\.lora_A", "down"),
        (r"\.lora_B(?:\.[^.]+)?\.weight|\.lora_B", "up"),
        (r"\.lora_B(?:\.[^.]+)?\.bias|\.lora_up\.bias", "up_bias"),
        (r"\.lora_mid\.weight", "mid"),
        (r"(?:\.lora|_lora|\.lora_linear_layer)?\.alpha", "alpha"),
        (r"\.dora_scale", "dora_scale"),
        (r"\.lora_magnitude_vector(?:\.[^.]+)??(?:\.weight)?", "magnitude"),
        # LyCORIS's; PEFT's may have the name of its adapter behind them.
        (r"\.hada_w1_a(?:\.[^.]+)?", "w1_a"),
        (r"\.hada_w1_b(?:\.[^.]+)?", "w1_b"),
        (r"\.hada_w2_a(?:\.[^.]+)?", "w2_a"),
        (r"\.hada_w2_b(?:\.[^.]+)?", "w2_b"),
        (r"\.hada_t1(?:\.[^.]+)?", "t1"),
        (r"\.hada_t2(?:\.[^.]+)?", "t2"),
        (r"\.lokr_w1(?:\.[^.]+)?", "k1"),
        (r"\.lokr_w1_a(?:\.[^.]+)?", "k1_a"),
        (r"\.lokr_w1_b(?:\.[^.]+)?", "k1_b"),
        (r"\.lokr_w2(?:\.[^.]+)?", "k2"),
        (r"\.lokr_w2_a(?:\.[^.]+)?", "k2_a"),
        (r"\.lokr_w2_b(?:\.[^.]+)?", "k2_b"),
        (r"\.lokr_t2(?:\.[^.]+)?", "kt2"),
        (r"\.diff|\.w_norm", "diff"),
        (r"\.diff_b|\.b_norm", "diff_b"),
    )
)

# The roles that make a layer of a kind, and those that it may have besides.
KINDS = {
    "LoRA": ({"down", "up"}, {"mid", "up_bias"}),
    "LoHa": ({"w1_a", "w1_b", "w2_a", "w2_b"}, {"t1", "t2"}),
    "LoKr": (set(), {"k1", "k1_a", "k1_b", "k2", "k2_a", "k2_b", "kt2"}),
    "difference": (set(), {"diff"}),
}
ANYWHERE = {"alpha", "dora_scale", "magnitude", "diff_b"}


def read(path: Path) -> Lora:
    """The LoRA in a safetensors file.

    FileNotFoundError for none; ValueError that names the file for one that is damaged, for other
    adapters, by their name, and for a layer that lacks a part.
    """
    found = entries(path)
    refuse_others(path, list(found))
    with safe_open(path, framework="np") as file:
        metadata = file.metadata() or {}
    roles: dict[str, dict[str, Entry]] = {}
    unread = []
    for name, entry in found.items():
        layer, role = _role(name)
        if role is None:
            unread.append(name)
        elif role in roles.setdefault(layer, {}):
            raise ValueError(f"{path}: {as_name(layer)} has two tensors for one role ({role})")
        else:
            roles[layer][role] = entry
    if not roles:
        raise ValueError(
            f"{path} holds no LoRA: {first_few(unread) if unread else 'no tensors'}, and none of "
            "its names ends as one of a LoRA does (lora_down.weight, lora_A.weight, ...)"
        )
    scales = scales_of(path, metadata)
    layers, digest = {}, hashlib.sha256()
    with path.open("rb") as raw:
        raw.seek(8 + int.from_bytes(raw.read(8), "little"))
        while part := raw.read(1 << 20):
            digest.update(part)
        for layer, parts in roles.items():
            tensors = {role: _numbers(path, raw, layer, entry) for role, entry in parts.items()}
            layers[layer] = _layer(path, layer, tensors, scales)
    return Lora(
        path.stem, digest.hexdigest(), MappingProxyType(layers), tuple(unread), _base(metadata)
    )


def _role(name: str) -> tuple[str, str | None]:
    """The name of a layer, and what the tensor is there; None for none that mdx knows."""
    for ending, role in ROLES:
        if match := ending.search(name):
            return name[: match.start()], role
    return name, None


def _numbers(path: Path, raw: Any, layer: str, entry: Entry) -> NDArray[Any]:
    """One tensor's numbers, in their shape."""
    if entry.dtype not in STORED:
        raise ValueError(
            f"{path}: {as_name(layer)} is stored as {entry.dtype}, and mdx reads LoRAs of "
            f"{', '.join(STORED)}"
        )
    numbers = np.empty(math.prod(entry.shape), STORED[entry.dtype])
    raw.seek(entry.start)
    if raw.readinto(numbers.data.cast("B")) != numbers.nbytes:
        raise ValueError(f"{path} became shorter while it was read")
    if entry.dtype == "BF16":
        numbers = bfloat16.widened(numbers.view(np.uint16))
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"{path}: {as_name(layer)} has values that are not finite (NaN or infinity); the file "
            "is damaged or its training diverged"
        )
    numbers.flags.writeable = False
    return numbers.reshape(entry.shape)


def _layer(path: Path, name: str, tensors: dict[str, NDArray[Any]], scales: Scales) -> Layer:
    """A layer's tensors, once they are those of one kind."""
    own = tensors.keys() - ANYWHERE
    kinds = [kind for kind, (needed, more) in KINDS.items() if own & (needed | more)]
    kind = kinds[0] if kinds else "difference"
    needed, _ = KINDS[kind]
    if len(kinds) > 1:
        raise ValueError(f"{path}: {as_name(name)} is of two kinds at once, {' and '.join(kinds)}")
    lacking = sorted(needed - tensors.keys())
    if kind == "LoKr":
        lacking = [
            f"lokr_w{n}" for n in "12"
            if f"k{n}" not in tensors and not {f"k{n}_a", f"k{n}_b"} <= tensors.keys()
        ]  # fmt: skip
    elif kind == "LoHa" and ("t1" in tensors) != ("t2" in tensors):
        lacking = ["t2" if "t1" in tensors else "t1"]
    elif kind == "difference" and not tensors.keys() & {"diff", "diff_b"}:
        lacking = ["factors"]
    if lacking:
        raise ValueError(f"{path}: {as_name(name)} ({kind}) lacks its {', '.join(lacking)}")
    rank = _rank(kind, tensors)
    alpha = tensors.get("alpha")
    if alpha is not None and alpha.size != 1:
        raise ValueError(f"{path}: alpha of {as_name(name)} is one number, not {alpha.shape}")
    said = None if alpha is None else float(alpha.reshape(-1)[0])
    kept = {role: array for role, array in tensors.items() if role != "alpha"}
    return Layer(kind, MappingProxyType(kept), scales.of(name, said, rank))


def _rank(kind: str, tensors: Mapping[str, NDArray[Any]]) -> int | None:
    """The rank r that alpha is divided by; None where alpha says nothing."""
    if kind == "LoRA":
        return _first(tensors["down"])
    if kind == "LoHa":
        return _first(tensors["w1_b"])
    for role in ("k2_b", "k1_b"):
        if role in tensors:
            return _first(tensors[role])
    return None


def _first(array: NDArray[Any]) -> int:
    return array.shape[0] if array.ndim else 1


def _base(metadata: Mapping[str, str]) -> str:
    """What the metadata of kohya's scripts, and of the Stability model specification, say."""
    said = metadata.get("modelspec.architecture") or metadata.get("ss_base_model_version") or ""
    return as_name(said.removesuffix("/lora")) if said else ""
