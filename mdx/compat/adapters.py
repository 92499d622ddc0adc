"""LoRAs, by name and merged into the weights where a call needs them; and words of one's own."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mdx
from mdx.checks import did_you_mean, entries, finite, flag, shown
from mdx.compat.unmapped import Neutral, neutral, unmapped

__all__ = ["Adapters"]

MERGE = "mdx.lora.merge(pipe.model, [(lora, strength), ...], scale) has strengths by part and layer"
UNMAPPED = {
    "load_lora_into_unet": MERGE,
    "load_lora_into_text_encoder": MERGE,
    "lora_state_dict": "mdx.lora.load(file) is a LoRA as a value",
    "save_lora_weights": "mdx saves no LoRAs",
    "set_lora_device": "merged weights are where the model is",
    "enable_lora_hotswap": "mdx.lora.merge makes another model of each",
}

READ = ("weight_name", "subfolder", "revision", "local_files_only")
ONLY: dict[str, Neutral] = {
    "use_safetensors": ((None, True), "only safetensors are read"),
    "low_cpu_mem_usage": ((None, True, False), "it is True or False"),
    "network_alphas": ((None,), "a file says its own"),
    "hotswap": ((None, False), "delete_adapters and load_lora_weights"),
    "prefix": ((None,), "mdx.lora.load knows the names of files"),
    "tokenizer": ((None,), "the pipeline's own are taught"),
    "text_encoder": ((None,), "the pipeline's own are taught"),
}


class Named(NamedTuple):
    """A LoRA that is loaded."""

    lora: Any  # what mdx.lora.load returned
    strength: float


@unmapped(UNMAPPED)
class Adapters:
    """The LoRAs of a pipeline, which its weights are merged with."""

    _untaught: Mapping[str, Any] = {}  # the parts that words were added to, as they were
    _model: Any
    _bare: Any

    _loaded: Mapping[str, Named] = {}
    _active: tuple[str, ...] | None = None  # None: nobody said which
    _disabled: bool = False
    _fused: tuple[tuple[Any, float], ...] = ()
    _merged: Any = None  # the last merge: what it was of, and its model

    def load_lora_weights(
        self,
        pretrained_model_name_or_path_or_dict: Any,
        adapter_name: str | None = None,
        **asked: Any,
    ) -> None:
        """Load a LoRA, by `mdx.lora.load`.

        Args:
            pretrained_model_name_or_path_or_dict: a file, a folder or a Hub id.
            adapter_name: what it is called from now on; None: "default_0" and so on.
            asked: weight_name, subfolder, revision and local_files_only.

        Raises:
            OSError, ValueError, TypeError: as `mdx.lora.load`, and by name for what is not mapped.
        """
        where = "load_lora_weights"
        source, options = _found(where, pretrained_model_name_or_path_or_dict, asked)
        lora = mdx.lora.load(source, **options)
        name = f"default_{len(self._loaded)}" if adapter_name is None else adapter_name
        if name in self._loaded:
            raise ValueError(f"adapter_name {name!r} is taken: choose another, or delete_adapters")
        mdx.lora.merge(self._model(None), lora, 0.0)  # whether it is for this model is said here
        self._loaded = {**self._loaded, name: Named(lora, 1.0)}
        self._active = None

    def load_textual_inversion(
        self, pretrained_model_name_or_path: Any, token: Any = None, **asked: Any
    ) -> None:
        """Teach the pipeline words, by `mdx.textual_inversion.add`.

        Args:
            pretrained_model_name_or_path: a file, a folder or a Hub id, or a list of them.
            token: what prompts call it, or a list of as many; None: as the file says.
            asked: weight_name, subfolder, revision and local_files_only.

        Raises:
            OSError, ValueError, TypeError: as `mdx.textual_inversion.add`, and by name for what is
                not mapped.
        """
        sources = entries(pretrained_model_name_or_path) or [pretrained_model_name_or_path]
        tokens = entries(token) or [token] * len(sources)
        if len(tokens) != len(sources):
            raise ValueError(f"token is a list of {len(tokens)}, for {len(sources)} files")
        before = model = self._bare
        for one, word in zip(sources, tokens, strict=True):
            source, options = _found("load_textual_inversion", one, asked)
            model = mdx.textual_inversion.add(model, source, word, **options)
        taught = dict(self._untaught)
        for name, old, new in zip(model._fields, before, model, strict=True):
            if old is not new:
                taught.setdefault(name, getattr(self, name))
                setattr(self, name, new)
        self._untaught = taught

    def unload_textual_inversion(self) -> None:
        """Forget all words that were taught."""
        for name, part in self._untaught.items():
            setattr(self, name, part)
        self._untaught = {}

    def set_adapters(self, adapter_names: Any, adapter_weights: Any = None) -> None:
        """Choose the LoRAs that are used, and how strongly.

        Args:
            adapter_names: one name or a list of them.
            adapter_weights: a number, or one each; None: 1.

        Raises:
            ValueError, TypeError: for names that nobody loaded, and what is no strength.
        """
        names = self._names(adapter_names)
        weights = entries(adapter_weights)
        if weights is None:
            weights = [1.0 if adapter_weights is None else adapter_weights] * len(names)
        if len(weights) != len(names):
            raise ValueError(f"adapter_weights are {len(weights)}, for {len(names)} adapter_names")
        if any(isinstance(weight, dict) for weight in weights):
            raise TypeError(f"adapter_weights are numbers, one an adapter: {MERGE}")
        chosen = dict(zip(names, weights, strict=True))
        loaded = dict(self._loaded)
        for name, weight in chosen.items():
            loaded[name] = loaded[name]._replace(strength=finite("adapter_weights", weight))
        self._loaded = loaded
        self._active, self._disabled = tuple(names), False

    def fuse_lora(
        self,
        components: Any = None,
        lora_scale: float = 1.0,
        safe_fusing: bool = False,
        adapter_names: Sequence[str] | None = None,
    ) -> None:
        """Merge LoRAs into the weights for good, until unfuse_lora.

        Args:
            components: None for all parts.
            lora_scale: how strongly, beside their own strengths.
            safe_fusing: weights that overflow are refused in any case.
            adapter_names: which; None: those that are used.

        Raises:
            ValueError, TypeError: for names that nobody loaded, and what is no strength.
        """
        if components is not None and not isinstance(components, list | tuple):
            raise TypeError(
                f"components must be None, for all parts, not {shown(components)}: {MERGE}"
            )
        if adapter_names is not None:
            self.set_adapters(list(adapter_names))
        scale = finite("lora_scale", lora_scale)
        used = tuple((lora, scale * strength) for lora, strength in self._used())
        self._fused, self._active = (*self._fused, *used), ()

    def unfuse_lora(self, components: Any = None) -> None:
        """Take what fuse_lora merged out again: the weights are the checkpoint's, bit for bit."""
        self._fused = ()
        self._active = tuple(self._loaded)

    def unload_lora_weights(self) -> None:
        """Forget the LoRAs; what was fused stays."""
        self._loaded, self._active = {}, None

    def delete_adapters(self, adapter_names: Any) -> None:
        """Forget some LoRAs.

        Args:
            adapter_names: one name or a list of them.

        Raises:
            ValueError, TypeError: for names that nobody loaded.
        """
        gone = self._names(adapter_names)
        self._loaded = {name: one for name, one in self._loaded.items() if name not in gone}
        if self._active is not None:
            self._active = tuple(name for name in self._active if name not in gone)

    def disable_lora(self) -> None:
        """Draw without the LoRAs that are not fused."""
        self._disabled = True

    def enable_lora(self) -> None:
        """Draw with them again."""
        self._disabled = False

    def get_active_adapters(self) -> list[str]:
        """The names of the LoRAs that are used."""
        return list(self._loaded if self._active is None else self._active)

    def get_list_adapters(self) -> dict[str, list[str]]:
        """The names of all LoRAs, by the parts of the model."""
        return {"unet": list(self._loaded)}

    def _names(self, given: Any) -> list[str]:
        names = [given] if isinstance(given, str) else list(given)
        for name in names:
            if name not in self._loaded:
                raise ValueError(
                    f"adapter_names: {shown(name)} is none of those that were loaded, "
                    f"{', '.join(self._loaded) or 'which are none'}"
                )
        return names

    def _used(self) -> list[tuple[Any, float]]:
        """The LoRAs that are used, with their strengths."""
        if self._active is None and len(self._loaded) > 1:
            raise ValueError(
                f"several adapters are loaded, {', '.join(self._loaded)}: say which are used, with "
                "set_adapters"
            )
        if self._disabled:
            return []
        used = (self._loaded[name] for name in self.get_active_adapters())
        return [(one.lora, one.strength) for one in used]

    def _adapted(self, model: Any, scale: float | None) -> Any:
        """A model with the LoRAs that are used, None: those that are fused; the last is kept."""
        some = list(self._fused)
        if scale is not None:
            some += [(lora, scale * strength) for lora, strength in self._used()]
        if not some:
            return model
        if self._merged is None or not _alike(self._merged[:2], (model, some)):
            self._merged = model, some, mdx.lora.merge(model, some)
        return self._merged[2]


def _alike(one: Any, other: Any) -> bool:
    """Whether two merges are of the very same parts and LoRAs."""
    (model, some), (model_2, some_2) = one, other
    parts = zip(model, model_2, strict=True)
    loras = len(some) == len(some_2) and all(
        a is b and x == y for (a, x), (b, y) in zip(some, some_2, strict=True)
    )
    return loras and type(model) is type(model_2) and all(a is b for a, b in parts)


def _found(where: str, source: Any, asked: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Where a file is, and which, as `mdx.lora.load` takes it; errors by name."""
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"{where} takes a file, a folder or a Hub id, not {shown(source)}")
    for name, value in asked.items():
        if name in ONLY:
            neutral(f"{where}: {name}", value, ONLY[name])
        elif name not in READ:
            raise TypeError(f"{where} has no argument {name!r}{did_you_mean(name, READ)}")
    file, folder = asked.get("weight_name"), asked.get("subfolder")
    if folder is not None:
        file = None if file is None else str(Path(folder, file))
        source = source if file is not None else Path(source, folder)
    offline = flag("local_files_only", asked.get("local_files_only") or False)
    return source, {"file": file, "revision": asked.get("revision"), "offline": offline}
