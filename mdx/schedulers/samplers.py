"""The family: every sampler by its names.

Keys and defaults are those of the scheduler_config.json files that checkpoints carry.
"""

from .configs_consistency import CONSISTENCY
from .configs_edm import EDM
from .configs_flow import FLOW
from .configs_further import FURTHER
from .configs_grid import GRID
from .configs_log_snr import LOG_SNR
from .configs_sigma import SIGMA
from .configs_special import SPECIAL
from .runs import Sampler
from .schedules import OPTIONS, SCHEDULES

# Those that have no end at the clean level, and one that knows no training steps.
UNSCHEDULED = ("deis", "sa_solver", "edm_euler")


def scheduled(sampler: Sampler) -> Sampler:
    """The sampler with the options of schedules, if it can go by one."""
    kinds = ("diffusion", "stochastic", "distilled")
    if sampler.family not in kinds or sampler.names[1] in UNSCHEDULED:
        return sampler
    return sampler._replace(
        defaults={**sampler.defaults, **OPTIONS},
        choices={**sampler.choices, "schedule": (None, *SCHEDULES)},
    )


ALL: tuple[Sampler, ...] = (
    *GRID,
    *SIGMA,
    *LOG_SNR,
    *EDM,
    *FLOW,
    *CONSISTENCY,
    *FURTHER,
    *SPECIAL,
)
SAMPLERS = tuple(map(scheduled, ALL))

# Which models each family's samplers are for, in words.
FAMILIES = {
    "diffusion": "diffusion models, Stable Diffusion among them: each other's compatibles",
    "stochastic": "the same models",
    "inverse": "the same models, from picture to noise",
    "inpainting": "the same models, around a part that is kept",
    "distilled": "the same models, taught to jump to clean: latent consistency",
    "video": "CogVideoX",
    "flow": "flow matching: the model returns a velocity",
    "consistency": "consistency models",
    "trigflow": "consistency models on an angle",
    "edm": "models with EDM's preconditioning",
    "angular": "models told an angle for a time",
    "unclip": "unCLIP's prior and decoder",
    "wuerstchen": "Wuerstchen",
    "score": "models that return the score",
}

# Families whose samplers can run one network: it predicts eps, x0 or v at a training time.
ALIKE = ("diffusion", "stochastic", "inverse", "inpainting", "distilled", "video")
