"""A model and a conditioning to a denoiser: what `sample` runs a table with."""

from typing import Any

from mdx import schedulers
from mdx.families import Model, check_model
from mdx.memory import Memory, checked
from mdx.prompt_schedule import Changing, every
from mdx.prompt_schedule import checked as checked_conditioning
from mdx.sampling.network import Network

__all__ = ["denoiser"]


def denoiser(model: Model, conditioning: Changing, *, memory: Memory | None = None) -> Network:
    """A model's network with its conditioning, as a denoiser.

    Args:
        model: what `load` returned.
        conditioning: of B images, as `encode_prompt` makes it of prompts for such a model; or a
            Schedule of them, for prompts that change over the rows of a run.
        memory: what is held in memory at once, see `Memory`; None for what is quickest.

    Returns:
        A value with `init` and `apply`, see `mdx.sampling.Denoiser`; its output is float32
        (B, C, h, w), in the prediction type of the checkpoint's scheduler.

    Raises:
        TypeError, ValueError: for a conditioning that is for models of another family, or of other
            widths.
    """
    family = check_model(model)
    if checked_conditioning(conditioning).family != family.name:
        raise ValueError(
            f"the conditioning is for models of {conditioning.family}, and this one is of "
            f"{family.name}: encode the prompts with it"
        )
    net: Any = getattr(model, family.network)
    for one in every(conditioning):
        family.check_conditioning(model, one)
    prediction = schedulers.prediction(model.scheduler)
    return Network(net, conditioning, family.inputs(model), checked(memory), prediction)
