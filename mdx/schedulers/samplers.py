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

SAMPLERS: tuple[Sampler, ...] = (
    *GRID,
    *SIGMA,
    *LOG_SNR,
    *EDM,
    *FLOW,
    *CONSISTENCY,
    *FURTHER,
    *SPECIAL,
)
