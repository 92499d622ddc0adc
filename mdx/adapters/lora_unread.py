"""Adapters that are no LoRA, refused by their names: what is not applied must not pass for it."""

import re
from collections.abc import Sequence
from pathlib import Path

from mdx.files import as_name

__all__ = ["refuse_others"]

# What a tensor's name shows, and what the file is then.
OTHERS = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (r"^(?:image_proj|ip_adapter)\.", "an IP-Adapter (those for faces, FaceID, bring a LoRA)"),
        (r"^lora_controlnet$|input_hint_block|controlnet_cond_embedding", "a control-LoRA"),
        (r"^\d+\.\d+\.(?:linear|\d)", "a hypernetwork"),
        (r"\.(?:a1|a2|b1|b2)\.weight$", "a GLoRA"),
        (r"\.on_input$|\.ia3_l\b", "an (IA)^3 adapter"),
        (r"\.(?:oft|boft)_\w+", "an OFT adapter"),
        (r"\.vera_lambda_[bd]", "a VeRA adapter"),
        (r"\.wd_for_diff$", "a DoRA of the difference (wd_for_diff)"),
        (r"\.(?:set|reshape)_weight$", "an adapter that exchanges weights (set_weight)"),
        (r"^emb_params$|^string_to_param|^clip_[lg]$", "a textual inversion"),
        (r"^cond_stage_model\.|^first_stage_model\.", "a whole checkpoint"),
    )
)

# What to do instead, where there is something.
ADVICE = {"a textual inversion": "; mdx.textual_inversion.add takes it"}


def refuse_others(path: Path, names: Sequence[str]) -> None:
    """ValueError that says what a file is whose tensors have names of another adapter."""
    for pattern, what in OTHERS:
        for name in names:
            if pattern.search(name):
                advice = ADVICE.get(what, ", which mdx.lora does not apply")
                raise ValueError(f"{path} is {what}, by its tensor {as_name(name)}{advice}")
