"""What the product of a LoRA's factors is multiplied by: alpha / r, or what the metadata says.

arXiv 2106.09685, section 4.1; alpha / sqrt(r) where it was trained so (rsLoRA, arXiv 2312.03732).
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mdx.adapters.sources import BESIDE
from mdx.checks import shown
from mdx.files import read_json, without_twins

__all__ = ["Scales", "scales_of"]

# diffusers writes PEFT's config into the header of the file, one a part, by this key.
HEADER = "lora_adapter_metadata"

NAME = re.compile(r"[\w.-]+")

# Of PEFT's configs: that the factors are multiplied otherwise than here, if they are not null.
OTHERWISE = ("fan_in_fan_out", "use_bdlora", "use_qalora", "arrow_config", "target_parameters")


class Scales(NamedTuple):
    """What PEFT's configs say, one a part of a model; none where a file has none."""

    configs: Mapping[str, dict[str, Any]]  # by what the layers' names begin with; "" for all

    def of(self, name: str, alpha: float | None, rank: int | None) -> float:
        """The factor of the layer of a name, with the alpha that its tensors say, if any.

        An alpha of 0 stands for r, as one that is not there.
        """
        config = next((c for p, c in self.configs.items() if name.startswith(p)), {})
        if rank is None or rank < 1:
            return 1.0
        if alpha is None:
            alpha = config.get("lora_alpha")
            for ending, own in (config.get("alpha_pattern") or {}).items():
                if name == ending or name.endswith("." + ending):
                    alpha = own
        root = bool(config.get("use_rslora"))
        return (alpha or rank) / (math.sqrt(rank) if root else rank)


def scales_of(path: Path, metadata: Mapping[str, str]) -> Scales:
    """What stands in a file's header, or beside it; ValueError that names the file."""
    if HEADER in metadata:
        try:
            said = json.loads(metadata[HEADER], object_pairs_hook=without_twins)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: {HEADER} in its header is no JSON: {error}") from None
        if not isinstance(said, dict):
            raise ValueError(f"{path}: {HEADER} in its header must be an object")
        parts: dict[str, dict[str, Any]] = {}
        for key, value in said.items():
            part, _, inner = key.partition(".")
            parts.setdefault(f"{part}." if inner else "", {})[inner or key] = value
        return _checked(path, parts)
    beside = path.with_name(BESIDE)
    if path.name == "adapter_model.safetensors" and beside.is_file():
        return _checked(beside, {"": read_json(beside)})
    return Scales({})


def _checked(path: Path, parts: Mapping[str, dict[str, Any]]) -> Scales:
    for config in parts.values():
        kind = config.get("peft_type")
        if kind not in (None, "LORA", "LOHA", "LOKR"):
            raise ValueError(f"{path} is of PEFT's kind {shown(kind)}: mdx reads LORA, LOHA, LOKR")
        for key in OTHERWISE:
            if config.get(key):
                raise ValueError(f"{path}: {key} {shown(config[key])} is not supported")
        if kind in ("LOHA", "LOKR") and "lora_alpha" not in config and "alpha" in config:
            config["lora_alpha"] = config["alpha"]
        alphas = config.get("alpha_pattern") or {}
        if not isinstance(alphas, dict):
            raise ValueError(
                f"{path}: alpha_pattern must map names to numbers, not {shown(alphas)}"
            )
        for name, alpha in {"lora_alpha": config.get("lora_alpha"), **alphas}.items():
            if alpha is not None and not _number(alpha):
                raise ValueError(
                    f"{path}: alpha of {shown(name)} must be a number, not {shown(alpha)}"
                )
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"{path}: alpha_pattern {shown(name)} is a pattern: mdx reads names of layers"
                )
    return Scales(parts)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
