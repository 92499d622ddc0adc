"""Diffusion samplers as data: a table of coefficients, and one pure step that runs any of them.

`from_config` and `table` make the tables of the samplers that are here. `Method`, `Call` and
`trace` make those of any other: an equation is a function of `Values`. The modules `levels` (noise
levels of a run), `noise` (training schedules) and `testbed` (where errors are known) are as public
as the names below.
"""

from . import levels, noise, testbed
from .config import Scheduler, compatibles, from_config, table
from .equations import PREDICTIONS, Bound, Call, Method, Values
from .files import load, load_state, save, save_state
from .joining import concat, pad, stack, take
from .langevin import correct
from .levels import Level, Levels
from .predictions import prediction
from .record import Table, check
from .step import Info, State, add_noise, begin, init, step
from .tracing import trace

__all__ = [
    "PREDICTIONS",
    "Bound",
    "Call",
    "Info",
    "Level",
    "Levels",
    "Method",
    "Scheduler",
    "State",
    "Table",
    "Values",
    "add_noise",
    "begin",
    "check",
    "compatibles",
    "concat",
    "correct",
    "from_config",
    "init",
    "levels",
    "load",
    "load_state",
    "noise",
    "pad",
    "prediction",
    "save",
    "save_state",
    "stack",
    "step",
    "table",
    "take",
    "testbed",
    "trace",
]
