"""Diffusion samplers as data: a table of coefficients, and one pure step that runs any of them."""

from .config import Scheduler, compatibles, from_config, table
from .files import load, load_state, save, save_state
from .langevin import correct
from .levels import Level, Levels
from .step import Info, State, add_noise, begin, init, step
from .tables import Table, check, concat, pad, stack, take, trace

__all__ = [
    "Info",
    "Level",
    "Levels",
    "Scheduler",
    "State",
    "Table",
    "add_noise",
    "begin",
    "check",
    "compatibles",
    "concat",
    "correct",
    "from_config",
    "init",
    "load",
    "load_state",
    "pad",
    "save",
    "save_state",
    "stack",
    "step",
    "table",
    "take",
    "trace",
]
