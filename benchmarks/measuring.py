"""One row: its sides in turn, and what comes of it."""

import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from checkpoint import configs
from machine import clocks, others_busy
from processes import Worker, ask, fresh, start, stop
from rows import Arrays, Row, inputs
from sessions import Run, Start, convert, session

Told = dict[str, tuple[list[float], list[Start], list[Run]]]  # by side: seconds that count, and all


def measured(row: Row, checkpoint: str, folder: Path, runs: int, threads: int) -> dict[str, Any]:
    """All figures of a row, as JSON takes them."""
    given = inputs(row, configs()[checkpoint], 0)
    for side in row.sides:
        fresh(convert, side, row, folder, given)
    way = in_turn if row.figure == "call" and not row.alone else anew
    before = clocks()
    told = way(row, folder, given, min(runs, row.runs or runs), threads)
    first, *others = row.sides
    errors = {side: _error(told[first][1][0], told[side][1][0]) for side in others}
    return {
        "checkpoint": checkpoint,
        **{key: getattr(row, key) for key in ("name", "what", "figure", "latents", "batch")},
        "sides": {side: _figures(*told[side]) for side in row.sides},
        "ratios": {side: ratio(told[first][0], told[side][0]) for side in others},
        "errors": errors,
        "error": max(errors.values(), default=0.0),
        "others_busy": others_busy(before, clocks()),
    }


def in_turn(row: Row, folder: Path, given: Arrays, runs: int, threads: int) -> Told:
    """The seconds of calls: all sides are ready, and one works while the others wait."""
    told: Told = {side: ([], [], []) for side in row.sides}
    with tempfile.TemporaryDirectory() as cache:
        workers = {}
        try:
            for side in row.sides:
                workers[side] = start(session, side, row, folder, given, threads, Path(cache))
                told[side][1].append(ask(workers[side]))
            for turn in range(runs):
                for side in order(row.sides, turn):
                    run = ask(workers[side])
                    told[side][0].append(run.seconds)
                    told[side][2].append(run)
        finally:
            for worker in workers.values():
                stop(worker)
    return told


def anew(row: Row, folder: Path, given: Arrays, runs: int, threads: int) -> Told:
    """Each time in a new process, while no other is there: what is loaded, compiled, or too large.

    Graphs of calls are compiled once, by the first process.
    """
    told: Told = {side: ([], [], []) for side in row.sides}
    with tempfile.TemporaryDirectory() as shared:
        if row.warm:
            for side in row.sides:
                with _started(side, row, folder, given, threads, shared) as worker:
                    ask(worker)
        for turn in range(runs):
            for side in order(row.sides, turn):
                with (
                    tempfile.TemporaryDirectory() as own,
                    _started(
                        side, row, folder, given, threads, shared if row.warm or row.alone else own
                    ) as worker,
                ):
                    seconds, starts, calls = told[side]
                    starts.append(ask(worker))
                    if row.figure == "load":
                        seconds.append(starts[-1].load)
                        continue
                    calls.append(ask(worker))
                    called = calls[-1].seconds
                    compiles = row.figure == "compile"
                    seconds.append(starts[-1].first - called if compiles else called)
    return told


@contextmanager
def _started(side, row, folder, given, threads, cache) -> Iterator[Worker]:
    worker = start(session, side, row, folder, given, threads, Path(cache))
    try:
        yield worker
    finally:
        stop(worker)


def order(sides: Sequence[str], turn: int) -> Sequence[str]:
    """Every other turn the other way round, so that a machine that slows down slows all alike."""
    return sides[::-1] if turn % 2 else sides


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """That of the medians, and the least and the largest of a turn."""
    each = [a / b for a, b in zip(ours, theirs, strict=True)]
    medians = statistics.median(ours) / statistics.median(theirs)
    return {"medians": medians, "least": min(each), "most": max(each)}


def _figures(seconds, starts, runs):
    return {
        "seconds": seconds,
        "median": statistics.median(seconds),
        "peak": max(one.peak for one in [*starts, *runs]),
        "imports": [one.imports for one in starts],
        "load": [one.load for one in starts],
        "first": [one.first for one in starts],
        "calls": [one.seconds for one in runs],
        "waiting": [one.waiting for one in runs],
    }


def _error(ours, theirs):
    """Largest of `apart` over a call's outputs; none where there are no outputs."""
    pairs = zip(ours.outputs, theirs.outputs, strict=True)
    return max((apart(a, b) for a, b in pairs), default=0.0)


def apart(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over largest value; infinite where it is no number."""
    if got.shape != expected.shape:
        raise ValueError(f"outputs of shapes {got.shape} and {expected.shape} cannot be compared")
    error = float(np.abs(got - expected).max() / np.abs(expected).max())
    return math.inf if math.isnan(error) else error
