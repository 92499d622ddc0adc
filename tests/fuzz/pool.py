"""Inputs tried in child processes, so that a crash or a hang is counted and the rest goes on."""

import multiprocessing
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.fuzz import sandbox
from tests.fuzz.fuzzer import Fuzzer, Input, turns
from tests.fuzz.judge import SLOWEST, Verdict, judge

BATCH = 25  # inputs that a child is given at once
SLEEPING = 10.0  # seconds after which an input that takes no processor is a hang


class Tried(NamedTuple):
    """An input, and what came of it."""

    name: str  # of the class
    number: int
    words: str
    verdict: Verdict
    kept: tuple[int, ...]  # the turns of spoiling that the failure needs


class Child(NamedTuple):
    """A process at work."""

    process: Any
    link: Connection
    now: Any  # the place in its batch of the input that it tries, shared
    work: list[tuple[str, int]]  # its batch
    since: list[float]  # [place, when it began on the wall, its processor's seconds then]
    folder: str  # of its own
    said: list[str]  # [what the input is that it tries]


def made(make: Callable, name: str, seed: int, number: int, kept: tuple[int, ...] | None) -> Input:
    """An input by its class, seed and number; of some of its turns only, if they are given."""
    random = Random(f"{seed}/{name}/{number}")
    first, all_turns = Random(random.getrandbits(64)), turns(random)
    chosen = all_turns if kept is None else [all_turns[i] for i in kept]
    return make(first, chosen)


def tried(
    make: Callable, name: str, seed: int, number: int, tell: Callable[[str], Any] = str
) -> Tried:
    """An input and its verdict; a failure is tried again with fewer turns.

    `tell` is told what the input is before it is tried, which may be the last that is heard of it.
    """
    given = made(make, name, seed, number, None)
    tell(given.words)
    verdict = judge(given)
    count = len(turns(_after_first(seed, name, number)))
    kept = tuple(range(count))
    if verdict.kind in ("tracebacks", "unnamed"):
        for i in range(count):
            fewer = tuple(k for k in kept if k != i)
            smaller = made(make, name, seed, number, fewer)
            again = judge(smaller)
            if (again.kind, again.where) == (verdict.kind, verdict.where):
                kept, given, verdict = fewer, smaller, again
    return Tried(name, number, given.words, verdict, kept)


def _after_first(seed: int, name: str, number: int) -> Random:
    random = Random(f"{seed}/{name}/{number}")
    random.getrandbits(64)
    return random


def serve(link: Connection, now: Any, enter: Callable[[Path], None], folder: str) -> None:
    """A child's work: batches of (class, number), each answered input by input."""
    enter(Path(folder))
    # Not among the arguments: with them would come mdx, before its place is made.
    fuzzers, seed = link.recv()
    known: dict[str, Callable] = {}
    by_name = {fuzzer.name: fuzzer for fuzzer in fuzzers}
    while (batch := link.recv()) is not None:
        for place, (name, number) in enumerate(batch):
            if name not in known:
                now.value = -1
                own = Path(folder) / name
                own.mkdir()
                known[name] = by_name[name].prepare(own)
            now.value = place
            try:
                link.send(tried(known[name], name, seed, number, link.send))
            except Exception:  # of the fuzzer itself
                (Path(folder) / sandbox.LAST_WORDS).write_text(traceback.format_exc())
                raise
        now.value = -1


def run(
    fuzzers: tuple[Fuzzer, ...],
    work: Iterable[tuple[str, int]],
    seed: int,
    processes: int,
    slowest: float = SLOWEST,
    enter: Callable[[Path], None] = sandbox.enter,
) -> Iterator[Tried]:
    """Try every (class, number); results come in no certain order."""
    context = multiprocessing.get_context("spawn")
    queue, children = iter(work), []

    def batch() -> list[tuple[str, int]]:
        return [one for _, one in zip(range(BATCH), queue, strict=False)]

    with tempfile.TemporaryDirectory(prefix="mdx-fuzz-") as scratch:

        def start(work: list[tuple[str, int]]) -> Child:
            ours, theirs = context.Pipe()
            now, folder = context.Value("i", -1), tempfile.mkdtemp(dir=scratch)
            arguments = (theirs, now, enter, folder)
            process = context.Process(target=serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            ours.send((fuzzers, seed))
            ours.send(work)
            return Child(process, ours, now, work, [], folder, [""])

        try:
            for _ in range(processes):
                if first := batch():
                    children.append(start(first))
            while children:
                wait([child.link for child in children], timeout=0.5)
                for child in list(children):
                    alive = child.process.is_alive()  # before its last words are heard
                    yield from _heard(child)
                    lost = _lost(child, alive, slowest)
                    if lost is not None:
                        yield lost
                        del child.work[0]
                    elif child.work and alive:
                        continue
                    elif alive and (more := batch()):
                        child.work.extend(more)
                        child.since.clear()
                        child.link.send(more)
                        continue
                    children.remove(child)
                    if rest := child.work or batch():
                        children.append(start(rest))
                    elif alive and lost is None:
                        child.link.send(None)
                        child.process.join(10)
        finally:
            for child in children:
                child.process.kill()
                child.process.join()


def _heard(child: Child) -> Iterator[Tried]:
    """What a child has answered since it was last asked."""
    with suppress(EOFError, OSError):
        while child.link.poll():
            heard = child.link.recv()
            if isinstance(heard, str):
                child.said[0] = heard
            else:
                yield heard
                del child.work[0]


def _lost(child: Child, alive: bool, slowest: float) -> Tried | None:
    """The input that a child has died of, or hangs at; the child is then no more."""
    if not child.work:
        return None
    name, number = child.work[0]
    if not alive:
        lines = []
        child.process.join()
        with suppress(OSError):
            lines = (Path(child.folder) / sandbox.LAST_WORDS).read_text().splitlines()
        own = [line.strip() for line in lines if "/mdx/" in line][:2] or lines[-3:]
        verdict = Verdict("crashes", f"exit code {child.process.exitcode}", " < ".join(own))
        return Tried(name, number, child.said[0], verdict, ())
    place = child.now.value
    seconds = _processor(child.process.pid)
    if place < 0 or not child.since or child.since[0] != place:
        child.since[:] = [place, time.monotonic(), seconds]
        return None
    _, begun, before = child.since
    slow, asleep = seconds - before > slowest, time.monotonic() - begun > SLEEPING
    # On a busy machine a child may wait for its turn: it sleeps only if it takes nothing at all.
    if not slow and not (asleep and seconds - before < 0.1 * slowest):
        return None
    child.process.kill()
    child.process.join()
    verdict = Verdict("hangs", f"{seconds - before:.0f} s", "")
    return Tried(name, number, child.said[0], verdict, ())


def _processor(pid: int) -> float:
    """Seconds of the processor that a process has taken; 0 where that cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
