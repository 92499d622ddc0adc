"""A sampler as data: the table, how equations become its rows, and how tables combine.

The names of four modules: record.py has the table and its check, equations.py what samplers are
written in, tracing.py what makes rows of it, joining.py what makes tables of tables.
"""

from .equations import (
    PREDICTIONS,
    UNBOUNDED,
    Bound,
    Call,
    Method,
    Values,
    denoiser,
    reading,
)
from .joining import concat, idle, pad, stack, take, widened
from .record import TOLERANCE, Array, Table, check, frozen
from .tracing import trace

__all__ = [
    "PREDICTIONS",
    "TOLERANCE",
    "UNBOUNDED",
    "Array",
    "Bound",
    "Call",
    "Method",
    "Table",
    "Values",
    "check",
    "concat",
    "denoiser",
    "frozen",
    "idle",
    "pad",
    "reading",
    "stack",
    "take",
    "trace",
    "widened",
]
