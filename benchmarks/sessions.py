"""One side's work on one row, in a process of its own."""

import importlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from processes import peak_memory
from rows import SIDES, Arrays, Row


class Start(NamedTuple):
    """What it took to be ready."""

    imports: float  # seconds
    load: float  # seconds
    first: float  # seconds of the first call, in which mdx compiles
    outputs: list[np.ndarray]  # of the first call
    peak: int  # bytes of memory, at most, so far


class Run(NamedTuple):
    """One call after that."""

    seconds: float
    waiting: float  # seconds of a processor that it took while it waited; 0 is as it should be
    peak: int  # bytes of memory, at most, so far


def session(
    side: str, row: Row, folder: Path, inputs: Arrays, threads: int, cache: Path
) -> Iterator[Start | Run]:
    """Get ready, and then do the row's work as often as asked.

    cache: the folder for the graphs that mdx compiles. A picture's first call has one step, which
    is enough to compile everything.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ["MDX_COMPILE_CACHE"] = str(cache)
    module, options = SIDES[side]
    if module != "side_mdx":
        # Asked of mdx; the others have a oneDNN of their own, which would obey it too.
        os.environ.pop("ONEDNN_MAX_CPU_ISA", None)
    began = time.perf_counter()
    library = importlib.import_module(module)
    imported = time.perf_counter()
    loaded = library.load(folder, row, threads, **options)
    ready = time.perf_counter()
    if row.part == "load":
        yield Start(imported - began, ready - imported, 0.0, [], peak_memory())
        return
    call = library.prepare(loaded, row, inputs)
    prepared = time.perf_counter()
    outputs = call(1)
    called, worked = time.perf_counter(), time.process_time()
    yield Start(imported - began, ready - imported, called - prepared, outputs, peak_memory())
    while True:
        waiting = time.process_time() - worked
        began = time.perf_counter()
        call(row.steps)
        seconds, worked = time.perf_counter() - began, time.process_time()
        yield Run(seconds, waiting, peak_memory())


def convert(side: str, row: Row, folder: Path, inputs: Arrays) -> None:
    """Write the files that a side needs beside the checkpoint's own, where it needs any."""
    library, options = SIDES[side]
    if library == "side_openvino":
        importlib.import_module(library).convert(folder, row, inputs)
    elif "variant" in options:
        importlib.import_module(library).convert(folder, **options)
