"""What can only be guessed of a checkpoint: that it was distilled, and wants few steps."""

import logging
from typing import Any

from mdx.families.stable_diffusion import embeds_guidance
from mdx.schedulers import prediction

__all__ = ["hint"]

log = logging.getLogger("mdx")

# Samplers that distilled checkpoints come with.
DISTILLED = ("LCMScheduler", "TCDScheduler")


def hint(model: Any) -> None:
    """Say what cannot be told from the weights: that a checkpoint may be a distilled one.

    Trailing times are also those of models that predict v, which are none.
    """
    name, spacing = model.scheduler.name, model.scheduler.config.get("timestep_spacing")
    trailing = spacing == "trailing" and prediction(model.scheduler) != "v_prediction"
    if embeds_guidance(model):
        log.info(
            "the checkpoint's network reads how far it is guided (time_cond_proj_dim), as "
            "distilled ones do: 2 to 8 steps are what it learned"
        )
    elif name in DISTILLED or trailing:
        log.info(
            "the checkpoint's scheduler (%s, timestep_spacing %s) is one that distilled ones come "
            "with: if it is one, 1 to 8 steps and guidance 1 are what it learned",
            name,
            spacing,
        )
