"""What the command adds to a model before it draws: LoRAs, and words of one's own."""

from typing import Any

from mdx.cli_files import Places
from mdx.options import Settings, flag

__all__ = ["added"]


def added(model: Any, settings: Settings, files: Places) -> Any:
    """The model with the LoRAs and the textual inversions of the settings, from where files lie.

    ValueError or OSError by the option's name for what does not fit.
    """
    import mdx

    try:
        for path in files.get("embedding", ()):
            model = mdx.textual_inversion.add(model, path)
    except (ValueError, OSError) as error:
        raise type(error)(f"{flag('embedding')}: {error}") from None
    if not settings.lora:
        return model
    try:
        strengths = [1.0 if one.scale is None else one.scale for one in settings.lora]
        loras = [mdx.lora.load(path) for path in files["lora"]]
        return mdx.lora.merge(model, list(zip(loras, strengths, strict=True)))
    except (ValueError, OSError) as error:
        raise type(error)(f"{flag('lora')}: {error}") from None
