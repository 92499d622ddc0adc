"""Several processes that train one net, each on a core of its own and on its part of every batch.

MindSpore's threads get in each other's way on small operators; processes do not. All of them hold
the same weights and take the same steps; what they exchange is the gradient, through memory that
they share.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import connection
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ALONE", "Team", "in_team", "mean", "part", "wait"]


class Team(NamedTuple):
    """One process's place among the others, and what it needs to meet them."""

    rank: int  # from 0; the first one writes the files
    size: int
    barrier: Any = None  # a multiprocessing.Barrier of `size`
    board: Any = None  # shared float32 numbers, `size` vectors end to end


ALONE = Team(0, 1)
STOPPED = "the training stopped; the same command goes on from there"


def part(team: Team, array: np.ndarray) -> np.ndarray:
    """This process's part of a batch (B, ...): one element in `size`. ValueError if B is uneven."""
    if len(array) % team.size:
        raise ValueError(f"a batch of {len(array)} does not divide among {team.size} processes")
    return array[team.rank :: team.size]


def wait(team: Team) -> None:
    """Go on when all are here."""
    if team.size > 1:
        team.barrier.wait()


def mean(team: Team, vector: np.ndarray) -> np.ndarray:
    """The mean of all processes' vectors (P,), float32: the same numbers in each of them."""
    if team.size == 1:
        return vector
    board = np.frombuffer(team.board, np.float32)[: team.size * len(vector)]
    rows = board.reshape(team.size, len(vector))
    rows[team.rank] = vector
    wait(team)
    found = rows.sum(0) / np.float32(team.size)
    wait(team)  # nobody writes the next one before all have read this one
    return found


def in_team(work: Callable, size: int, longest: int, *arguments) -> None:
    """Call work(*arguments, team) in `size` processes; longest: of the vectors to be averaged.

    work and arguments are what pickle takes. Called in a main thread. SystemExit if a process fails
    or this one is told to end (SIGTERM); the others are stopped.
    """
    context = multiprocessing.get_context("spawn")
    barrier, board = context.Barrier(size), context.RawArray(ctypes.c_float, size * longest)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    members = []
    for rank in range(size):
        # A process inherits the cores that it may run on, and MindSpore counts them once.
        if cores:
            os.sched_setaffinity(0, {cores[rank % len(cores)]})
        team = Team(rank, size, barrier, board)
        members.append(context.Process(target=work, args=(*arguments, team)))
        members[-1].start()
    if cores:
        os.sched_setaffinity(0, cores)
    at_work = {member.sentinel: member for member in members}
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))
    try:
        while at_work:
            for sentinel in connection.wait(list(at_work)):
                member = at_work.pop(sentinel)
                member.join()  # its end is seen a moment before its exit status
                if member.exitcode:
                    sys.exit(STOPPED)
    finally:
        signal.signal(signal.SIGTERM, before)
        for member in members:
            member.terminate()
            member.join()
